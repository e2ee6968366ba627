"""Certificates that are asked for, approved and signed (certificates.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Base64, Enum, Int32, ListMap, Model, Required, ZeroTime, null, struct

USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
"""What a certificate can be for (RFC 5280, sections 4.2.1.3 and 4.2.1.12), in the words of this API."""


class CertificateSigningRequestSpec(Model):
    """What is asked for.  All of it stays as it was sent.

    expirationSeconds: How long the certificate should be valid, at least 600; the signer decides.
    extra: What else was known of who asked; the server fills it in.
    groups: Groups of who asked; the server fills it in.
    request: A certificate request (PKCS#10) in PEM.
    signerName: Who should sign it, such as kubernetes.io/kube-apiserver-client.
    uid: The uid of who asked; the server fills it in.
    usages: What the certificate is for.
    username: The name of who asked; the server fills it in.
    """

    expirationSeconds: Int32 | None = None
    extra: dict[str, list[str]] = {}
    groups: list[str] = []
    request: Annotated[Base64, Required()] = ""
    signerName: str
    uid: str = ""
    usages: list[Annotated[str, Enum(*USAGES)]] = []
    username: str = ""


class CertificateSigningRequestCondition(Model):
    """A decision about a request.

    lastTransitionTime: When the status last changed.
    lastUpdateTime: When the decision was last looked at.
    message: The details, for people.
    reason: Why, in one word.
    status: True; Unknown and False for types that are not Kubernetes' own.
    type: Approved, Denied or Failed.
    """

    lastTransitionTime: ZeroTime = null()
    lastUpdateTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class CertificateSigningRequestStatus(Model):
    """What became of a request.

    certificate: The signed certificates in PEM.
    conditions: Decisions about it.
    """

    certificate: Base64 = ""
    conditions: Annotated[list[CertificateSigningRequestCondition], ListMap("type")] = []


class CertificateSigningRequest(Model):
    """Asks for a certificate: somebody approves it, then its signer signs."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[CertificateSigningRequestSpec, Required()] = struct()
    status: CertificateSigningRequestStatus = struct()
