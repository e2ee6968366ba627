"""A custom object: typed metadata and, for the rest, JSON as it is.

It does for handlers, strategies and admission what an instance of an `api.model.Model` does, at the price of a
dictionary: what its members may be is said by the schema of its version and not by types.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any, ClassVar, Self

import orjson

from api.meta_v1 import ObjectMeta
from api.schema import MISSING
from apiserver.patch.json_value import copied

if TYPE_CHECKING:
    from apiserver.custom_resources.definition import Version


class CustomObject:
    """One object in one version of its kind.  Each version has a class of its own.

    `members` is everything but apiVersion, kind and metadata.  What is in it is replaced, never changed in place.
    """

    __slots__ = ("apiVersion", "forgiven", "given_kind", "kind", "members", "metadata")

    version: ClassVar[Version]
    model_fields: ClassVar[Mapping[str, Any]] = {}
    """No member is known by a declaration."""

    def __init__(self, metadata: ObjectMeta, members: dict[str, Any], api_version: str = "", kind: str = "") -> None:
        self.metadata = metadata
        self.members = members
        self.apiVersion, self.kind = api_version, kind
        self.given_kind = kind
        """What the client called it, which is judged last."""
        self.forgiven: list[str] = []
        """What validation has found wrong, but not new."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an object as an endpoint shows it: known to be good, without kind and apiVersion."""
        members = orjson.loads(data)
        return cls(ObjectMeta.decode(orjson.dumps(members.pop("metadata"))), members)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read an object that somebody has made or changed: unknown members are dropped, defaults filled in.

        Raises pydantic.ValidationError for metadata of wrong types.
        """
        members = copied({k: v for k, v in document.items() if k not in ("metadata", "apiVersion", "kind")})
        cls.version.coerce(members)
        cls.version.default(members)
        names = document.get("apiVersion", ""), document.get("kind", "")
        return cls(ObjectMeta.from_dict(document.get("metadata") or {}), members, *names)

    def encode(self, members: Set[str] | None = None, *, as_given: bool = False) -> bytes:
        """JSON; with `members` only these."""
        chosen = self.members
        if members is not None:
            chosen = {name: value for name, value in chosen.items() if name in members}
        parts = []
        if self.apiVersion and members is None:
            parts.append(orjson.dumps({"apiVersion": self.apiVersion, "kind": self.kind})[1:-1])
        parts.append(b'"metadata":' + self.metadata.encode())
        if chosen:
            parts.append(orjson.dumps(chosen)[1:-1])
        return b"{" + b",".join(parts) + b"}"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-shaped dictionaries and lists, which are the caller's own."""
        document: dict[str, Any] = orjson.loads(self.encode())
        return document

    def copy_deep(self) -> Self:
        """An independent copy."""
        copy = type(self)(self.metadata.copy_deep(), copied(self.members), self.apiVersion, self.kind)
        copy.given_kind = self.given_kind
        return copy

    def changed(self, before: Self) -> frozenset[str]:
        """The members that are not one and the same in an earlier state."""
        names = self.members.keys() | before.members.keys()
        mine, theirs = self.members, before.members
        changed = {name for name in names if mine.get(name, MISSING) is not theirs.get(name, MISSING)}
        return frozenset(changed)
