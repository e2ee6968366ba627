"""Deletes requests that have been decided, or that nobody has decided, for long enough.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#request-signing-process
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta

from api.certificates_v1 import CertificateSigningRequest
from api.errors import NotFound
from client.controller import Controller, Key, Watches, nothing

_PERIOD = 3600.0
_DECIDED, _PENDING = timedelta(hours=1), timedelta(hours=24)


class CleanerController(Controller):
    name = "certificatesigningrequest-cleaner-controller"
    workers = 1

    def setup(self, watch: Watches) -> None:
        self.requests = watch(CertificateSigningRequest, enqueue=nothing)
        self.queue.add("round")

    async def reconcile(self, key: Key) -> None:
        self.queue.add_after(key, _PERIOD)
        for csr in self.requests.list():
            if is_over(csr, self.clock.now()):
                try:
                    await self.client.delete(CertificateSigningRequest, csr.metadata.name, uid=csr.metadata.uid)
                except NotFound:
                    continue


def is_over(csr: CertificateSigningRequest, now: datetime) -> bool:
    """Whether a request has lain there long enough, or its certificate has expired."""
    since = {each.type: each.lastUpdateTime for each in csr.status.conditions if each.lastUpdateTime is not None}
    for kind, decided in since.items():
        finished = csr.status.certificate if kind == "Approved" else kind in ("Denied", "Failed")
        if finished and decided + _DECIDED < now:
            return True
    made = csr.metadata.creationTimestamp
    if not csr.status.conditions and not csr.status.certificate and made is not None and made + _PENDING < now:
        return True
    return bool(csr.status.certificate) and _has_expired(csr.status.certificate, now)


def _has_expired(certificate: str, now: datetime) -> bool:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(b64decode(certificate))[0].not_valid_after_utc < now
    except ValueError:
        return False
