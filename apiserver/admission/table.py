"""The admission plugins of the server, in the order they are asked."""

from __future__ import annotations

from apiserver.admission.certificates import CertificateApproval, CertificateSigning, CertificateSubjectRestriction
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.plugin import AdmissionPlugin
from apiserver.admission.priority import Priority
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import ServiceAccountPlugin
from apiserver.admission.taint_nodes_by_condition import TaintNodesByCondition


def default_plugins(*, mount_tokens: bool = True) -> list[AdmissionPlugin]:
    """`mount_tokens`: whether pods are given tokens for the API."""
    return [
        NamespaceLifecycle(),
        ServiceAccountPlugin(mount_tokens=mount_tokens),
        TaintNodesByCondition(),
        Priority(),
        DefaultTolerationSeconds(),
        RuntimeClass(),
        DefaultIngressClass(),
        CertificateApproval(),
        CertificateSigning(),
        CertificateSubjectRestriction(),
    ]
