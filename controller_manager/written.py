"""Whether a controller's local copy shows what it wrote itself.

A status that counts on from an older one must not start from a copy that lags behind the last write.
"""

from __future__ import annotations

from typing import Any

from client.store import key_of


class Written:
    """The revision of the last write to each object.  Revisions of one resource are numbers that grow (KEP-5504)."""

    def __init__(self) -> None:
        self._revisions: dict[str, int] = {}

    def note(self, obj: Any) -> None:
        """`obj` is the server's answer to a write."""
        self._revisions[key_of(obj)] = int(obj.metadata.resourceVersion)

    def is_shown(self, obj: Any) -> bool:
        """Whether a copy is as new as the last write; if not, the event that brings it is on its way."""
        return int(obj.metadata.resourceVersion) >= self._revisions.get(key_of(obj), 0)

    def forget(self, key: str) -> None:
        self._revisions.pop(key, None)
