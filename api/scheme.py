"""Which resource serves which kind: the table that joins URLs, kinds and types.

A *resource* is a collection at a URL (`deployments` in `apps/v1`); a *kind* is the type of the objects
in it (`Deployment`).  See https://kubernetes.io/docs/reference/using-api/api-concepts/.

Types are named here and imported when they are first asked for: a process pays for the kinds it uses, not for all.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import cache, cached_property

from api.model import Model

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class GroupVersion:
    group: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def parse(cls, text: str) -> GroupVersion:
        """Read an object's `apiVersion`: "v1", "apps/v1"."""
        group, _, version = text.rpartition("/")
        return cls(group, version)


@dataclass(frozen=True)
class Part:
    """A subresource.  Without `kind` it shows the resource's own; without `group_version` one of its own group."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    kind: str = ""
    group_version: GroupVersion | None = None

    @property
    def is_view(self) -> bool:
        """Whether it is read or written like the object (status, scale) and not an action (binding, exec)."""
        return "update" in self.verbs and "create" not in self.verbs


@dataclass(frozen=True)
class Resource:
    """One served collection.  `type_name` is where in `api` the Python type of its kind is: "apps_v1.Deployment"."""

    group_version: GroupVersion
    plural: str
    type_name: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    parts: tuple[Part, ...] = ()
    singular: str = ""
    kind: str = field(default="")
    list_kind: str = ""
    deprecation: str = ""
    """Sent as a `Warning` with every answer where the whole resource is on its way out."""
    stored_in: GroupVersion | None = None
    """The version in which its objects are stored, where that is not its own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.kind or self.type_name.rpartition(".")[2])
        object.__setattr__(self, "singular", self.singular or self.kind.lower())
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.kind}List")

    @cached_property
    def model(self) -> type[Model]:
        """The Python type of the kind, imported on first use."""
        module, _, name = self.type_name.partition(".")
        model: type[Model] = getattr(importlib.import_module(f"api.{module}"), name)
        return model

    @property
    def group(self) -> str:
        return self.group_version.group

    @property
    def is_stored(self) -> bool:
        """Whether there are objects of it; others are questions that are answered, or views of something else."""
        return "watch" in self.verbs

    @cached_property
    def group_resource(self) -> str:
        """As error messages name it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def api_version(self) -> str:
        return str(self.group_version)

    @cached_property
    def root(self) -> str:
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (all namespaces when none is given), an object or a subresource."""
        parts = [self.root]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


CORE_V1 = GroupVersion("", "v1")
ADMISSIONREGISTRATION_V1 = GroupVersion("admissionregistration.k8s.io", "v1")
APIEXTENSIONS_V1 = GroupVersion("apiextensions.k8s.io", "v1")
APIREGISTRATION_V1 = GroupVersion("apiregistration.k8s.io", "v1")
APPS_V1 = GroupVersion("apps", "v1")
AUTHENTICATION_V1 = GroupVersion("authentication.k8s.io", "v1")
AUTHORIZATION_V1 = GroupVersion("authorization.k8s.io", "v1")
AUTOSCALING_V1 = GroupVersion("autoscaling", "v1")
AUTOSCALING_V2 = GroupVersion("autoscaling", "v2")
BATCH_V1 = GroupVersion("batch", "v1")
CERTIFICATES_V1 = GroupVersion("certificates.k8s.io", "v1")
COORDINATION_V1 = GroupVersion("coordination.k8s.io", "v1")
DISCOVERY_V1 = GroupVersion("discovery.k8s.io", "v1")
EVENTS_V1 = GroupVersion("events.k8s.io", "v1")
FLOWCONTROL_V1 = GroupVersion("flowcontrol.apiserver.k8s.io", "v1")
NETWORKING_V1 = GroupVersion("networking.k8s.io", "v1")
NODE_V1 = GroupVersion("node.k8s.io", "v1")
POLICY_V1 = GroupVersion("policy", "v1")
RBAC_V1 = GroupVersion("rbac.authorization.k8s.io", "v1")
RESOURCE_V1 = GroupVersion("resource.k8s.io", "v1")
SCHEDULING_V1 = GroupVersion("scheduling.k8s.io", "v1")
STORAGE_V1 = GroupVersion("storage.k8s.io", "v1")

