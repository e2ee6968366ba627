"""Which number each field has in protobuf: facts of the wire format, that never change once released.

The tables have one paragraph per message, its fields in the order of their numbers:

    Pod: metadata spec status
    OwnerReference: kind 3=name uid apiVersion controller blockOwnerDeletion
    Volume: name +VolumeSource

`3=name` sets a number where some were never used or given up.  `+VolumeSource` is a Go struct that is embedded: a
message of its own here, while in JSON its fields are the outer object's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from api.model import Model
from apiserver.protobuf.tables import TABLES


@dataclass(frozen=True, slots=True)
class Inlined:
    """The fields of an embedded struct."""

    numbers: Mapping[int, str | Inlined]


def field_numbers(model: type[Model]) -> Mapping[int, str | Inlined]:
    """The names of a type's fields in JSON by their numbers.

    Raises LookupError for a type that has no line in the tables, or whose line names no known struct.
    """
    return _numbers(model.__module__.split(".")[1], model.__name__)


@cache
def _numbers(module: str, message: str) -> Mapping[int, str | Inlined]:
    return dict(_numbered(module, _table(module)[message]))


def _numbered(module: str, names: list[str]) -> list[tuple[int, str | Inlined]]:
    found: list[tuple[int, str | Inlined]] = []
    number = 0
    for word in names:
        given, _, name = word.rpartition("=")
        number = int(given) if given else number + 1
        found.append((number, Inlined(_numbers(module, name[1:])) if name.startswith("+") else name))
    return found


@cache
def _table(module: str) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    words: list[str] = []
    for word in TABLES[module].split():
        if word.endswith(":"):
            words = table.setdefault(word[:-1], [])
        else:
            words.append(word)
    return table
