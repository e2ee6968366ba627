"""The object or patch that came with a request, as JSON: as it was sent, whatever form it was sent in."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.request import Request

_PROTOBUF = "application/vnd.kubernetes.protobuf"


def request_document(request: Request) -> Any:
    """None where nothing has been read of the body, or where it is no document."""
    body = request.read_body
    if not body or not body.strip():
        return None
    media = request.header("content-type").partition(";")[0].strip()
    try:
        if media == _PROTOBUF:
            return _from_protobuf(body)
        if "yaml" in media:
            return _from_yaml(body)
        return orjson.loads(body)
    except ValueError:
        return None


def _from_yaml(body: bytes) -> Any:
    from apiserver import yaml_documents

    return yaml_documents.parse(body).value


def _from_protobuf(body: bytes) -> Any:
    from api.scheme import resource_of_kind
    from apiserver import protobuf

    try:
        envelope = protobuf.unwrap(body)
        resource = resource_of_kind(envelope.api_version, envelope.kind)
        if resource is None:
            return None
        document = protobuf.read(resource.model, envelope.raw)
    except (protobuf.Malformed, TypeError):
        return None
    return {"kind": envelope.kind, "apiVersion": envelope.api_version, **document}
