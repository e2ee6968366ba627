"""Certificate signing requests: validation, approval, signing, and who may do it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.certificates_v1 import CertificateSigningRequest
from api.errors import Forbidden
from apiserver.admission.certificates import CertificateApproval, CertificateSigning, CertificateSubjectRestriction
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.registry.certificate_signing_requests import Approval, CertificateSigningRequests, CertificateStatus
from apiserver.registry.pem import certificates_problem
from apiserver.request import User
from tests.registry.builders import NOW, complaints, context, created
from tests.registry.test_roles import Limited

KEY = ec.generate_private_key(ec.SECP256R1())
PATH = "status.conditions"


def name(*organizations: str) -> x509.Name:
    attributes = [(NameOID.COMMON_NAME, "me"), *((NameOID.ORGANIZATION_NAME, each) for each in organizations)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def pem(*organizations: str) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(*organizations))
    return base64.b64encode(builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)).decode()


def certificate() -> str:
    builder = x509.CertificateBuilder(name(), name(), KEY.public_key(), 1, NOW, NOW + timedelta(days=1))
    return base64.b64encode(builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)).decode()


REQUEST = pem()


def request(**spec: Any) -> CertificateSigningRequest:
    spec = {"request": REQUEST, "signerName": "example.com/signer", "usages": ["client auth"], **spec}
    return CertificateSigningRequest.from_dict({"metadata": {"name": "r"}, "spec": spec})


def with_status(*conditions: tuple[str, str], certificate: str = "") -> CertificateSigningRequest:
    found = request()
    status = {"conditions": [{"type": kind, "status": value} for kind, value in conditions], "certificate": certificate}
    found.status = type(found.status).from_dict(status)
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"request": ""}, ['request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST']),
        ({"usages": []}, ["usages: Required value"]),
        ({"usages": ["client auth"] * 2}, ['usages[1]: Duplicate value: "client auth"']),
        ({"signerName": ""}, ["signerName: Required value"]),
        ({"signerName": "a/b/c"}, [
            "signerName: Invalid value: \"a/b/c\": "
            "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        ]),
        ({"signerName": "nodots/b"}, [
            'signerName: Invalid value: "nodots": should be a domain with at least two segments separated by dots'
        ]),
        ({"signerName": "kubernetes.io/legacy-unknown"}, [
            'signerName: Invalid value: "kubernetes.io/legacy-unknown": '
            "the legacy signerName is not allowed via this API version"
        ]),
        ({"expirationSeconds": 599}, [
            "expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"
        ]),
    ],
)  # fmt: skip
def test_spec(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(CertificateSigningRequests(), request(**spec)) == [f"spec.{each}" for each in expected]


def test_unknown_usages_and_bad_labels() -> None:
    wrong = complaints(CertificateSigningRequests(), request(usages=["flying"], signerName="A.b/-"))
    assert wrong[0].startswith('spec.usages[0]: Unsupported value: "flying": supported values: "any", "cert sign", ')
    assert wrong[1].startswith('spec.signerName: Invalid value: "A.b": validating label "A": a lowercase RFC 1123')
    assert wrong[2].startswith('spec.signerName: Invalid value: "-": validating label "-": a lowercase RFC 1123')


def test_a_request_whose_signature_is_wrong_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(base64.b64decode(REQUEST)).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    text = b"-----BEGIN CERTIFICATE REQUEST-----\n%s\n-----END CERTIFICATE REQUEST-----\n" % base64.b64encode(der)
    assert len(complaints(CertificateSigningRequests(), request(request=base64.b64encode(text).decode()))) == 1


def test_who_asked_is_not_for_them_to_say() -> None:
    requester = Limited()
    requester.user = User("alice", "1", ("team",), {"k": ["v"]})
    new = request(username="liar", groups=["system:masters"])
    CertificateSigningRequests().prepare_for_create(new, replace(context(), requester=requester))
    assert (new.spec.username, new.spec.uid, new.spec.groups, new.spec.extra) == ("alice", "1", ["team"], {"k": ["v"]})


Rules = CertificateStatus | Approval


def refused(part: Rules, old: CertificateSigningRequest, new: CertificateSigningRequest) -> list[str]:
    part.prepare_for_update(new, old)
    part.stamp(new, old, NOW)
    return [str(error) for error in part.validate_update(new, old)]


APPROVED, DENIED = ("Approved", "True"), ("Denied", "True")


@pytest.mark.parametrize(
    ("part", "old", "new", "expected"),
    [
        (Approval(), with_status(), with_status(APPROVED), []),
        (Approval(), with_status(), with_status(("Approved", "False")), [
            f'{PATH}[0].status: Unsupported value: "False": supported values: "True"'
        ]),
        (Approval(), with_status(APPROVED), with_status(APPROVED, DENIED), [
            f'{PATH}: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
        ]),
        (Approval(), with_status(APPROVED), with_status(), [
            f'{PATH}: Forbidden: updates may not remove a condition of type "Approved"'
        ]),
        (Approval(), with_status(), with_status(("", ""), ("Own", "Unknown"), ("Own", "True")), [
            f"{PATH}[0].type: Required value",
            f"{PATH}[0].status: Required value",
            f'{PATH}[2].type: Duplicate value: "Own"',
        ]),
        (CertificateStatus(), with_status(), with_status(APPROVED), [
            f'{PATH}: Forbidden: updates may not add a condition of type "Approved"'
        ]),
        (CertificateStatus(), with_status(), with_status(certificate="bm90IHBlbQ=="), [
            'status.certificate: Invalid value: "<certificate data>": '
            "must contain at least one CERTIFICATE PEM block"
        ]),
        (CertificateStatus(), with_status(certificate=certificate()), with_status(), [
            "status.certificate: Forbidden: updates may not modify existing certificate content"
        ]),
        (CertificateStatus(), with_status(APPROVED), with_status(APPROVED, certificate=certificate()), [
            f'{PATH}: Forbidden: updates may not modify a condition of type "Approved"'
        ]),
    ],
)  # fmt: skip
def test_status(part: Rules, old: Any, new: Any, expected: list[str]) -> None:
    assert refused(part, old.copy_deep(), new.copy_deep()) == expected


def test_approval_leaves_the_certificate_alone() -> None:
    old, new = with_status(), with_status(APPROVED, certificate=certificate())
    assert refused(Approval(), old, new) == []
    assert new.status.certificate == ""


def test_conditions_remember_when_they_began() -> None:
    old = with_status(APPROVED)
    CertificateStatus().stamp(old, with_status(), NOW)
    new = with_status(APPROVED, ("Failed", "True"))
    CertificateStatus().stamp(new, old, NOW + timedelta(hours=1))
    assert [c.lastTransitionTime for c in new.status.conditions] == [NOW, NOW + timedelta(hours=1)]


def test_blocks_of_other_types_are_no_certificates() -> None:
    assert certificates_problem("") == ""
    assert certificates_problem(certificate()) == ""
    assert certificates_problem(REQUEST) == ('only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"')


def test_table() -> None:
    strategy = CertificateSigningRequests()
    shown: Callable[[Any], list[Any]] = lambda obj: strategy.cells(obj, NOW)[2:]  # noqa: E731
    assert shown(created(strategy, request(expirationSeconds=3600, username="u"))) == [
        "example.com/signer", "u", "60m", "Pending",
    ]  # fmt: skip
    assert shown(with_status(APPROVED, ("Failed", "True"), certificate="eA=="))[-1] == "Approved,Failed,Issued"
    assert shown(with_status(DENIED))[-1] == "Denied"


def asked(operation: str, subresource: str, new: Any, old: Any, requester: Limited) -> AdmissionRequest:
    strategy = CertificateSigningRequests()
    return AdmissionRequest(
        operation=operation, resource=strategy.resource, subresource=subresource, namespace="", name="r", object=new,
        old_object=old, user="alice", groups=(), dry_run=False, context=replace(context(), requester=requester),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("plugin", "verb", "subresource", "new", "message"),
    [
        (CertificateApproval(), "approve", "approval", with_status(APPROVED), "approve requests with signerName"),
        (CertificateSigning(), "sign", "status", with_status(certificate="eA=="), "sign requests with signerName"),
    ],
)
def test_deciding_takes_a_right_about_the_signer(
    plugin: AdmissionPlugin, verb: str, subresource: str, new: Any, message: str
) -> None:
    for signer in ("example.com/signer", "example.com/*"):
        plugin.validate(asked("UPDATE", subresource, new, with_status(), Limited((verb, "signers", signer))))
    with pytest.raises(Forbidden) as refusal:
        plugin.validate(asked("UPDATE", subresource, new, with_status(), Limited()))
    assert refusal.value.message == (
        'certificatesigningrequests.certificates.k8s.io "r" is forbidden: '
        f'user not permitted to {message} "example.com/signer"'
    )
    plugin.validate(asked("UPDATE", "", new, with_status(), Limited()))


def test_nobody_asks_to_be_a_master() -> None:
    plugin, clients = CertificateSubjectRestriction(), "kubernetes.io/kube-apiserver-client"
    master = pem("team", "system:masters")
    plugin.validate(asked("CREATE", "", request(request=master), None, Limited()))
    plugin.validate(asked("CREATE", "", request(request=pem("team"), signerName=clients), None, Limited()))
    with pytest.raises(Forbidden, match=f"use of {clients} signer with system:masters group is not allowed"):
        plugin.validate(asked("CREATE", "", request(request=master, signerName=clients), None, Limited()))
