"""Content negotiation: which form of an answer a client can read.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-representations
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from api.errors import NotAcceptable
from api.meta_v1 import StatusDetails

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
AVAILABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
STREAMS = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"


NOT_SERVED = f"only the following media types are accepted: {AVAILABLE}"


@dataclass(frozen=True, slots=True)
class MediaType:
    """What to answer with.  `transform` is "", "Table", "PartialObjectMetadata" or "PartialObjectMetadataList"."""

    type: str = JSON
    transform: str = ""
    transform_version: str = ""
    stream: str = ""
    pretty: bool = False
    discovery: str = ""

    def encode(self, document: Any) -> bytes:
        if self.type == YAML:
            from api.yaml_text import to_yaml  # most clients never ask for YAML

            return to_yaml(document).encode()
        if self.type == PROTOBUF:
            from apiserver import protobuf

            return protobuf.encode(document)
        if self.pretty:
            return orjson.dumps(document, option=orjson.OPT_INDENT_2)
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


PLAIN = MediaType()


def _parse(part: str) -> tuple[str, dict[str, str], float]:
    kind, *parameters = [piece.strip() for piece in part.split(";")]
    values = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        values[name.strip()] = value.strip().strip('"')
    try:
        quality = float(values.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return kind, values, quality


def accepts(accept: str, kind: str) -> bool:
    """Whether an Accept header takes the one media type that a path has; ranges such as `text/*` match nothing."""
    wanted = [part.partition(";")[0].strip() for part in accept.split(",")] if accept.strip() else ["*/*"]
    return kind in wanted or "*/*" in wanted


@lru_cache(maxsize=512)
def negotiate(
    accept: str,
    *,
    transforms: bool = True,
    tables: bool = True,
    discovery: bool = False,
    streams: bool = False,
    protobuf: bool = False,
) -> MediaType:
    """The best form for an Accept header.  Raises NotAcceptable when none of it can be served.

    `transforms`: whether tables and metadata alone may be answered, `tables`: the former; `discovery`: whether
    aggregated discovery; `streams`: whether the path can be watched, which a refusal mentions; `protobuf`: whether the
    answer has that form.

    CBOR is not served, and protobuf only for what is built in: clients that offer them also offer JSON.
    """
    if not accept.strip():
        return PLAIN
    ranked = sorted((_parse(part) for part in accept.split(",")), key=lambda found: -found[2])
    misshapen = False
    for kind, parameters, quality in ranked:
        if quality == 0:
            continue
        if kind in ("*/*", JSON):
            base = JSON
        elif kind == YAML or (kind == PROTOBUF and protobuf):
            base = kind
        else:
            continue
        target, group = parameters.get("as", ""), parameters.get("g", "")
        if not target:
            return MediaType(base, stream=parameters.get("stream", ""), pretty=parameters.get("pretty") == "1")
        misshapen = True
        if target == "APIGroupDiscoveryList" and group == "apidiscovery.k8s.io":
            if discovery and parameters.get("v") == "v2":
                return MediaType(base, discovery="v2")
            continue
        if not transforms or group != "meta.k8s.io" or parameters.get("v") not in ("v1", "v1beta1"):
            continue
        if target == "Table" and (base == PROTOBUF or not tables):
            continue  # protobuf has no form for cells, which can be anything
        if target in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            return MediaType(base, target, parameters["v"])
    if misshapen:
        raise NotAcceptable(NOT_SERVED)
    available = f"{AVAILABLE}, {STREAMS}" if streams else AVAILABLE
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {available}", StatusDetails())
