"""ConfigMaps: named pieces of text or bytes."""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import ConfigMap
from api.errors import FieldError, forbidden, invalid_value, too_long
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.names import config_key
from apiserver.registry.strategy import Column, Strategy

_LIMIT = 1024 * 1024
IMMUTABLE = "field is immutable when `immutable` is set"


class ConfigMaps(Strategy[ConfigMap]):
    resource = resource_of(ConfigMap)
    columns = (
        NAME,
        Column(
            "Data",
            lambda c, now: len(c.data) + len(c.binaryData),
            description="How many keys it has.",
        ),
        AGE,
    )

    def validate(self, new: ConfigMap) -> Iterator[FieldError]:
        size = 0
        for key in sorted(new.data):
            for complaint in config_key(key):
                yield invalid_value(f"data[{key}]", key, complaint)
            if key in new.binaryData:
                yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
            size += len(new.data[key].encode())
        for key in sorted(new.binaryData):
            for complaint in config_key(key):
                yield invalid_value(f"binaryData[{key}]", key, complaint)
            size += decoded_size(new.binaryData[key])
        if size > _LIMIT:
            yield too_long("[]", _LIMIT)

    def validate_update(self, new: ConfigMap, old: ConfigMap) -> Iterator[FieldError]:
        if not old.immutable:
            return
        if not new.immutable:
            yield forbidden("immutable", IMMUTABLE)
        if new.data != old.data:
            yield forbidden("data", IMMUTABLE)
        if new.binaryData != old.binaryData:
            yield forbidden("binaryData", IMMUTABLE)


def decoded_size(base64: str) -> int:
    """How many bytes a base64 text stands for."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")
