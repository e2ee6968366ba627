"""Who is believed, by files of configuration: issuers with CEL, a webhook, bootstrap tokens, anonymous requests."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from apiserver.authentication.configuration import AuthenticationConfiguration, problems
from apiserver.configuration_file import ConfigurationError
from apiserver.configured_expressions import CLAIMS, TEXT, TRUTH, ConfiguredExpression
from tests.apiserver.conftest import ApiServer
from tests.authentication.issuer import OIDCIssuer, issuing
from tests.authentication.kubeconfigs import kubeconfig_of
from tests.authentication.users import user_of
from tests.webhook_server import WebhookServer, serving

_REVIEW = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1"}
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def configuration(issuer: OIDCIssuer, second: OIDCIssuer) -> dict[str, Any]:
    ca = issuer.ca_file.read_text()
    mappings = {
        "username": {"expression": "claims.email_verified ? claims.email : ''"},
        "groups": {"expression": "claims.?roles.orValue([]).map(r, 'team:' + r)"},
        "uid": {"claim": "oid"},
        "extra": [{"key": "example.com/tenant", "valueExpression": "claims.tenant"}],
    }
    first = {
        "issuer": {"url": issuer.url, "audiences": ["a", "b"], "audienceMatchPolicy": "MatchAny",
                   "certificateAuthority": ca},
        "claimMappings": mappings,
        "claimValidationRules": [{"expression": "claims.exp - claims.iat <= 86400", "message": "too long a life"}],
        "userValidationRules": [
            {"expression": "!user.username.startsWith('system:')", "message": "reserved"},
            {"expression": "user.groups.all(g, g != 'team:banned')", "message": "banned"},
        ],
    }  # fmt: skip
    other = {
        "issuer": {"url": "https://other.example.com", "audiences": ["c"],
                   "certificateAuthority": second.ca_file.read_text(),
                   "discoveryURL": f"{second.url}/.well-known/openid-configuration"},
        "claimMappings": {"username": {"claim": "sub", "prefix": "other:"}},
    }  # fmt: skip
    anonymous = {"enabled": True, "conditions": [{"path": "/livez"}, {"path": "/version"}]}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [first, other],
        "anonymous": anonymous,
    }


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OIDCIssuer, OIDCIssuer]]:
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    with issuing(first) as one, issuing(second) as two:
        two.answers["/.well-known/openid-configuration"]["issuer"] = "https://other.example.com"
        yield one, two


def whose(review: dict[str, Any]) -> dict[str, Any]:
    """The webhook's answer: tokens name their user, or what is wrong with them."""
    token, audiences = review["spec"]["token"], review["spec"].get("audiences", [])
    status: dict[str, Any] = {"authenticated": False}
    if token.startswith("user:"):
        user = {"username": token.removeprefix("user:"), "uid": "7", "groups": ["hooked"], "extra": {"k": ["v"]}}
        status = {"authenticated": True, "user": user, "audiences": audiences[:1]}
    elif token.startswith("wrong:"):
        status["error"] = token
    return {**review, "status": status}


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookServer]:
    with serving(tmp_path_factory.mktemp("webhook"), whose) as running:
        yield running


@pytest.fixture(scope="module")
def configured(
    tmp_path_factory: pytest.TempPathFactory, issuers: tuple[OIDCIssuer, OIDCIssuer], webhook: WebhookServer
) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "authentication.yaml").write_text(yaml.safe_dump(configuration(*issuers)))
    running = ApiServer(
        folder, f"--authentication-config={folder / 'authentication.yaml'}", "--enable-bootstrap-token-auth",
        f"--authentication-token-webhook-config-file={kubeconfig_of(webhook, folder / 'hook.yaml')}",
        "--authentication-token-webhook-version=v1",
    )  # fmt: skip
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def error_of(server: ApiServer, token: str, **spec: Any) -> str:
    with server.client() as admin:
        answer = admin.post(REVIEWS, json={"spec": {"token": token, **spec}})
    status = answer.json()["status"]
    assert "authenticated" not in status
    error: str = status["error"]
    return error


