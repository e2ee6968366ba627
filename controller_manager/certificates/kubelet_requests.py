"""What kubelets may ask to be certified, and what anybody may ask of Kubernetes' own signers.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from api.certificates_v1 import CertificateSigningRequest

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
_NODES, _NODE = "system:nodes", "system:node:"
_SIGNATURE, _ENCIPHERMENT, _CLIENT_AUTH, _SERVER_AUTH = (
    "digital signature", "key encipherment", "client auth", "server auth",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A certificate request (PKCS#10) as far as signers care."""

    request: Any
    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]

    @classmethod
    def of(cls, csr: CertificateSigningRequest) -> Asked:
        """Raises ValueError."""
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        request = x509.load_pem_x509_csr(b64decode(csr.spec.request))
        names = [str(name.value) for name in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        groups = [str(name.value) for name in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        try:
            alternatives: Any = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            alternatives = x509.SubjectAlternativeName([])
        kinds = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)
        found = (tuple(map(str, alternatives.get_values_for_type(kind))) for kind in kinds)
        return cls(request, names[-1] if names else "", tuple(groups), *found)


def problem(signer: str, asked: Asked, usages: Collection[str]) -> str:
    """Why a signer does not sign something; empty when it does."""
    if signer == CLIENT:
        if not set(usages) <= {_SIGNATURE, _ENCIPHERMENT, _CLIENT_AUTH} or _CLIENT_AUTH not in usages:
            return f"invalid usages for client certificate: [{' '.join(usages)}]"
    elif signer == KUBELET_CLIENT:
        return kubelet_client_problem(asked, usages)
    elif signer == KUBELET_SERVING:
        return kubelet_serving_problem(asked, usages)
    return ""


def kubelet_client_problem(asked: Asked, usages: Collection[str]) -> str:
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    for found, name in (
        (asked.dns_names, "DNS"), (asked.emails, "email"), (asked.addresses, "IP"), (asked.uris, "URI"),
    ):  # fmt: skip
        if found:
            return f"{name} subjectAltNames are not allowed"
    if not asked.common_name.startswith(_NODE):
        return "subject common name does not begin with system:node:"
    if set(usages) - {_ENCIPHERMENT} != {_SIGNATURE, _CLIENT_AUTH}:
        return _mismatch(_CLIENT_AUTH, _SIGNATURE)
    return ""


def kubelet_serving_problem(asked: Asked, usages: Collection[str]) -> str:
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    if not asked.dns_names and not asked.addresses:
        return "DNS or IP subjectAltName is required"
    if asked.emails:
        return "email subjectAltNames are not allowed"
    if asked.uris:
        return "URI subjectAltNames are not allowed"
    if set(usages) - {_ENCIPHERMENT} != {_SIGNATURE, _SERVER_AUTH}:
        return _mismatch(_SIGNATURE, _SERVER_AUTH)
    if not asked.common_name.startswith(_NODE):
        return "subject common name does not begin with system:node:"
    return ""


def _mismatch(*usages: str) -> str:
    more = " ".join(sorted({*usages, _ENCIPHERMENT}))
    return f"usages did not match [{' '.join(usages)}] or [{more}]"


def condition(csr: CertificateSigningRequest, kind: str) -> bool:
    """Whether the request has a condition of the kind: Approved, Denied or Failed."""
    return any(each.type == kind and each.status == "True" for each in csr.status.conditions)
