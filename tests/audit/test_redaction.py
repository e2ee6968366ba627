"""No secret is in what is recorded: neither in objects nor in patches, messages and URLs."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.audit.redaction import hidden_members, hidden_values, redacted, redacted_query, without
from apiserver.filters.request_info import parse

SECRET = hidden_members(parse("GET", "/api/v1/namespaces/ns/secrets/x", {}))
HIDDEN = "aHVudGVyMg=="


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"a": HIDDEN}},
        {"stringData": {"a": HIDDEN}},
        {"items": [{"data": {"a": HIDDEN}}, {"stringData": {"b": HIDDEN}}]},
        {"rows": [{"object": {"data": {"a": HIDDEN}}}]},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":"{HIDDEN}"}}'}}},
        [{"op": "replace", "path": "/data/a", "value": HIDDEN}],
        [{"op": "add", "path": "/data", "value": {"a": HIDDEN}}],
        {"data": [HIDDEN, {"b": [HIDDEN]}]},
        {"data": HIDDEN},
    ],
)
def test_values_of_secrets_are_gone(document: Any) -> None:
    assert HIDDEN not in str(redacted(document, SECRET))
    assert HIDDEN in str(hidden_values(document, SECRET))


def test_what_is_no_secret_stays_and_so_do_the_keys() -> None:
    document = {"metadata": {"name": "x"}, "type": "Opaque", "data": {"user": HIDDEN, "none": None}, "immutable": True}
    assert redacted(document, SECRET) == {
        "metadata": {"name": "x"}, "type": "Opaque", "data": {"user": "REDACTED", "none": None}, "immutable": True,
    }  # fmt: skip
    assert document["data"] == {"user": HIDDEN, "none": None}


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/apis/authentication.k8s.io/v1/tokenreviews", ("token",)),
        ("/api/v1/namespaces/ns/serviceaccounts/x/token", ("token",)),
        ("/api/v1/namespaces/ns/serviceaccounts/x", ()),
        ("/api/v1/namespaces/ns/configmaps/x", ()),
        ("/apis/example.com/v1/namespaces/ns/secrets/x", ()),
    ],
)
def test_tokens_are_hidden_where_objects_carry_them(path: str, hidden: tuple[str, ...]) -> None:
    assert hidden_members(parse("POST", path, {})) == hidden


def test_messages_that_quote_a_secret_are_cut() -> None:
    take_out = without({"hunter2", "hunter2hunter2"})
    assert take_out('Invalid value: "hunter2hunter2" and hunter2') == 'Invalid value: "REDACTED" and REDACTED'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("watch=1&timeoutSeconds=5", "watch=1&timeoutSeconds=5"),
        ("access_token=abc&watch=1", "access_token=REDACTED&watch=1"),
        ("a=b&Token=x%20y", "a=b&Token=REDACTED"),
        ("to%6ben=x", "to%6ben=REDACTED"),
        ("token", "token"),
        ("token=", "token="),
    ],
)
def test_credentials_in_a_url_are_hidden(query: str, expected: str) -> None:
    assert redacted_query(query) == expected
