"""How Kubernetes quotes objects in messages: in its internal form, with every field, empty ones too.

Some messages quote a whole structure, or the difference between two.  The internal types have no JSON
names: fields are called as in Go and come in the order of their declaration.
"""

from __future__ import annotations

from datetime import datetime
from difflib import unified_diff
from typing import Any

import orjson

from api.meta_v1 import ObjectMeta
from api.model import Model
from api.rfc3339 import to_second
from apiserver.raw_extension import Raw, compact

_ORDER: dict[str, str] = {
    "PodSpec": (
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName automountServiceAccountToken nodeName "
        "securityContext imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName tolerations "
        "hostAliases priorityClassName priority preemptionPolicy dnsConfig readinessGates runtimeClassName overhead "
        "enableServiceLinks topologySpreadConstraints os schedulingGates resourceClaims resources hostnameOverride "
        "schedulingGroup"
    ),
    "PodSecurityContext": (
        "hostNetwork hostPID hostIPC shareProcessNamespace hostUsers seLinuxOptions windowsOptions runAsUser "
        "runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup fsGroupChangePolicy sysctls "
        "seccompProfile appArmorProfile seLinuxChangePolicy"
    ),
    "Container": (
        "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
        "restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
        "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
    ),
    "EphemeralContainer": (
        "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
        "restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
        "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty "
        "targetContainerName"
    ),
    "ContainerPort": "name hostPort containerPort protocol hostIP",
    "EnvVar": "name value valueFrom",
    "EnvVarSource": "fieldRef resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef",
    "ObjectFieldSelector": "apiVersion fieldPath",
    "ResourceFieldSelector": "containerName resource divisor",
    "ConfigMapKeySelector": "name key optional",
    "SecretKeySelector": "name key optional",
    "FileKeySelector": "volumeName path key optional",
    "EnvFromSource": "prefix configMapRef secretRef",
    "ResourceRequirements": "limits requests claims",
    "ContainerResizePolicy": "resourceName restartPolicy",
    "VolumeMount": "name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr",
    "VolumeDevice": "name devicePath",
    "Probe": (
        "exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold "
        "failureThreshold terminationGracePeriodSeconds"
    ),
    "HTTPGetAction": "path port host scheme httpHeaders",
    "TCPSocketAction": "port host",
    "GRPCAction": "port service",
    "Lifecycle": "postStart preStop stopSignal",
    "LifecycleHandler": "exec httpGet tcpSocket sleep",
    "SecurityContext": (
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
    "SeccompProfile": "type localhostProfile",
    "AppArmorProfile": "type localhostProfile",
    "SELinuxOptions": "user role type level",
    "Affinity": "nodeAffinity podAffinity podAntiAffinity",
    "NodeAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PodAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PodAntiAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PreferredSchedulingTerm": "weight preference",
    "WeightedPodAffinityTerm": "weight podAffinityTerm",
    "PodAffinityTerm": "labelSelector namespaces topologyKey namespaceSelector matchLabelKeys mismatchLabelKeys",
    "Toleration": "key operator value effect tolerationSeconds",
    "TopologySpreadConstraint": (
        "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy nodeTaintsPolicy "
        "matchLabelKeys"
    ),
    "HostAlias": "ip hostnames",
    "PodDNSConfig": "nameservers searches options",
    "PodResourceClaim": "name resourceClaimName resourceClaimTemplateName",
    "Volume": (
        "name hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
        "persistentVolumeClaim rbd quobyte flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap "
        "vsphereVolume azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral image"
    ),
    "ConfigMapVolumeSource": "name items defaultMode optional",
    "SecretVolumeSource": "secretName items defaultMode optional",
    "ProjectedVolumeSource": "sources defaultMode",
    "HostPathVolumeSource": "path type",
    "EmptyDirVolumeSource": "medium sizeLimit",
    "DeploymentStrategy": "type rollingUpdate",
    "RollingUpdateDeployment": "maxUnavailable maxSurge",
    "DaemonSetUpdateStrategy": "type rollingUpdate",
    "RollingUpdateDaemonSet": "maxUnavailable maxSurge",
    "StatefulSetUpdateStrategy": "type rollingUpdate",
    "RollingUpdateStatefulSetStrategy": "partition maxUnavailable",
    "PodFailurePolicyRule": "action onExitCodes onPodConditions",
    "PodFailurePolicyOnPodConditionsPattern": "type status",
    "SuccessPolicyRule": "succeededIndexes succeededCount",
    "UncountedTerminatedPods": "succeeded failed",
    "PodDisruptionBudgetSpec": "minAvailable selector maxUnavailable unhealthyPodEvictionPolicy",
    "PersistentVolumeSource": (
        "gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd quobyte iscsi flexVolume cinder cephfs fc "
        "flocker azureFile vsphereVolume azureDisk photonPersistentDisk portworxVolume scaleIO local storageos csi"
    ),
    "PersistentVolumeSpec": (
        "capacity +PersistentVolumeSource accessModes claimRef persistentVolumeReclaimPolicy storageClassName "
        "mountOptions volumeMode nodeAffinity volumeAttributesClassName"
    ),
    "CSIPersistentVolumeSource": (
        "driver volumeHandle readOnly fsType volumeAttributes controllerPublishSecretRef nodeStageSecretRef "
        "nodePublishSecretRef controllerExpandSecretRef nodeExpandSecretRef"
    ),
    "NFSVolumeSource": "server path readOnly",
    "LocalVolumeSource": "path fsType",
    "ISCSIPersistentVolumeSource": (
        "targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery chapAuthSession secretRef "
        "initiatorName"
    ),
    "AWSElasticBlockStoreVolumeSource": "volumeID fsType partition readOnly",
    "GCEPersistentDiskVolumeSource": "pdName fsType partition readOnly",
    "AzureDiskVolumeSource": "diskName diskURI cachingMode fsType readOnly kind",
    "AzureFilePersistentVolumeSource": "secretName shareName readOnly secretNamespace",
    "PersistentVolumeClaimSpec": (
        "accessModes selector resources volumeName storageClassName volumeMode dataSource dataSourceRef "
        "volumeAttributesClassName"
    ),
    "TypedLocalObjectReference": "apiGroup kind name",
    "TypedObjectReference": "apiGroup kind name namespace",
    "ObjectReference": "kind namespace name uid apiVersion resourceVersion fieldPath",
    "VolumeAttachmentSpec": "attacher source nodeName",
    "VolumeAttachmentSource": "persistentVolumeName inlineVolumeSpec",
    "ScopedResourceSelectorRequirement": "scopeName operator values",
    "CSINodeDriver": "name nodeID topologyKeys allocatable",
    "Taint": "key value effect timeAdded",
    "ServicePort": "name protocol appProtocol port targetPort nodePort",
    "DeviceClaim": "requests constraints config",
    "DeviceRequest": "name exactly firstAvailable",
    "ExactDeviceRequest": "deviceClassName selectors allocationMode count adminAccess tolerations capacity",
    "DeviceSubRequest": "name deviceClassName selectors allocationMode count tolerations capacity",
    "DeviceToleration": "key operator value effect tolerationSeconds",
    "DeviceConstraint": "requests matchAttribute distinctAttribute",
    "DeviceClaimConfiguration": "requests opaque",
    "AllocationResult": "devices nodeSelector allocationTimestamp",
    "DeviceAllocationResult": "results config",
    "DeviceRequestAllocationResult": (
        "request driver pool device adminAccess tolerations bindingConditions bindingFailureConditions shareID "
        "consumedCapacity"
    ),
    "DeviceAllocationConfiguration": "source requests opaque",
    "FlowSchemaSpec": "priorityLevelConfiguration matchingPrecedence distinguisherMethod rules",
    "PolicyRulesWithSubjects": "subjects resourceRules nonResourceRules",
    "ResourcePolicyRule": "verbs apiGroups resources clusterScope namespaces",
    "NonResourcePolicyRule": "verbs nonResourceURLs",
    "Subject": "kind user group serviceAccount",
    "PriorityLevelConfigurationSpec": "type limited exempt",
    "LimitedPriorityLevelConfiguration": (
        "nominalConcurrencyShares limitResponse lendablePercent borrowingLimitPercent"
    ),
    "LimitResponse": "type queuing",
    "QueuingConfiguration": "queues handSize queueLengthLimit",
    "ExemptPriorityLevelConfiguration": "nominalConcurrencyShares lendablePercent",
}

_NAMES = {
    "apiGroup": "APIGroup",
    "apiGroups": "APIGroups",
    "awsElasticBlockStore": "AWSElasticBlockStore",
    "apiVersion": "APIVersion",
    "cel": "CEL",
    "cephfs": "CephFS",
    "chapAuthDiscovery": "DiscoveryCHAPAuth",
    "chapAuthSession": "SessionCHAPAuth",
    "csi": "CSI",
    "dnsConfig": "DNSConfig",
    "dnsPolicy": "DNSPolicy",
    "fc": "FC",
    "fsGroup": "FSGroup",
    "fsGroupChangePolicy": "FSGroupChangePolicy",
    "fsType": "FSType",
    "gcePersistentDisk": "GCEPersistentDisk",
    "grpc": "GRPC",
    "httpGet": "HTTPGet",
    "httpHeaders": "HTTPHeaders",
    "ip": "IP",
    "iqn": "IQN",
    "iscsi": "ISCSI",
    "iscsiInterface": "ISCSIInterface",
    "nfs": "NFS",
    "os": "OS",
    "pdName": "PDName",
    "rbd": "RBD",
    "seLinuxChangePolicy": "SELinuxChangePolicy",
    "seLinuxOptions": "SELinuxOptions",
    "storageos": "StorageOS",
    "tcpSocket": "TCPSocket",
    "tty": "TTY",
    "diskURI": "DataDiskURI",
    "nodeID": "NodeID",
    "uid": "UID",
    "volumeID": "VolumeID",
    "wwids": "WWIDs",
}

# Fields that the internal form keeps in the pod's security context.
_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_META_ORDER = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers",
    "managedFields", "manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource",
)  # fmt: skip


