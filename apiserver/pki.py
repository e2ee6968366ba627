"""The cluster's certificate authority and the credentials made from it.

Made on the first start in `DATA_DIR/pki` and kept from then on: the CA, the server's own certificate,
the client certificate it shows to kubelets, and one kubeconfig for each component.  Users are named as
Kubernetes names them: the common name is the user, the organisations are the groups
(https://kubernetes.io/docs/setup/best-practices/certificates/).
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
_NODE_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")

COMPONENTS = {
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "proxy": ("system:kube-proxy", ()),
}


class PKIError(Exception):
    """The folder of keys cannot be read or written; says which file and what to do."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, as PEM files on disk."""

    certificate: Path
    key: Path

    def load(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise PKIError(
                f"cannot read {self.certificate} and its key: {error}; restore them or remove both"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise PKIError(f"{self.key} is not an elliptic-curve key; restore it or remove it and its certificate")
        return certificate, key

    def due(self, now: datetime) -> bool:
        """Whether the pair is missing or expires soon."""
        if not (self.certificate.exists() and self.key.exists()):
            return True
        return self.load()[0].not_valid_after_utc - now < RENEW_BEFORE


class Authority:
    """A CA in a folder, the cluster's own unless told otherwise; signs certificates for servers, clients and nodes."""

    def __init__(
        self, folder: Path, now: datetime | None = None, *, file_name: str = "ca", common_name: str = "nanokube"
    ) -> None:
        self.folder = folder
        self.now = now or datetime.now(UTC)
        self.pair = KeyPair(folder / f"{file_name}.crt", folder / f"{file_name}.key")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.pair.certificate.exists() and not self.pair.key.exists():
            self._create(common_name)
        self._certificate, self._key = self.pair.load()

    @property
    def ca_pem(self) -> bytes:
        return self.pair.certificate.read_bytes()

    def _create(self, common_name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = (
            self._builder(name, name, key, CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write_pair(self.pair, certificate, key)

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(minutes=5))
            .not_valid_after(self.now + lifetime)
        )

    def issue(
        self, name: str, user: str, groups: Sequence[str] = (), hosts: Iterable[str] = (), *, client: bool = True
    ) -> KeyPair:
        """A certificate for `user` in `groups`, kept in the folder as `name`.crt and renewed when it nears its end.

        With `hosts` (names and addresses) it serves TLS too, and is made again when they change.
        """
        wanted = sorted(set(hosts))
        pair = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        if not pair.due(self.now) and (not wanted or self._hosts_of(pair) >= set(wanted)):
            return pair
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if client else []
        builder = (
            self._builder(subject, self._certificate.subject, key, CERTIFICATE_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if wanted:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in wanted])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        _write_pair(pair, builder.sign(self._key, hashes.SHA256()), key)
        return pair

    @staticmethod
    def _hosts_of(pair: KeyPair) -> set[str]:
        try:
            extension = pair.load()[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return set()
        return {str(name.value) for name in extension.value}


def _key_usage(*, sign_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_pair(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(pair.key, pem)
    write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def write_private(path: Path, content: bytes) -> None:
    """Write a file only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        raise PKIError(f"cannot write {path}: {error.strerror}; make the folder writable") from None


def kubeconfig(server: str, ca_pem: bytes, user: str, pair: KeyPair) -> bytes:
    """A kubeconfig with everything embedded, so that it can be copied to another machine."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: nanokube
  cluster:
    server: {server}
    certificate-authority-data: {encoded(ca_pem)}
users:
- name: {user}
  user:
    client-certificate-data: {encoded(pair.certificate.read_bytes())}
    client-key-data: {encoded(pair.key.read_bytes())}
contexts:
- name: nanokube
  context:
    cluster: nanokube
    user: {user}
current-context: nanokube
""".encode()


def issue_kubeconfigs(authority: Authority, folder: Path, server: str, nodes: Sequence[str]) -> None:
    """Write the admin's kubeconfig and one for every component and node.

    `folder/kubeconfig` is the admin's; `folder/kubeconfigs/NAME.kubeconfig` those of the others.  A node's
    certificate also serves TLS, for the kubelet's own server.
    """
    others = folder / "kubeconfigs"
    others.mkdir(parents=True, exist_ok=True, mode=0o700)
    admin = authority.issue("admin", "kubernetes-admin", ["system:masters"])
    write_private(folder / "kubeconfig", kubeconfig(server, authority.ca_pem, "kubernetes-admin", admin))
    for name, (user, groups) in COMPONENTS.items():
        pair = authority.issue(name, user, groups)
        write_private(others / f"{name}.kubeconfig", kubeconfig(server, authority.ca_pem, user, pair))
    for node in nodes:
        if not _NODE_NAME.match(node):
            raise PKIError(f"{node!r} cannot be a node's name: use lower-case letters, digits, '-' and '.'")
        user = f"system:node:{node}"
        pair = authority.issue(f"node-{node}", user, ["system:nodes"], [node, "localhost", "127.0.0.1"])
        write_private(others / f"{node}.kubeconfig", kubeconfig(server, authority.ca_pem, user, pair))
