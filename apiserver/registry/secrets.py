"""Secrets, and what each well-known type of them must hold.

See https://kubernetes.io/docs/concepts/configuration/secret/#secret-types.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.core_v1 import Secret
from api.errors import FieldError, forbidden, invalid_value, required, too_long
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.config_maps import IMMUTABLE, decoded_size
from apiserver.registry.json_text import complaint_about_json
from apiserver.registry.names import config_key
from apiserver.registry.strategy import Column, Context, Strategy

_LIMIT = 1024 * 1024
_ACCOUNT = "kubernetes.io/service-account.name"
_REDACTED = "<secret contents redacted>"

TLS = "kubernetes.io/tls"


class Secrets(Strategy[Secret]):
    resource = resource_of(Secret)
    columns = (
        NAME,
        Column("Type", lambda s, now: s.type, description="What kind of secret it is."),
        Column("Data", lambda s, now: len(s.data), description="How many keys it has."),
        AGE,
    )

    def default(self, obj: Secret) -> None:
        if not obj.type:
            obj.type = "Opaque"
        # stringData is for writing only: it wins over data and is never kept.  The data may be the stored object's own.
        if obj.stringData:
            texts = {key: base64.b64encode(text.encode()).decode() for key, text in obj.stringData.items()}
            obj.data = obj.data | texts
            obj.stringData = {}

    def prepare_for_update(self, new: Secret, old: Secret, context: Context) -> None:
        if not new.type:
            new.type = old.type

    def validate(self, new: Secret) -> Iterator[FieldError]:
        size = 0
        for key in sorted(new.data):
            for complaint in config_key(key):
                yield invalid_value(f"data[{key}]", key, complaint)
            size += decoded_size(new.data[key])
        if size > _LIMIT:
            yield too_long("data", _LIMIT)
        match new.type:
            case "kubernetes.io/service-account-token":
                if not new.metadata.annotations.get(_ACCOUNT):
                    yield required(f"metadata.annotations[{_ACCOUNT}]")
            case "kubernetes.io/dockercfg":
                yield from _json_under(new, ".dockercfg")
            case "kubernetes.io/dockerconfigjson":
                yield from _json_under(new, ".dockerconfigjson")
            case "kubernetes.io/basic-auth":
                if "username" not in new.data and "password" not in new.data:
                    yield required("data[username]")
                    yield required("data[password]")
            case "kubernetes.io/ssh-auth":
                if not new.data.get("ssh-privatekey"):
                    yield required("data[ssh-privatekey]")
            case "kubernetes.io/tls":
                for key in ("tls.crt", "tls.key"):
                    if key not in new.data:
                        yield required(f"data[{key}]")

    def validate_update(self, new: Secret, old: Secret) -> Iterator[FieldError]:
        if new.type != old.type:
            yield invalid_value("type", new.type, "field is immutable")
        if old.immutable:
            if not new.immutable:
                yield forbidden("immutable", IMMUTABLE)
            if new.data != old.data:
                yield forbidden("data", IMMUTABLE)

    def warnings(self, new: Secret, old: Secret | None) -> Iterable[str]:
        if new.type == TLS and "tls.crt" in new.data and "tls.key" in new.data:
            from apiserver.registry.key_pair import complaint_about_key_pair

            complaint = complaint_about_key_pair(
                base64.b64decode(new.data["tls.crt"]), base64.b64decode(new.data["tls.key"])
            )
            if complaint:
                yield complaint

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {"type": document.get("type", "")}


def _json_under(secret: Secret, key: str) -> Iterator[FieldError]:
    if key not in secret.data:
        yield required(f"data[{key}]")
        return
    complaint = complaint_about_json(base64.b64decode(secret.data[key]))
    if complaint:
        yield invalid_value(f"data[{key}]", _REDACTED, complaint)
