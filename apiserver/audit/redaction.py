"""What is never recorded, whatever the policy says: see docs/adr/0022.

Keys stay, so that a reader sees what was written; values go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from apiserver.request import RequestInfo

REDACTED = "REDACTED"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SECRET_MEMBERS = ("data", "stringData", "value")
"""Of a Secret, and what an operation of a JSON patch puts in."""
_TOKEN_MEMBERS = ("token",)
_CREDENTIALS = frozenset({
    "access_token", "api_key", "apikey", "auth", "authorization", "bearer", "client_secret", "code", "id_token",
    "password", "refresh_token", "secret", "sig", "signature", "token", "x-amz-credential", "x-amz-security-token",
    "x-amz-signature",
})  # fmt: skip
_SHORTEST = 4
"""Characters of a value that is looked for in messages: shorter ones are in every sentence."""


def hidden_members(info: RequestInfo) -> tuple[str, ...]:
    """The members whose values are secret, in the objects of a request."""
    if (info.group, info.resource) == ("", "secrets"):
        return _SECRET_MEMBERS
    if info.group == "authentication.k8s.io" or (info.resource, info.subresource) == ("serviceaccounts", "token"):
        return _TOKEN_MEMBERS
    return ()


def redacted(value: Any, hidden: tuple[str, ...]) -> Any:
    """The same without the values of such members, at any depth; it shares with `value` what it leaves alone."""
    if isinstance(value, list):
        return [redacted(each, hidden) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _blank(each) if key in hidden or key == _APPLIED else redacted(each, hidden) for key, each in value.items()
    }


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _blank(each) for key, each in value.items()}
    return value if value is None else REDACTED


def hidden_values(value: Any, hidden: tuple[str, ...]) -> set[str]:
    """The texts that `redacted` would take away."""
    return {text for text in _hidden_texts(value, hidden) if len(text) >= _SHORTEST}


def _hidden_texts(value: Any, hidden: tuple[str, ...], inside: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _hidden_texts(each, hidden, inside or key in hidden or key == _APPLIED)
    elif isinstance(value, list):
        for each in value:
            yield from _hidden_texts(each, hidden, inside)
    elif inside and isinstance(value, str):
        yield value


def without(values: set[str]) -> Callable[[str], str]:
    """Takes texts out of messages, longer ones first."""
    ordered = sorted(values, key=len, reverse=True)

    def take_out(message: str) -> str:
        for value in ordered:
            message = message.replace(value, REDACTED)
        return message

    return take_out


def redacted_query(query: str) -> str:
    """A query string without the values of parameters that are credentials."""
    if not query:
        return query
    return "&".join(map(_redacted_parameter, query.split("&")))


def _redacted_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}={REDACTED}" if equals and value and unquote_plus(name).lower() in _CREDENTIALS else parameter
