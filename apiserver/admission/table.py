"""The admission plugins of the server, in the order they are asked."""

from __future__ import annotations

from apiserver.admission.certificates import CertificateApproval, CertificateSigning, CertificateSubjectRestriction
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.admission.default_storage_class import DefaultStorageClass
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.persistent_volume_claim_resize import PersistentVolumeClaimResize
from apiserver.admission.plugin import AdmissionPlugin
from apiserver.admission.pod_topology_labels import PodTopologyLabels
from apiserver.admission.priority import Priority
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import ServiceAccountPlugin
from apiserver.admission.storage_object_in_use_protection import StorageObjectInUseProtection
from apiserver.admission.taint_nodes_by_condition import TaintNodesByCondition


def default_plugins(*, mount_tokens: bool = True) -> list[AdmissionPlugin]:
    """`mount_tokens`: whether pods are given tokens for the API."""
    return [
        NamespaceLifecycle(),
        LimitRanger(),
        ServiceAccountPlugin(mount_tokens=mount_tokens),
        TaintNodesByCondition(),
        Priority(),
        DefaultTolerationSeconds(),
        DefaultStorageClass(),
        StorageObjectInUseProtection(),
        PersistentVolumeClaimResize(),
        RuntimeClass(),
        DefaultIngressClass(),
        CertificateApproval(),
        CertificateSigning(),
        CertificateSubjectRestriction(),
        PodTopologyLabels(),
        ResourceQuota(),
    ]