def _go_name(name: str) -> str:
    return _NAMES.get(name) or name[0].upper() + name[1:]


def internal(value: Any) -> Any:
    """The internal form of a model, as JSON-shaped dictionaries and lists."""
    if isinstance(value, Model):
        return _internal_model(value)
    if isinstance(value, list):
        return [internal(item) for item in value] or None
    if isinstance(value, Raw):
        return orjson.Fragment(compact(value.text))
    if isinstance(value, dict):
        return {key: value[key] for key in sorted(value)} or None
    if isinstance(value, datetime):
        return to_second(value)
    return value


def metadata_form(metadata: ObjectMeta) -> dict[str, Any]:
    """Metadata as messages quote it: its JSON, in the order of the fields' declaration."""
    document = _in_order(metadata.to_dict())
    for name in ("labels", "annotations"):
        if name in document:
            document[name] = dict(sorted(document[name].items()))
    if managers := document.get("managedFields"):
        document["managedFields"] = [_in_order(manager) for manager in managers]
    return document


def selector_form(selector: Model) -> dict[str, Any]:
    """A LabelSelector as messages quote it: its JSON, in the order of the fields' declaration."""
    document = selector.to_dict()
    if "matchLabels" in document:
        document["matchLabels"] = dict(sorted(document["matchLabels"].items()))
    return {name: document[name] for name in ("matchLabels", "matchExpressions") if name in document}


