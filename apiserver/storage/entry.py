"""An object as the watch cache holds it, and a change of one: encoded once, shared by all who read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sys import intern
from typing import Any, Literal

import orjson

from apiserver.storage.protocol import Revision

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
FieldsFunction = Callable[[Mapping[str, Any]], dict[str, str]]

_HEAD = b'{"metadata":{'
_REVISION_HEAD = b'"metadata":{"resourceVersion":"'
_VERSION = b',"apiVersion":"'
_NONE: Mapping[str, str] = {}


def with_revision(value: bytes, revision: Revision) -> bytes:
    """The members of stored JSON, closing brace included, with its resourceVersion in place.

    Values are stored without resourceVersion, kind and apiVersion and begin with `{"metadata":{`, so this is a
    splice and not a re-encoding.  Raises ValueError for a value of another shape.
    """
    if not value.startswith(_HEAD):
        raise ValueError(f"a stored object must begin with {_HEAD.decode()}, this one with {value[:20]!r}")
    rest = value[len(_HEAD) :]
    return b"%b%d%b%b" % (_REVISION_HEAD, revision, b'"' if rest.startswith(b"}") else b'",', rest)


class Entry:
    """One object at one revision.

    `members` is its JSON with resourceVersion, without kind and apiVersion, and without the opening brace: whoever
    shows the object puts only something before it.  `stored_as` is the apiVersion at the end of the stored value, which
    custom objects have, else "".  `written` is the revision that the value was stored with, which a deletion does not
    change.  `fields` are what field selectors can ask for, without those that are empty.  Entries are shared and never
    change.
    """

    __slots__ = ("fields", "key", "labels", "members", "name", "namespace", "revision", "stored_as", "written")

    def __init__(
        self,
        key: str,
        namespace: str,
        name: str,
        revision: Revision,
        members: bytes,
        labels: Mapping[str, str],
        fields: Mapping[str, str],
        stored_as: str = "",
        written: Revision = 0,
    ) -> None:
        self.key = key
        self.namespace = namespace
        self.name = name
        self.revision = revision
        self.members = members
        self.labels = labels
        self.fields = fields
        self.stored_as = stored_as
        self.written = written or revision

    @classmethod
    def from_value(
        cls,
        key: str,
        value: bytes,
        revision: Revision,
        fields_of: FieldsFunction | None,
        document: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Read what the store has under `key`, which is `/resource/[namespace/]name`.

        `document` is the value parsed, where somebody has that already.
        """
        parts = key.split("/", 3)
        namespace, name = (parts[2], parts[3]) if len(parts) == 4 else ("", parts[2])
        if document is None:
            document = orjson.loads(value)
        assert document is not None
        # A field that is empty is as good as none, and a smaller dictionary.
        fields = {} if fields_of is None else {field: text for field, text in fields_of(document).items() if text}
        fields["metadata.name"] = name
        fields["metadata.namespace"] = namespace
        given = document["metadata"].get("labels")
        # Thousands of objects have the same labels: their texts are kept once.
        labels = {label: _once(text) for label, text in given.items()} if given else _NONE
        shown, stored_as = _without_version(value) if value.endswith(b'"}') else (value, "")
        members = with_revision(shown, revision)
        return cls(key, intern(namespace), name, revision, members, labels, fields, stored_as)

    @classmethod
    def detached(cls, key: str, namespace: str, name: str, value: bytes, revision: Revision) -> Entry:
        """An object that is not stored, as a dry run answers with; with revision 0 it has no resourceVersion."""
        shown, stored_as = _without_version(value)
        members = with_revision(shown, revision) if revision else shown[1:]
        return cls(key, namespace, name, revision, members, _NONE, _NONE, stored_as)

    @property
    def body(self) -> bytes:
        """Its JSON with resourceVersion, without kind and apiVersion."""
        return b"{" + self.members

    @property
    def document(self) -> dict[str, Any]:
        """The body, parsed anew on each use: the caller's own, and nothing that stays in memory."""
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    @property
    def value(self) -> bytes:
        """What is stored: without resourceVersion."""
        rest = self.members[self.members.index(b'"', len(_REVISION_HEAD)) + 1 :].removeprefix(b",")
        if self.stored_as:
            return b'%b%b%b%b"}' % (_HEAD, rest[:-1], _VERSION, self.stored_as.encode())
        return _HEAD + rest

    def at(self, revision: Revision) -> Entry:
        """The same object carrying another resourceVersion, as deletions show it."""
        start = self.members.index(b'"', len(_REVISION_HEAD))
        members = b"%b%d%b" % (_REVISION_HEAD, revision, self.members[start:])
        known = (self.labels, self.fields, self.stored_as, self.written)
        return Entry(self.key, self.namespace, self.name, revision, members, *known)

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, revision={self.revision})"


def _once(text: Any) -> Any:
    return intern(text) if type(text) is str else text


def _without_version(value: bytes) -> tuple[bytes, str]:
    """A stored object without the apiVersion at its end, and that; "" where there is none.

    Quotes within strings are escaped and objects within end with more braces: what is found is a member of its own.
    """
    start = value.rfind(_VERSION)
    end = len(value) - len(b'"}')
    if start < 0 or value.find(b'"', start + len(_VERSION)) != end:
        return value, ""
    return value[:start] + b"}", intern(value[start + len(_VERSION) : end].decode())


def object_head(kind: str, api_version: str) -> bytes:
    """How an object of this kind begins, up to what its entry's body holds."""
    return f'{{"kind":"{kind}","apiVersion":"{api_version}",'.encode()


def watch_frame(type: EventType, head: bytes, entry: Entry) -> bytes:
    """One line of a JSON watch stream."""
    return b"".join((b'{"type":"', type.encode(), b'","object":', head, entry.members, b"}\n"))


class CacheEvent:
    """One change.  `entry` is the new state, for DELETED the last one with the deletion's resourceVersion."""

    __slots__ = ("_encodings", "_frames", "_gone", "entry", "previous", "revision", "type")

    def __init__(self, type: EventType, entry: Entry, previous: Entry | None, encodings: Encodings) -> None:
        self.type = type
        self.revision = entry.revision
        self.entry = entry
        self.previous = previous
        self._gone: Entry | None = None
        self._frames: dict[tuple[EventType, bytes], bytes] | None = None
        self._encodings = encodings

    def gone(self) -> Entry:
        """The state before, with this event's revision: what a watcher sees whose selector stopped matching."""
        if self.type == "DELETED":
            return self.entry
        if self._gone is None:
            assert self.previous is not None
            self._gone = self.previous.at(self.revision)
        return self._gone

    def frame(self, type: EventType, head: bytes) -> bytes:
        """The event's line of a JSON watch stream, encoded for the first watcher and shared by the others.

        `type` is what the event is to the watcher: an object that begins to match its selector was ADDED.
        """
        if self._frames is None:
            self._frames = {}
        frame = self._frames.get((type, head))
        if frame is None:
            frame = watch_frame(type, head, self.gone() if type == "DELETED" else self.entry)
            self._frames[type, head] = frame
            self._encodings.count += 1
        return frame

    def __repr__(self) -> str:
        return f"CacheEvent({self.type}, {self.entry!r})"


class Encodings:
    """How many watch frames have been encoded."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0
