"""A browser cannot give a WebSocket headers: its token is the name of a subprotocol."""

from __future__ import annotations

import base64

import pytest

from api.errors import Unauthorized
from apiserver.filters.authentication import TOKEN_SUBPROTOCOL, bearer_token
from apiserver.request import Request


def request(*offered: str, authorization: str = "") -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": headers, "subprotocols": [*offered]}
    return Request(scope, None)  # type: ignore[arg-type]


def named(token: bytes) -> str:
    return TOKEN_SUBPROTOCOL + base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def test_the_token_of_a_subprotocol() -> None:
    assert bearer_token(request("v5.channel.k8s.io", named(b"secret"))) == "secret"
    assert bearer_token(request("v5.channel.k8s.io")) == ""
    assert bearer_token(request(named(b"secret"), authorization="Bearer other")) == "other"


@pytest.mark.parametrize("name", ["!", "a", named(b"\xff\xfe")[len(TOKEN_SUBPROTOCOL) :]])
def test_names_that_are_no_token(name: str) -> None:
    with pytest.raises(Unauthorized):
        bearer_token(request(TOKEN_SUBPROTOCOL + name))
