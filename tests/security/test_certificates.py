"""Client certificates that the cluster's CA has not signed, or that say odd things about who holds them."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.apiserver.conftest import ApiServer

Subject = Sequence[tuple[x509.ObjectIdentifier, str]]
CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741
MASTER: Subject = [(O, "system:masters"), (CN, "mallory")]
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def cluster_ca(server: ApiServer) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    pki = server.folder / "data/pki"
    key = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes()), key


def own_ca(name: x509.Name) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A CA of the attacker's own that goes by the name of the cluster's."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta = timedelta(hours=1)
) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + life
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(hours=2))
        .not_valid_after(end)
    )


class Holder:
    """Makes certificates, and asks the server with them who it takes the holder for."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def client(
        self,
        subject: Subject,
        ca: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
        *,
        life: timedelta = timedelta(hours=1),
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> httpx.Client:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(kind, value) for kind, value in subject])
        builder = _builder(name, ca[0].subject, key, life).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate, file = self._folder / "c.crt", self._folder / "c.key"
        certificate.write_bytes(builder.sign(ca[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        pkcs8 = serialization.PrivateFormat.PKCS8
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()))
        context: ssl.SSLContext = self._server.trust()
        context.load_cert_chain(certificate, file)
        return httpx.Client(base_url=self._server.url, verify=context, timeout=60)


@pytest.fixture
def holder(server: ApiServer, tmp_path: Path) -> Holder:
    return Holder(server, tmp_path)


def refused(client: httpx.Client) -> bool:
    """Whether the holder gets no further than somebody without any certificate would."""
    with client:
        try:
            return client.get("/api/v1/secrets").status_code in (401, 403)
        except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
            return True  # not even the handshake came to an end


def test_the_clusters_own_is_good(server: ApiServer, holder: Holder) -> None:
    assert not refused(holder.client(MASTER, cluster_ca(server)))


def test_another_ca_counts_for_nothing(server: ApiServer, holder: Holder) -> None:
    real = cluster_ca(server)
    assert refused(holder.client(MASTER, own_ca(real[0].subject)))
    assert refused(holder.client(MASTER, own_ca(x509.Name([x509.NameAttribute(CN, "another")]))))
    leaf = holder.client([(CN, "leaf")], real)
    leaf.close()
    middle = x509.load_pem_x509_certificate((holder._folder / "c.crt").read_bytes())
    key = serialization.load_pem_private_key((holder._folder / "c.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert refused(holder.client(MASTER, (middle, key)))  # one's own certificate is no CA


def test_times_and_purposes_count(server: ApiServer, holder: Holder) -> None:
    real = cluster_ca(server)
    assert refused(holder.client(MASTER, real, life=timedelta(seconds=-10)))
    assert refused(holder.client(MASTER, real, life=timedelta(hours=10)))  # begins later
    assert refused(holder.client(MASTER, real, usage=ExtendedKeyUsageOID.SERVER_AUTH))


@pytest.mark.parametrize(
    ("subject", "name", "groups"),
    [
        ([(CN, "admin\0.evil.example.com")], None, set()),
        ([(CN, "admin "), (O, " system:masters")], None, set()),
        ([(CN, "mallory"), (CN, "eve")], "eve", set()),
        ([(CN, "mallory"), (O, "devs"), (O, "ops")], "mallory", {"devs", "ops"}),
        ([(CN, "mallory"), (O, "devs,system:masters")], "mallory", {"devs,system:masters"}),
        ([(CN, "mallory/O=system:masters")], "mallory/O=system:masters", set()),
        ([(NameOID.ORGANIZATIONAL_UNIT_NAME, "system:masters"), (CN, "mallory")], "mallory", set()),
    ],
)
def test_subjects_mean_what_they_say(
    server: ApiServer, holder: Holder, subject: Subject, name: str | None, groups: set[str]
) -> None:
    with holder.client(subject, cluster_ca(server)) as client:
        user = client.post(REVIEWS, json={}).json()["status"]["userInfo"]
        assert client.get("/api/v1/secrets").status_code == 403
    assert user["username"] not in ("admin", "kubernetes-admin")
    assert "system:masters" not in user["groups"]
    if name is not None:
        assert user["username"] == name
        assert {*user["groups"]} == groups | {"system:authenticated"}


def test_without_a_name_one_is_nobody(server: ApiServer, holder: Holder) -> None:
    for subject in ([(O, "system:masters")], [(O, "system:masters"), (CN, "")]):
        try:
            client = holder.client(subject, cluster_ca(server))
        except ValueError:  # the library makes no empty names
            continue
        assert refused(client)