_CREATE = ("create",)
_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
STATUS = Part("status")
SCALE = Part("scale", kind="Scale", group_version=AUTOSCALING_V1)

# One line each, in the order in which discovery lists the groups, and the versions of each.
# fmt: off
RESOURCES: tuple[Resource, ...] = (
    Resource(CORE_V1, "bindings", "core_v1.Binding", verbs=_CREATE),
    Resource(CORE_V1, "componentstatuses", "core_v1.ComponentStatus", namespaced=False, short_names=("cs",),
             verbs=("get", "list"), deprecation="v1 ComponentStatus is deprecated in v1.19+"),
    Resource(CORE_V1, "configmaps", "core_v1.ConfigMap", short_names=("cm",)),
    Resource(CORE_V1, "endpoints", "core_v1.Endpoints", short_names=("ep",),
             deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
    Resource(CORE_V1, "events", "core_v1.Event", short_names=("ev",)),
    Resource(CORE_V1, "limitranges", "core_v1.LimitRange", short_names=("limits",)),
    Resource(CORE_V1, "namespaces", "core_v1.Namespace", namespaced=False, short_names=("ns",),
             verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
             parts=(Part("finalize", ("update",)), STATUS)),
    Resource(CORE_V1, "nodes", "core_v1.Node", namespaced=False, short_names=("no",),
             parts=(Part("proxy", _PROXY, "NodeProxyOptions"), STATUS)),
    Resource(CORE_V1, "persistentvolumeclaims", "core_v1.PersistentVolumeClaim", short_names=("pvc",), parts=(STATUS,)),
    Resource(CORE_V1, "persistentvolumes", "core_v1.PersistentVolume", namespaced=False, short_names=("pv",),
             parts=(STATUS,)),
    Resource(CORE_V1, "pods", "core_v1.Pod", short_names=("po",), categories=("all",),
             parts=(Part("attach", _CONNECT, "PodAttachOptions"), Part("binding", _CREATE, "Binding"),
                    Part("ephemeralcontainers"), Part("eviction", _CREATE, "Eviction", POLICY_V1),
                    Part("exec", _CONNECT, "PodExecOptions"), Part("log", ("get",)),
                    Part("portforward", _CONNECT, "PodPortForwardOptions"), Part("proxy", _PROXY, "PodProxyOptions"),
                    Part("resize"), STATUS)),
    Resource(CORE_V1, "podtemplates", "core_v1.PodTemplate"),
    Resource(CORE_V1, "replicationcontrollers", "core_v1.ReplicationController", short_names=("rc",),
             categories=("all",), parts=(SCALE, STATUS)),
    Resource(CORE_V1, "resourcequotas", "core_v1.ResourceQuota", short_names=("quota",), parts=(STATUS,)),
    Resource(CORE_V1, "secrets", "core_v1.Secret"),
    Resource(CORE_V1, "serviceaccounts", "core_v1.ServiceAccount", short_names=("sa",),
             parts=(Part("token", _CREATE, "TokenRequest", AUTHENTICATION_V1),)),
    Resource(CORE_V1, "services", "core_v1.Service", short_names=("svc",), categories=("all",),
             parts=(Part("proxy", _PROXY, "ServiceProxyOptions"), STATUS)),
    Resource(APIREGISTRATION_V1, "apiservices", "apiregistration_v1.APIService", namespaced=False,
             categories=("api-extensions",), parts=(STATUS,)),
    Resource(APPS_V1, "controllerrevisions", "apps_v1.ControllerRevision"),
    Resource(APPS_V1, "daemonsets", "apps_v1.DaemonSet", short_names=("ds",), categories=("all",), parts=(STATUS,)),
    Resource(APPS_V1, "deployments", "apps_v1.Deployment", short_names=("deploy",), categories=("all",),
             parts=(SCALE, STATUS)),
    Resource(APPS_V1, "replicasets", "apps_v1.ReplicaSet", short_names=("rs",), categories=("all",),
             parts=(SCALE, STATUS)),
    Resource(APPS_V1, "statefulsets", "apps_v1.StatefulSet", short_names=("sts",), categories=("all",),
             parts=(SCALE, STATUS)),
    Resource(EVENTS_V1, "events", "events_v1.Event", short_names=("ev",), stored_in=CORE_V1),
    Resource(AUTHENTICATION_V1, "selfsubjectreviews", "authentication_v1.SelfSubjectReview", namespaced=False,
             verbs=_CREATE),
    Resource(AUTHENTICATION_V1, "tokenreviews", "authentication_v1.TokenReview", namespaced=False, verbs=_CREATE),
    Resource(AUTHORIZATION_V1, "localsubjectaccessreviews", "authorization_v1.LocalSubjectAccessReview", verbs=_CREATE),
    Resource(AUTHORIZATION_V1, "selfsubjectaccessreviews", "authorization_v1.SelfSubjectAccessReview", namespaced=False,
             verbs=_CREATE),
    Resource(AUTHORIZATION_V1, "selfsubjectrulesreviews", "authorization_v1.SelfSubjectRulesReview", namespaced=False,
             verbs=_CREATE),
    Resource(AUTHORIZATION_V1, "subjectaccessreviews", "authorization_v1.SubjectAccessReview", namespaced=False,
             verbs=_CREATE),
    Resource(AUTOSCALING_V2, "horizontalpodautoscalers", "autoscaling_v2.HorizontalPodAutoscaler", short_names=("hpa",),
             categories=("all",), parts=(STATUS,)),
    Resource(AUTOSCALING_V1, "horizontalpodautoscalers", "autoscaling_v1.HorizontalPodAutoscaler", short_names=("hpa",),
             categories=("all",), parts=(STATUS,), stored_in=AUTOSCALING_V2),
    Resource(BATCH_V1, "cronjobs", "batch_v1.CronJob", short_names=("cj",), categories=("all",), parts=(STATUS,)),
    Resource(BATCH_V1, "jobs", "batch_v1.Job", categories=("all",), parts=(STATUS,)),
    Resource(CERTIFICATES_V1, "certificatesigningrequests", "certificates_v1.CertificateSigningRequest",
             namespaced=False, short_names=("csr",), parts=(Part("approval"), STATUS)),
    Resource(NETWORKING_V1, "ingressclasses", "networking_v1.IngressClass", namespaced=False),
    Resource(NETWORKING_V1, "ingresses", "networking_v1.Ingress", short_names=("ing",), parts=(STATUS,)),
    Resource(NETWORKING_V1, "ipaddresses", "networking_v1.IPAddress", namespaced=False, short_names=("ip",)),
    Resource(NETWORKING_V1, "networkpolicies", "networking_v1.NetworkPolicy", short_names=("netpol",)),
    Resource(NETWORKING_V1, "servicecidrs", "networking_v1.ServiceCIDR", namespaced=False, parts=(STATUS,)),
    Resource(POLICY_V1, "poddisruptionbudgets", "policy_v1.PodDisruptionBudget", short_names=("pdb",), parts=(STATUS,)),
    Resource(RBAC_V1, "clusterrolebindings", "rbac_v1.ClusterRoleBinding", namespaced=False),
    Resource(RBAC_V1, "clusterroles", "rbac_v1.ClusterRole", namespaced=False),
    Resource(RBAC_V1, "rolebindings", "rbac_v1.RoleBinding"),
    Resource(RBAC_V1, "roles", "rbac_v1.Role"),
    Resource(STORAGE_V1, "csidrivers", "storage_v1.CSIDriver", namespaced=False),
    Resource(STORAGE_V1, "csinodes", "storage_v1.CSINode", namespaced=False),
    Resource(STORAGE_V1, "csistoragecapacities", "storage_v1.CSIStorageCapacity"),
    Resource(STORAGE_V1, "storageclasses", "storage_v1.StorageClass", namespaced=False, short_names=("sc",)),
    Resource(STORAGE_V1, "volumeattachments", "storage_v1.VolumeAttachment", namespaced=False, parts=(STATUS,)),
    Resource(STORAGE_V1, "volumeattributesclasses", "storage_v1.VolumeAttributesClass", namespaced=False,
             short_names=("vac",)),
    Resource(ADMISSIONREGISTRATION_V1, "mutatingadmissionpolicies", "admissionregistration_v1.MutatingAdmissionPolicy",
             namespaced=False, categories=("api-extensions",)),
    Resource(ADMISSIONREGISTRATION_V1, "mutatingadmissionpolicybindings",
             "admissionregistration_v1.MutatingAdmissionPolicyBinding", namespaced=False,
             categories=("api-extensions",)),
    Resource(ADMISSIONREGISTRATION_V1, "mutatingwebhookconfigurations",
             "admissionregistration_v1.MutatingWebhookConfiguration", namespaced=False, categories=("api-extensions",)),
    Resource(ADMISSIONREGISTRATION_V1, "validatingadmissionpolicies",
             "admissionregistration_v1.ValidatingAdmissionPolicy", namespaced=False, categories=("api-extensions",),
             parts=(STATUS,)),
    Resource(ADMISSIONREGISTRATION_V1, "validatingadmissionpolicybindings",
             "admissionregistration_v1.ValidatingAdmissionPolicyBinding", namespaced=False,
             categories=("api-extensions",)),
    Resource(ADMISSIONREGISTRATION_V1, "validatingwebhookconfigurations",
             "admissionregistration_v1.ValidatingWebhookConfiguration", namespaced=False,
             categories=("api-extensions",)),
    Resource(APIEXTENSIONS_V1, "customresourcedefinitions", "apiextensions_v1.CustomResourceDefinition",
             namespaced=False, short_names=("crd", "crds"), categories=("api-extensions",), parts=(STATUS,)),
    Resource(SCHEDULING_V1, "priorityclasses", "scheduling_v1.PriorityClass", namespaced=False, short_names=("pc",)),
    Resource(COORDINATION_V1, "leases", "coordination_v1.Lease"),
    Resource(NODE_V1, "runtimeclasses", "node_v1.RuntimeClass", namespaced=False),
    Resource(DISCOVERY_V1, "endpointslices", "discovery_v1.EndpointSlice"),
    Resource(RESOURCE_V1, "deviceclasses", "resource_v1.DeviceClass", namespaced=False),
    Resource(RESOURCE_V1, "resourceclaims", "resource_v1.ResourceClaim", parts=(STATUS,)),
    Resource(RESOURCE_V1, "resourceclaimtemplates", "resource_v1.ResourceClaimTemplate"),
    Resource(RESOURCE_V1, "resourceslices", "resource_v1.ResourceSlice", namespaced=False),
    Resource(FLOWCONTROL_V1, "flowschemas", "flowcontrol_v1.FlowSchema", namespaced=False, parts=(STATUS,)),
    Resource(FLOWCONTROL_V1, "prioritylevelconfigurations", "flowcontrol_v1.PriorityLevelConfiguration",
             namespaced=False, parts=(STATUS,)),
)
# fmt: on

_BY_TYPE = {tuple(resource.type_name.split(".")): resource for resource in RESOURCES}
_BY_KIND = {(resource.group_version, resource.kind): resource for resource in RESOURCES}


@cache
def resource_of(model: type[Model]) -> Resource:
    """The resource that serves a type.  Raises KeyError for types that are not served."""
    return _BY_TYPE[model.__module__.split(".")[1], model.__name__]


def resource_of_kind(api_version: str, kind: str) -> Resource | None:
    """The built-in resource of an object's `apiVersion` and `kind`, if there is one."""
    return _BY_KIND.get((GroupVersion.parse(api_version), kind))


_EVERYDAY = (
    "deployments.apps", "replicasets.apps", "pods", "nodes", "leases.coordination.k8s.io", "serviceaccounts",
    "configmaps", "events", "services", "endpoints", "endpointslices.discovery.k8s.io", "namespaces", "secrets",
    "events.events.k8s.io",
)  # fmt: skip


def everyday_resources() -> list[Resource]:
    """What the components of a cluster work with from the first moment on; what is needed first comes first."""
    resources = {resource.group_resource: resource for resource in RESOURCES}
    return [resources[name] for name in _EVERYDAY]