def _in_order(document: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(document.items(), key=lambda member: _META_ORDER.index(member[0])))


def _internal_model(model: Model, kind: str = "") -> dict[str, Any]:
    """`kind` names an embedded struct: only its fields are shown."""
    kind = kind or type(model).__name__
    if kind == "LabelSelector":  # types of meta/v1 are the same inside
        return selector_form(model)
    fields = _ORDER[kind].split() if kind in _ORDER else list(type(model).model_fields)
    shown: dict[str, Any] = {}
    for field in fields:
        if field.startswith("+"):
            shown |= _internal_model(model, field[1:])
            continue
        value = getattr(model, field, None)
        if value == [] and kind not in _ORDER and field in model.model_fields_set:
            shown[_go_name(field)] = []  # given, if empty
            continue
        if kind == "PodSpec" and field == "securityContext" and value is not None:
            shown["SecurityContext"] = _security_context(model, value)
            continue
        shown[_go_name(field)] = internal(value)
    return shown


def _security_context(spec: Model, context: Model) -> dict[str, Any]:
    shown = {_go_name(name): getattr(spec, name) for name in _HOST}
    for field in _ORDER["PodSecurityContext"].split():
        if field not in _HOST:
            shown[_go_name(field)] = internal(getattr(context, field))
    return shown


def difference(old: Model, new: Model, embedded: str = "") -> str:
    """A unified diff of the internal forms, with three lines of context and no file names.

    `embedded` names a struct within the models' own to which the diff is confined.
    """
    found = list(unified_diff(_lines(old, embedded), _lines(new, embedded), lineterm="", n=3))[2:]
    return "".join(line + "\n" for line in found)


def _lines(model: Model, embedded: str) -> list[str]:
    text = orjson.dumps(_internal_model(model, embedded), option=orjson.OPT_INDENT_2).decode()
    # Go indents by one space here.
    return [" " * ((len(line) - len(line.lstrip(" "))) // 2) + line.lstrip(" ") for line in text.split("\n")]
