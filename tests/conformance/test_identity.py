"""What conformance asks of service accounts, their tokens and certificates, on a whole cluster."""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.cluster.support import until
from tests.conformance.api import Api, Collection, Document, Refused, Space
from tests.conformance.objects import check_operations, pod, scheduled

CA = "kube-root-ca.crt"
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def token_of(space: Space, account: str, **spec: Any) -> str:
    review = space("serviceaccounts").create({"spec": spec}, account, "token")
    return str(review["status"]["token"])


def test_the_root_authority_is_in_every_namespace(space: Space) -> None:
    """[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace [Conformance]"""
    maps = space("configmaps")
    until(lambda: maps.find(CA), "it is published")
    data = maps.get(CA)["data"]
    assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    uid = maps.get(CA)["metadata"]["uid"]
    maps.delete(CA)
    until(lambda: (maps.find(CA) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid, "it is published anew")
    maps.patch(CA, {"data": {"ca.crt": ""}})
    until(lambda: maps.get(CA)["data"] == data, "it is put right")


def test_the_life_of_an_account(space: Space) -> None:
    """[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount [Conformance]"""
    accounts, static = space("serviceaccounts"), "test-serviceaccount-static=true"
    since = accounts.listed()["metadata"]["resourceVersion"]
    accounts.create({"metadata": {"name": "mine", "labels": {"test-serviceaccount-static": "true"}}})
    accounts.seen(since, "ADDED", selector=static)
    patched = accounts.patch("mine", {"automountServiceAccountToken": False}, type="strategic")
    assert patched["automountServiceAccountToken"] is False
    everywhere = Space(space.api, "")("serviceaccounts").list(static)
    assert [(each["metadata"]["name"], each["automountServiceAccountToken"]) for each in everywhere] == [
        ("mine", False)
    ]
    accounts.delete_all(static)
    accounts.seen(since, "DELETED", selector=static)


def test_an_account_is_updated(space: Space) -> None:
    """[sig-auth] ServiceAccounts should update a ServiceAccount [Conformance]"""
    made = space("serviceaccounts").create({"metadata": {"name": "mine"}})
    assert "automountServiceAccountToken" not in made
    space("serviceaccounts").change("mine", lambda each: each.update(automountServiceAccountToken=True))
    assert space("serviceaccounts").get("mine")["automountServiceAccountToken"] is True


def test_a_token_is_believed(space: Space) -> None:
    """[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview
    [Conformance]"""
    space("serviceaccounts").create({"metadata": {"name": "mine"}})
    token = token_of(space, "mine")
    review = space("tokenreviews").create({"metadata": {}, "spec": {"token": token}})
    assert review["status"]["authenticated"] is True
    assert "error" not in review["status"]
    assert review["status"]["user"]["username"] == f"system:serviceaccount:{space.name}:mine"


def token_volumes(document: Document) -> list[Document]:
    volumes = document["spec"].get("volumes", [])
    return [
        source
        for volume in volumes
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]


def test_a_token_is_mounted(space: Space) -> None:
    """[sig-auth] ServiceAccounts should mount an API token into pods [Conformance]: what the kubelet writes into the
    mounted folder is shown in tests/kubelet."""
    space("pods").create(pod("one"))
    assert scheduled(space, "one")
    live = space("pods").get("one")
    assert live["spec"]["serviceAccountName"] == "default"
    (source,) = token_volumes(live)
    (mount,) = live["spec"]["containers"][0]["volumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == (MOUNT, True)
    volume = next(each for each in live["spec"]["volumes"] if each["name"] == mount["name"])
    sources = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["path"] == "token"
    assert sources[1]["configMap"] == {"name": CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert sources[2]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace"
    until(lambda: space("pods").get("one")["status"]["phase"] == "Running", "it runs")


def test_a_token_of_its_own_is_mounted(space: Space) -> None:
    """[sig-auth] ServiceAccounts should mount projected service account token [Conformance]"""
    token = {"path": "test", "expirationSeconds": 3600, "audience": "example"}
    volume = {"name": "mine", "projected": {"sources": [{"serviceAccountToken": token}]}}
    mounts = {"container": {"volumeMounts": [{"name": "mine", "mountPath": "/test-volume"}]}}
    space("pods").create(pod("one", volumes=[volume], **mounts))
    until(lambda: space("pods").get("one")["status"]["phase"] == "Running", "it runs")
    assert {"serviceAccountToken": token} in token_volumes(space("pods").get("one"))


def test_opting_out(space: Space) -> None:
    """[sig-auth] ServiceAccounts should allow opting out of API token automount [Conformance]"""
    wishes = {"default": None, "mount": True, "nomount": False}
    for name, wish in wishes.items():
        wanted = {} if wish is None else {"automountServiceAccountToken": wish}
        space("serviceaccounts").create({"metadata": {"name": f"account-{name}"}, **wanted})
    for (account, of_account), (name, of_pod) in itertools.product(wishes.items(), wishes.items()):
        wanted = {} if of_pod is None else {"automountServiceAccountToken": of_pod}
        made = pod(f"pod-{account}-{name}", serviceAccountName=f"account-{account}", **wanted)
        live = space("pods").create(made)
        mounted = any(m["mountPath"] == MOUNT for m in live["spec"]["containers"][0].get("volumeMounts", []))
        assert mounted is (of_pod if of_pod is not None else of_account is not False), (account, name)


def test_the_issuer_can_be_discovered(space: Space) -> None:
    """[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer
    [Conformance]"""
    token = token_of(space, "default", audiences=["oidc-discovery-test"])
    http = space.api.http
    as_pod = {"Authorization": f"Bearer {token_of(space, 'default')}"}
    with httpx.Client(base_url=http.base_url, verify=False, headers=as_pod, timeout=60) as client:
        document = client.get("/.well-known/openid-configuration").json()
        keys = jwt.PyJWKSet.from_dict(client.get("/openid/v1/jwks").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    issuer = document["issuer"]
    claims = jwt.decode(token, key, document["id_token_signing_alg_values_supported"], audience="oidc-discovery-test",
                        issuer=issuer)  # fmt: skip
    assert claims["sub"] == f"system:serviceaccount:{space.name}:default"
    assert re.search(r"/openid/v1/jwks$", document["jwks_uri"])


def test_what_an_account_may(space: Space) -> None:
    """[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]"""
    user = f"system:serviceaccount:{space.name}:default"
    asked = {"verb": "list", "resource": "configmaps", "namespace": space.name, "version": "v1"}
    spec = {"user": user, "resourceAttributes": asked}
    as_account = {"Impersonate-User": user, "Impersonate-Group": "system:authenticated"}
    for allowed in (False, True):
        if allowed:
            role = {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]}
            space("roles").create({"metadata": {"name": "reader"}, **role})
            subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": space.name}]
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
            space("rolebindings").create({"metadata": {"name": "reader"}, "subjects": subjects, "roleRef": reference})

        def agreed(allowed: bool = allowed) -> bool:
            reviews = [
                space(kind).create({"metadata": {"namespace": space.name} if "local" in kind else {}, "spec": spec})
                for kind in ("subjectaccessreviews", "localsubjectaccessreviews")
            ]
            answer = space.api.http.get(space("configmaps").path(), headers=as_account).status_code
            return [each["status"]["allowed"] for each in reviews] == [allowed] * 2 == [answer == 200] * 2

        until(agreed, f"all agree that it is {allowed}")


def signing_request(name: str, signer: str = "kubernetes.io/kube-apiserver-client") -> Document:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e-user")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = base64.b64encode(csr.public_bytes(Encoding.PEM)).decode()
    usages = ["digital signature", "key encipherment", "client auth"]
    spec = {"request": pem, "signerName": signer, "usages": usages, "expirationSeconds": 3600}
    return {"metadata": {"name": name}, "spec": spec}


def decide(requests: Collection, name: str, type: str) -> None:
    def add(document: Document) -> None:
        decision = {"type": type, "status": "True", "reason": "E2E", "message": f"Set from an e2e test: {type}"}
        document["status"].setdefault("conditions", []).append(decision)

    requests.change(name, add, part="approval")


def test_the_api_of_signing_requests(space: Space, api: Api) -> None:
    """[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations [Conformance]"""
    requests = api.of("certificatesigningrequests")
    check_operations(space, "certificatesigningrequests", lambda name: signing_request(name, "e2e.example.com/nobody"),
                     "approval", "status")  # fmt: skip
    requests.create(signing_request(f"{space.name}-approved"))
    decide(requests, f"{space.name}-approved", "Approved")
    until(lambda: requests.get(f"{space.name}-approved")["status"].get("certificate"), "it is signed")
    requests.create(signing_request(f"{space.name}-other", "e2e.example.com/nobody"))
    decide(requests, f"{space.name}-other", "Approved")
    with pytest.raises(Refused, match="Approved and Denied conditions are mutually exclusive"):
        decide(requests, f"{space.name}-other", "Denied")
    certificate = requests.get(f"{space.name}-approved")["status"]["certificate"]
    body = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": certificate}}
    patched = requests.patch(f"{space.name}-other", body, part="status")
    assert patched["status"]["certificate"] == certificate
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    failed = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}
    requests.change(f"{space.name}-other", lambda each: each["status"]["conditions"].append(failed), part="status")
    types = [each["type"] for each in requests.get(f"{space.name}-other")["status"]["conditions"]]
    assert types == ["Approved", "StatusUpdate"]
    for name in ("approved", "other"):
        requests.delete(f"{space.name}-{name}")
