"""The rules of how webhooks are called: by URL, or as a service of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit

from api.errors import FieldError, invalid_value, required
from apiserver.registry.names import dns1035, port_number, subdomain

ACCEPTED_VERSIONS = ("v1", "v1beta1")
"""Versions of AdmissionReview and ConversionReview that a server may be asked in."""

_PORT = 443
_FORM = "; desired format: https://host[/path]"
_RELATIVE = ("invalid URI for request", "empty url")


class ServiceReference(Protocol):
    name: str
    namespace: str
    path: str | None
    port: int | None


class ClientConfig(Protocol):
    caBundle: str
    url: str | None

    @property
    def service(self) -> ServiceReference | None: ...


def default_client(config: ClientConfig) -> None:
    if config.service is not None and config.service.port is None:
        config.service.port = _PORT


def validate_client(config: ClientConfig, path: str) -> Iterator[FieldError]:
    if (config.url is None) == (config.service is None):
        yield required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from _validate_url(config.url, f"{path}.url")
    elif config.service is not None:
        yield from validate_service(config.service, f"{path}.service")


def _validate_url(url: str, path: str) -> Iterator[FieldError]:
    if (why := _url_error(url.partition("#")[0])) is not None:
        yield required(path, f"url must be a valid URL: {why}{_FORM}")
        return
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme != "https":
        yield invalid_value(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    if not host:
        yield invalid_value(path, "", f"host must be provided{_FORM}")
    if "@" in parts.netloc:
        yield invalid_value(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid_value(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid_value(path, parts.query, "query parameters are not permitted in the URL")


def _url_error(url: str) -> str | None:
    """What Go says of a text that is no URL; None for one that is, or is a relative path."""
    from cel.libraries.url import parse_url  # few servers are told of webhooks

    try:
        parse_url(url)
    except ValueError as error:
        return None if str(error).endswith(_RELATIVE) else str(error)
    return None


def validate_service(service: ServiceReference, path: str) -> Iterator[FieldError]:
    # Kubernetes hands name and namespace over in the wrong order, and so names the one that is there.
    if not service.namespace:
        yield required(f"{path}.name", "service name is required")
    if not service.name:
        yield required(f"{path}.namespace", "service namespace is required")
    port = service.port or 0
    for complaint in port_number(port):
        yield invalid_value(f"{path}.port", port, f"port is not valid: {complaint}")
    text = service.path
    if not text or text == "/":
        return
    where = f"{path}.path"
    if text == "//":
        yield invalid_value(where, text, "segment[0] may not be empty")
        return
    if not text.startswith("/"):
        yield invalid_value(where, text, "must start with a '/'")
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            yield invalid_value(where, text, f"segment[{index}] may not be empty")
            continue
        for complaint in subdomain(step):
            yield invalid_value(where, text, f"segment[{index}]: {complaint}")


def validate_review_versions(versions: list[str], path: str, missing: str, known: bool) -> Iterator[FieldError]:
    """The versions of the question that a webhook understands; `known`: whether one of them must be the server's."""
    if not versions:
        yield required(path, missing)
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            yield invalid_value(f"{path}[{index}]", version, "duplicate version")
            continue
        seen.add(version)
        for complaint in dns1035(version):
            yield invalid_value(f"{path}[{index}]", version, complaint)
    if known and not seen & set(ACCEPTED_VERSIONS):
        yield invalid_value(path, list(versions), f"must include at least one of {', '.join(ACCEPTED_VERSIONS)}")