def jane(issuer: OIDCIssuer, **claims: Any) -> str:
    usual = {"aud": "b", "email": "jane@example.com", "email_verified": True, "oid": "o-1", "tenant": "t"}
    return issuer.token(**{**usual, **claims})


# --- issuers


def test_claims_become_a_user_by_expressions(configured: ApiServer, issuers: tuple[OIDCIssuer, OIDCIssuer]) -> None:
    assert user_of(configured, jane(issuers[0], roles=["dev"])) == {
        "username": "jane@example.com",
        "uid": "o-1",
        "groups": ["team:dev", "system:authenticated"],
        "extra": {"example.com/tenant": ["t"]},
    }
    assert user_of(configured, issuers[1].token(iss="https://other.example.com", aud="c")) == {
        "username": "other:jane",
        "groups": ["system:authenticated"],
    }


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": "c"}, "expected audience"),
        ({"email_verified": False}, "username claim mapping is empty"),
        ({"email": None}, "no such key: email"),
        ({"oid": None}, 'parse uid claims "oid": claim not present'),
        ({"iat": 0}, "too long a life"),
        ({"email": "system:admin"}, "reserved"),
        ({"roles": ["banned"]}, "banned"),
        ({"roles": 3}, "error evaluating group claim expression"),
        ({"tenant": {"a": 1}}, "it must return a string or a list of strings"),
    ],
)
def test_claims_that_do_not_do(
    configured: ApiServer, issuers: tuple[OIDCIssuer, OIDCIssuer], claims: dict[str, Any], words: str
) -> None:
    assert words in error_of(configured, jane(issuers[0], **{"roles": ["dev"], **claims}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": {"url": "http://a", "audiences": ["x"]}}, "issuer.url: URL scheme must be https"),
        ({"issuer": {"url": "https://own", "audiences": ["x"]}}, "is another issuer's"),
        ({"issuer": {"url": "https://a"}}, "issuer.audiences"),
        ({"issuer": {"url": "https://a", "audiences": ["x", "y"]}}, "audienceMatchPolicy: must be MatchAny"),
        ({"claimMappings": {}}, "username: one of claim and expression is required"),
        ({"claimMappings": {"username": {"claim": "sub"}}}, "prefix is required when claim is set"),
        ({"claimMappings": {"username": {"expression": "claims.email"}}}, "claims.email_verified must be used"),
        (
            {"claimMappings": {"username": {"expression": "claims.sub"},
                               "extra": [{"key": "x.kubernetes.io/a", "valueExpression": "claims.a"}]}},
            "reserved for Kubernetes use",
        ),
        ({"claimValidationRules": [{"claim": "a", "expression": "true"}]}, "one of claim and expression"),
    ],
)  # fmt: skip
def test_configurations_that_make_no_sense(change: dict[str, Any], words: str) -> None:
    mappings = {"username": {"claim": "sub", "prefix": ""}}
    jwt = {"issuer": {"url": "https://a", "audiences": ["x"]}, "claimMappings": mappings, **change}
    given = AuthenticationConfiguration.from_dict({"jwt": [jwt]})
    assert any(words in problem for problem in problems(given, ["https://own"]))


def test_expressions_that_do_not_compile() -> None:
    with pytest.raises(ConfigurationError, match=r"here: compilation failed: .*undeclared reference to 'user'"):
        ConfiguredExpression("user.name", CLAIMS, "here", TEXT)
    with pytest.raises(ConfigurationError, match="here: must evaluate to bool"):
        ConfiguredExpression("'x'", CLAIMS, "here", TRUTH)


# --- anonymous requests


def test_only_some_paths_need_no_credentials(configured: ApiServer) -> None:
    with configured.client("") as nobody:
        assert nobody.get("/livez").status_code == 200
        assert nobody.get("/version").status_code == 200
        for path in ("/readyz", "/livez/ping", "/livez/", "/api", "/api/v1/pods"):
            assert nobody.get(path).status_code == 401, path


# --- the webhook


