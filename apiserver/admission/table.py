"""The admission plugins there are, in the order they are asked, and which of them a server has.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#which-plugins-are-enabled-by-default
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

from apiserver.admission.plugin import AdmissionPlugin

_CLASSES = {
    "NamespaceAutoProvision": "namespace_auto_provision:NamespaceAutoProvision",
    "NamespaceLifecycle": "namespace_lifecycle:NamespaceLifecycle",
    "NamespaceExists": "namespace_exists:NamespaceExists",
    "LimitPodHardAntiAffinityTopology": "limit_pod_hard_anti_affinity_topology:LimitPodHardAntiAffinityTopology",
    "LimitRanger": "limit_ranger:LimitRanger",
    "ServiceAccount": "service_account:ServiceAccountPlugin",
    "NodeRestriction": "node_restriction:NodeRestriction",
    "TaintNodesByCondition": "taint_nodes_by_condition:TaintNodesByCondition",
    "AlwaysPullImages": "always_pull_images:AlwaysPullImages",
    "ImagePolicyWebhook": "image_policy_webhook:ImagePolicyWebhook",
    "PodSecurity": "pod_security.plugin:PodSecurity",
    "PodNodeSelector": "pod_node_selector:PodNodeSelector",
    "Priority": "priority:Priority",
    "DefaultTolerationSeconds": "default_toleration_seconds:DefaultTolerationSeconds",
    "PodTolerationRestriction": "pod_toleration_restriction:PodTolerationRestriction",
    "EventRateLimit": "event_rate_limit:EventRateLimit",
    "ExtendedResourceToleration": "extended_resource_toleration:ExtendedResourceToleration",
    "DefaultStorageClass": "default_storage_class:DefaultStorageClass",
    "StorageObjectInUseProtection": "storage_object_in_use_protection:StorageObjectInUseProtection",
    "OwnerReferencesPermissionEnforcement": (
        "owner_references_permission_enforcement:OwnerReferencesPermissionEnforcement"
    ),
    "PersistentVolumeClaimResize": "persistent_volume_claim_resize:PersistentVolumeClaimResize",
    "RuntimeClass": "runtime_class:RuntimeClass",
    "CertificateApproval": "certificates:CertificateApproval",
    "CertificateSigning": "certificates:CertificateSigning",
    "CertificateSubjectRestriction": "certificates:CertificateSubjectRestriction",
    "DefaultIngressClass": "default_ingress_class:DefaultIngressClass",
    "DenyServiceExternalIPs": "deny_service_external_ips:DenyServiceExternalIPs",
    "PodTopologyLabels": "pod_topology_labels:PodTopologyLabels",
    "ResourceQuota": "resource_quota:ResourceQuota",
    "AlwaysDeny": "always_deny:AlwaysDeny",
}
"""Module and class of each, in Kubernetes' order."""

WITHOUT_CLASS = (
    "AlwaysAdmit", "ClusterTrustBundleAttest", "JobValidation", "MutatingAdmissionPolicy", "MutatingAdmissionWebhook",
    "NodeDeclaredFeatureValidator", "PodGroupProtection", "PodGroupWorkloadExists", "PodResizeValidator",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook",
)  # fmt: skip
"""Names that can be given but are no plugins here: what they would look at is not served, or is looked at elsewhere."""

DEFAULT_OFF = frozenset(
    {
        "AlwaysAdmit", "AlwaysDeny", "AlwaysPullImages", "DenyServiceExternalIPs", "EventRateLimit",
        "ExtendedResourceToleration", "ImagePolicyWebhook", "LimitPodHardAntiAffinityTopology",
        "NamespaceAutoProvision", "NamespaceExists", "NodeRestriction", "OwnerReferencesPermissionEnforcement",
        "PodNodeSelector", "PodTolerationRestriction",
    }
)  # fmt: skip

NAMES = (*_CLASSES, *WITHOUT_CLASS)


def plugins(
    enable: Collection[str] = (), disable: Collection[str] = (), configurations: Mapping[str, Mapping[str, Any]] = {}
) -> list[AdmissionPlugin]:
    """Those that are on unless disabled, and those that are enabled; in their order, whatever that of the names.

    `configurations` are by the plugin's name.  Raises ConfigurationError for one that a plugin cannot use.
    """
    on = [name for name in _CLASSES if (name in enable or name not in DEFAULT_OFF) and name not in disable]
    return [_class_of(name).configured(configurations.get(name)) for name in on]


def _class_of(name: str) -> type[AdmissionPlugin]:
    """Loaded only where it is on: a server does without what it has no use for."""
    module, _, attribute = _CLASSES[name].partition(":")
    found: type[AdmissionPlugin] = getattr(import_module(f"apiserver.admission.{module}"), attribute)
    return found
