"""Approves what kubelets ask for, if who asks may have it: a first certificate as a node, or the next one of its own.

https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/#approval
"""

from __future__ import annotations

from api.authorization_v1 import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from api.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from api.errors import NotFound
from client.controller import Controller, Key, NotYet, Watches
from controller_manager.certificates.kubelet_requests import KUBELET_CLIENT, Asked, condition, kubelet_client_problem


class ApprovingController(Controller):
    name = "certificatesigningrequest-approving-controller"

    def setup(self, watch: Watches) -> None:
        self.requests = watch(CertificateSigningRequest)

    async def reconcile(self, key: Key) -> None:
        csr = self.requests.get(key)
        if csr is None or csr.status.certificate or condition(csr, "Approved") or condition(csr, "Denied"):
            return
        tried = permissions(csr)
        for permission, message in tried:
            if await self._may(csr, permission):
                await self._approve(csr.copy_deep(), message)
                return
        if tried:
            raise NotYet(f"who asked for {key} may not have it, so far")

    async def _may(self, csr: CertificateSigningRequest, subresource: str) -> bool:
        asked = ResourceAttributes(
            group="certificates.k8s.io", resource="certificatesigningrequests", verb="create", subresource=subresource
        )
        spec = csr.spec
        review = SubjectAccessReviewSpec(
            user=spec.username, uid=spec.uid, groups=spec.groups, extra=spec.extra, resourceAttributes=asked
        )
        return (await self.client.create(SubjectAccessReview(spec=review))).status.allowed

    async def _approve(self, csr: CertificateSigningRequest, message: str) -> None:
        csr.status.conditions.append(
            CertificateSigningRequestCondition(type="Approved", status="True", reason="AutoApproved", message=message)
        )
        try:
            await self.client.update(csr, subresource="approval")
        except NotFound:
            return  # taken back meanwhile


def permissions(csr: CertificateSigningRequest) -> list[tuple[str, str]]:
    """What one must be allowed to create for the request to be approved, either of it, and what is said then."""
    if csr.spec.signerName != KUBELET_CLIENT:
        return []
    try:
        asked = Asked.of(csr)
    except ValueError:
        return []
    if kubelet_client_problem(asked, csr.spec.usages):
        return []
    found = [("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")]
    if csr.spec.username == asked.common_name:
        message = "Auto approving self kubelet client certificate after SubjectAccessReview."
        found.insert(0, ("selfnodeclient", message))
    return found
