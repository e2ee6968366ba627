"""Certificate requests: approved for kubelets that may, signed as their signers allow, gone when they are over."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from api.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from api.rbac_v1 import ClusterRole, ClusterRoleBinding
from controller_manager.certificates.approving import ApprovingController, permissions
from controller_manager.certificates.cleaner import is_over
from controller_manager.certificates.kubelet_requests import Asked, problem
from controller_manager.certificates.signing import SigningController, lifetime_of
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLIENT_USAGES, SERVING_USAGES = ["digital signature", "client auth"], ["digital signature", "server auth"]
UID = ObjectIdentifier("1.3.6.1.4.1.57683.2")
KEY = ec.generate_private_key(ec.SECP256R1())


def request(
    name: str = "",
    common_name: str = "system:node:n1",
    organization: str = "system:nodes",
    hosts: tuple[str, ...] = (),
    signer: str = "kube-apiserver-client-kubelet",
    usages: list[str] = CLIENT_USAGES,
    **spec: object,
) -> CertificateSigningRequest:
    subject = [(NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, organization), (UID, "some-uid")]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    pem = base64.b64encode(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)).decode()
    asked = {"request": pem, "signerName": f"kubernetes.io/{signer}", "usages": usages, **spec}
    return CertificateSigningRequest.from_dict({"metadata": {"name": name}, "spec": asked})


@pytest.mark.parametrize(
    ("csr", "wanted"),
    [
        (request(username="system:node:n1"), ["selfnodeclient", "nodeclient"]),
        (request(username="system:bootstrap:abcdef"), ["nodeclient"]),
        (request(organization="system:masters"), []),
        (request(common_name="admin"), []),
        (request(hosts=("n1",)), []),
        (request(usages=SERVING_USAGES), []),
        (request(signer="kube-apiserver-client"), []),
    ],
)
def test_what_may_be_approved(csr: CertificateSigningRequest, wanted: list[str]) -> None:
    assert [permission for permission, _ in permissions(csr)] == wanted


@pytest.mark.parametrize(
    ("csr", "words"),
    [
        (request(signer="kube-apiserver-client"), ""),
        (request(signer="kube-apiserver-client", usages=SERVING_USAGES), "invalid usages for client certificate"),
        (request(signer="kubelet-serving", usages=SERVING_USAGES, hosts=("n1",)), ""),
        (request(signer="kubelet-serving", usages=SERVING_USAGES), "DNS or IP subjectAltName is required"),
        (request(signer="kubelet-serving", usages=CLIENT_USAGES, hosts=("n1",)), "usages did not match"),
        (request(organization="a"), "subject organization is not system:nodes"),
        (request(common_name="n1"), "subject common name does not begin with system:node:"),
        (request(signer="legacy-unknown", organization="a", usages=["code signing"]), ""),
    ],
)
def test_what_is_signed(csr: CertificateSigningRequest, words: str) -> None:
    why_not = problem(csr.spec.signerName, Asked.of(csr), csr.spec.usages)
    assert why_not.startswith(words)
    assert bool(why_not) is bool(words)


@pytest.mark.parametrize(
    ("kind", "hours", "certificate", "over"),
    [
        ("", 23, "", False), ("", 25, "", True), ("Denied", 0.9, "", False), ("Denied", 1.1, "", True),
        ("Failed", 1.1, "", True), ("Approved", 1.1, "", False), ("Approved", 1.1, "Y2VydA==", True),
    ],
)  # fmt: skip
def test_when_a_request_is_over(kind: str, hours: float, certificate: str, over: bool) -> None:
    csr, since = request(), NOW - timedelta(hours=hours)
    csr.metadata.creationTimestamp, csr.status.certificate = since, certificate
    if kind:
        csr.status.conditions = [CertificateSigningRequestCondition(type=kind, status="True", lastUpdateTime=since)]
    assert is_over(csr, NOW) is over


def test_how_long_a_certificate_is_valid() -> None:
    year = timedelta(days=365)
    assert lifetime_of(None, year) == year
    assert lifetime_of(3600, year) == timedelta(hours=1)
    assert lifetime_of(60, year) == timedelta(minutes=10)
    assert lifetime_of(10**9, year) == year


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RealServer]:
    with real_server(folder) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer, folder: Path) -> AsyncIterator[Cluster]:
    pki = folder / "data" / "pki"

    def signing(*common: object) -> SigningController:
        longest = timedelta(days=365)
        return SigningController(*common, certificate=pki / "ca.crt", key=pki / "ca.key", longest=longest)

    async with real_cluster(server.config) as running:
        await running.run(ApprovingController, signing)
        yield running


async def decided(cluster: Cluster, name: str) -> CertificateSigningRequest | None:
    csr = await cluster.client.get(CertificateSigningRequest, name)
    return csr if csr.status.certificate or len(csr.status.conditions) > 1 else None


async def test_a_kubelet_gets_its_certificate_and_is_believed(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    rule = {"verbs": ["create"], "apiGroups": ["certificates.k8s.io"]}
    rules = [{**rule, "resources": ["certificatesigningrequests/nodeclient"]}]
    await cluster.client.create(ClusterRole.from_dict({"metadata": {"name": "joining"}, "rules": rules}))
    binding = {"metadata": {"name": "joining"}, "roleRef": {"kind": "ClusterRole", "name": "joining"}}
    subjects = [{"kind": "Group", "name": "system:masters"}]
    await cluster.client.create(ClusterRoleBinding.from_dict({**binding, "subjects": subjects}))
    await cluster.client.create(request("join", expirationSeconds=3600))
    csr = await eventually(lambda: decided(cluster, "join"))
    assert [(each.type, each.reason) for each in csr.status.conditions] == [("Approved", "AutoApproved")]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(csr.status.certificate))
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(hours=1, minutes=5)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]

    pair = tmp_path / "pair.pem"
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pair.write_bytes(base64.b64decode(csr.status.certificate) + key)
    context = ssl.create_default_context(cafile=str(folder / "data/pki/ca.crt"))
    context.load_cert_chain(pair)
    async with httpx.AsyncClient(base_url=cluster.client.config.server, verify=context, timeout=60) as client:
        review = (await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})).json()
    user = review["status"]["userInfo"]
    assert (user["username"], user["uid"]) == ("system:node:n1", "some-uid")
    assert user["groups"] == ["system:nodes", "system:authenticated"]


async def test_what_a_signer_does_not_sign_has_failed(cluster: Cluster) -> None:
    csr = await cluster.client.create(request("bad", signer="kube-apiserver-client", usages=SERVING_USAGES))
    csr.status.conditions = [CertificateSigningRequestCondition(type="Approved", status="True", reason="Test")]
    await cluster.client.update(csr, subresource="approval")
    csr = await eventually(lambda: decided(cluster, "bad"))
    assert [(each.type, each.reason) for each in csr.status.conditions][1] == ("Failed", "SignerValidationFailure")
    assert not csr.status.certificate
