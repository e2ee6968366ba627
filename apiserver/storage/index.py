"""Finds the objects that have one value of a label or field without looking at the others.

An index is made when somebody first selects by that label or field and kept current from then on, so that a list of
ten objects costs ten, whatever else there is.  What nobody selects by costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from apiserver.storage.entry import Entry

Term = tuple[Literal["label", "field"], str, str]
"""A condition: that a label or selectable field has a value."""

MOST = 8
"""Indexes over one set of objects; the one that has not been used for longest makes room."""


class Indexes:
    """The indexes over a set of objects."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, dict[str, Entry]]] = {}

    def put(self, entry: Entry, before: Entry | None) -> None:
        """Take in an object, in the place of its earlier state."""
        for (source, name), values in self._found.items():
            value = _value(entry, source, name)
            if before is not None and (former := _value(before, source, name)) != value:
                _drop(values, former, entry.key)
            values.setdefault(value, {})[entry.key] = entry

    def remove(self, entry: Entry) -> None:
        for (source, name), values in self._found.items():
            _drop(values, _value(entry, source, name), entry.key)

    def select(self, terms: Iterable[Term], everything: Callable[[], Iterable[Entry]]) -> list[Entry]:
        """Those that may meet all terms, of which there is one at least: the fewest that an index can tell.

        In the order of their keys.  `everything` yields all objects of the set.
        """
        best: dict[str, Entry] | None = None
        for source, name, value in terms:
            values = self._found.pop((source, name), None)
            if values is None:
                values = {}
                for entry in everything():
                    values.setdefault(_value(entry, source, name), {})[entry.key] = entry
                if len(self._found) >= MOST:
                    del self._found[next(iter(self._found))]
            self._found[source, name] = values
            found = values.get(value, {})
            if best is None or len(found) < len(best):
                best = found
        assert best is not None
        return [best[key] for key in sorted(best)]


def _value(entry: Entry, source: str, name: str) -> str:
    """A missing label counts as empty here: what an index finds is looked at again by the selector."""
    return (entry.labels if source == "label" else entry.fields).get(name, "")


def _drop(values: dict[str, dict[str, Entry]], value: str, key: str) -> None:
    found = values.get(value)
    if found is not None:
        found.pop(key, None)
        if not found:
            del values[value]