def test_the_webhook_knows_tokens(configured: ApiServer, webhook: WebhookServer) -> None:
    expected = {"username": "zoe", "uid": "7", "groups": ["hooked", "system:authenticated"], "extra": {"k": ["v"]}}
    assert user_of(configured, "user:zoe") == expected
    asked = len(webhook.asked)
    assert user_of(configured, "user:zoe") == expected
    assert len(webhook.asked) == asked, "its answers are kept"
    assert webhook.asked[-1].headers["Authorization"] == "Bearer let-me-ask"
    assert webhook.asked[-1].body["spec"]["audiences"] == ["https://kubernetes.default.svc"]
    assert error_of(configured, "wrong:tree") == "[invalid bearer token, wrong:tree]"
    assert error_of(configured, "unknown") == "invalid bearer token"
    with configured.client() as admin:
        spec = {"token": "user:zoe", "audiences": ["x", "y"]}
        assert admin.post(REVIEWS, json={"spec": spec}).json()["status"]["audiences"] == ["x"]


@pytest.mark.parametrize(
    "nonsense",
    [
        (500, b"no"),
        b"<html>",
        {"kind": "Pod", "apiVersion": "v1"},
        {**_REVIEW, "status": []},
        {**_REVIEW, "status": {"authenticated": "yes"}},
        {**_REVIEW, "status": {"authenticated": True}},
        {**_REVIEW, "status": {"authenticated": True, "user": []}},
        {**_REVIEW, "status": {"authenticated": True, "user": {"username": "x"}, "audiences": "a"}},
        {**_REVIEW, "status": {"authenticated": True, "user": {"username": "x", "groups": "system:masters"}}},
        {**_REVIEW, "status": {"authenticated": True, "user": {"username": "x", "extra": {"k": 1}}}},
    ],
)
def test_a_webhook_that_answers_nonsense_lets_nobody_in(
    configured: ApiServer, webhook: WebhookServer, nonsense: Any, request: pytest.FixtureRequest
) -> None:
    webhook.answer = lambda review: nonsense
    try:
        with configured.client(f"token of {request.node.name}".replace("<", "").replace(">", "")) as client:
            assert client.get("/api").status_code == 401
    finally:
        webhook.answer = whose


# --- bootstrap tokens


def bootstrap(server: ApiServer, identifier: str, **data: str | None) -> str:
    usual: dict[str, str | None] = {
        "token-id": identifier, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }  # fmt: skip
    kept = {key: value for key, value in (usual | data).items() if value is not None}
    secret = {
        "metadata": {"name": f"bootstrap-token-{identifier}"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in kept.items()},
    }
    with server.client() as admin:
        assert admin.post("/api/v1/namespaces/kube-system/secrets", json=secret).status_code == 201
    return f"{identifier}.0123456789abcdef"


def test_bootstrap_tokens(configured: ApiServer) -> None:
    token = bootstrap(configured, "abcdef")
    assert user_of(configured, token) == {
        "username": "system:bootstrap:abcdef",
        "groups": ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated"],
    }
    assert error_of(configured, "abcdef.0123456789abcdee") == "invalid bearer token"
    assert error_of(configured, "zzzzzz.0123456789abcdef") == "invalid bearer token"
    with configured.client() as admin:
        admin.delete("/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef")
    assert error_of(configured, token) == "invalid bearer token"


@pytest.mark.parametrize(
    ("identifier", "data"),
    [
        ("aaaaa1", {"expiration": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}),
        ("aaaaa2", {"expiration": "tomorrow"}),
        ("aaaaa3", {"usage-bootstrap-authentication": None}),
        ("aaaaa4", {"usage-bootstrap-authentication": "yes"}),
        ("aaaaa5", {"token-id": "bbbbbb"}),
        ("aaaaa6", {"token-secret": ""}),
        ("aaaaa7", {"auth-extra-groups": "system:masters"}),
    ],
)
def test_bootstrap_tokens_that_do_not_hold(configured: ApiServer, identifier: str, data: dict[str, str | None]) -> None:
    assert error_of(configured, bootstrap(configured, identifier, **data)).startswith(("invalid", "[invalid"))


def test_a_bootstrap_token_holds_until_it_ends(configured: ApiServer) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert user_of(configured, bootstrap(configured, "fedcba", expiration=later))["username"].endswith("fedcba")
