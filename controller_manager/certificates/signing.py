"""Signs approved requests to Kubernetes' own signers with the cluster's CA.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#signer-control-plane
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from api.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from api.errors import NotFound
from client.controller import Controller, Key, Watches
from controller_manager.certificates.kubelet_requests import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LEGACY,
    Asked,
    condition,
    problem,
)

SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)
_BACKDATE, _SHORT, _SHORTEST = timedelta(minutes=5), timedelta(hours=8), timedelta(minutes=10)
_KEY_USAGES = {
    "signing": "digital_signature", "digital signature": "digital_signature",
    "content commitment": "content_commitment", "key encipherment": "key_encipherment",
    "key agreement": "key_agreement", "data encipherment": "data_encipherment", "cert sign": "key_cert_sign",
    "crl sign": "crl_sign", "encipher only": "encipher_only", "decipher only": "decipher_only",
}  # fmt: skip
_EXTENDED_USAGES = {
    "any": "2.5.29.37.0", "server auth": "1.3.6.1.5.5.7.3.1", "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3", "email protection": "1.3.6.1.5.5.7.3.4", "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5", "ipsec tunnel": "1.3.6.1.5.5.7.3.6", "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8", "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3", "netscape sgc": "2.16.840.1.113730.4.1",
}  # fmt: skip


class SigningController(Controller):
    name = "certificatesigningrequest-signing-controller"

    def __init__(self, *common: Any, certificate: Path, key: Path, longest: timedelta) -> None:
        """The CA's certificate and key (PEM), and how long a certificate is valid unless a shorter time is asked."""
        self.certificate, self.key, self.longest = certificate, key, longest
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.requests = watch(CertificateSigningRequest)

    @cached_property
    def authority(self) -> tuple[Any, Any]:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from cryptography.x509 import load_pem_x509_certificate

        return (
            load_pem_x509_certificate(self.certificate.read_bytes()),
            load_pem_private_key(self.key.read_bytes(), None),
        )

    async def reconcile(self, key: Key) -> None:
        csr = self.requests.get(key)
        if csr is None or csr.spec.signerName not in SIGNERS or csr.status.certificate:
            return
        if not condition(csr, "Approved") or condition(csr, "Denied") or condition(csr, "Failed"):
            return
        changed = csr.copy_deep()
        asked = Asked.of(csr)
        why_not = problem(csr.spec.signerName, asked, csr.spec.usages)
        if why_not:
            failed = CertificateSigningRequestCondition(
                type="Failed", status="True", reason="SignerValidationFailure", message=why_not
            )
            changed.status.conditions.append(failed)
        else:
            now = self.clock.now()
            lifetime = lifetime_of(csr.spec.expirationSeconds, self.longest)
            pem = signed(asked, csr.spec.usages, *self.authority, now, lifetime)
            changed.status.certificate = b64encode(pem).decode()
        try:
            await self.client.update(changed, subresource="status")
        except NotFound:
            return  # taken back meanwhile


def lifetime_of(seconds: int | None, longest: timedelta) -> timedelta:
    """What is asked for, within ten minutes and the signer's own limit."""
    return longest if seconds is None else min(max(timedelta(seconds=seconds), _SHORTEST), longest)


def signed(
    asked: Asked, usages: Collection[str], authority: Any, key: Any, now: datetime, lifetime: timedelta
) -> bytes:
    """The certificate in PEM.  It begins a little before `now`, for clocks that are behind, and ends before its CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    request = asked.request
    begins = now - _BACKDATE
    ends = min(now + lifetime - (timedelta() if lifetime < _SHORT else _BACKDATE), authority.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(authority.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins.astimezone(UTC))
        .not_valid_after(ends.astimezone(UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
    )
    wanted = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    if wanted:
        if "key_agreement" not in wanted:
            wanted -= {"encipher_only", "decipher_only"}  # which say something of that one
        flags = {name: name in wanted for name in _KEY_USAGES.values()}
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    extended = dict.fromkeys(_EXTENDED_USAGES[usage] for usage in usages if usage in _EXTENDED_USAGES)
    if extended:
        purposes = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in extended])
        builder = builder.add_extension(purposes, critical=False)
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, critical=names.critical)
    except x509.ExtensionNotFound:
        pass
    digest = None if _hashes_itself(key) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def _hashes_itself(key: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    return isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
