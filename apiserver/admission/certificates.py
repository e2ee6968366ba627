"""CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may decide about certificates.

See https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization.
"""

from __future__ import annotations

from api.scheme import CERTIFICATES_V1
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_PLURAL = "certificatesigningrequests"
_CLIENTS = "kubernetes.io/kube-apiserver-client"
_MASTERS = "system:masters"


def _concerns(request: AdmissionRequest, operation: str, subresource: str) -> bool:
    return (
        (request.operation, request.subresource) == (operation, subresource)
        and request.resource.plural == _PLURAL
        and request.resource.group == CERTIFICATES_V1.group
    )


def _may(request: AdmissionRequest, verb: str, signer: str) -> bool:
    """Whether the user may do something for this signer, or for all of its domain."""
    domain, _, _ = signer.partition("/")
    may = request.context.may
    return any(may(verb, CERTIFICATES_V1.group, "signers", name=name) for name in (signer, f"{domain}/*"))


class CertificateApproval(AdmissionPlugin):
    name = "CertificateApproval"

    def validate(self, request: AdmissionRequest) -> None:
        if _concerns(request, "UPDATE", "approval"):
            signer = request.old_object.spec.signerName
            if not _may(request, "approve", signer):
                raise request.forbidden(f'user not permitted to approve requests with signerName "{signer}"')


class CertificateSigning(AdmissionPlugin):
    name = "CertificateSigning"

    def validate(self, request: AdmissionRequest) -> None:
        if not _concerns(request, "UPDATE", "status"):
            return
        signer = request.old_object.spec.signerName
        if request.object.status != request.old_object.status and not _may(request, "sign", signer):
            raise request.forbidden(f'user not permitted to sign requests with signerName "{signer}"')


class CertificateSubjectRestriction(AdmissionPlugin):
    name = "CertificateSubjectRestriction"

    def validate(self, request: AdmissionRequest) -> None:
        if not _concerns(request, "CREATE", "") or request.object.spec.signerName != _CLIENTS:
            return
        from apiserver.registry.pem import organizations

        if _MASTERS in organizations(request.object.spec.request):
            raise request.forbidden(f"use of {_CLIENTS} signer with {_MASTERS} group is not allowed")
