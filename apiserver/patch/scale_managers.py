"""Who owns the replica count of an object, as its Scale shows it, and back.

A Scale has no managedFields of its own: they are made of the object's for the time of a write.
https://kubernetes.io/docs/reference/using-api/server-side-apply/ and KEP-555.
"""

from __future__ import annotations

from typing import Any, Final

from apiserver.patch.field_set import FieldSet, difference, intersection
from apiserver.patch.managed_fields import Entry, Managers, decode, encode
from apiserver.patch.typed import Object

SCALE_VERSION: Final = "autoscaling/v1"
_REPLICAS: Final[FieldSet] = {"f:spec": {"f:replicas": {}}}


def scale_managers(entries: list[Object], replicas: str) -> list[Object]:
    """The entries of an object that own the path `replicas` ("spec.replicas"), as a Scale would have them."""
    path = _path(replicas)
    owners = {key: entry for key, entry in decode(entries).items() if intersection(entry.fields, path)}
    return encode({key: Entry(SCALE_VERSION, _REPLICAS, entry.time) for key, entry in owners.items()})


def object_managers(entries: list[Object], scaled: list[Object], replicas: str, api_version: str) -> list[Object]:
    """The entries of an object after those of its Scale have become `scaled`.

    Whoever owns the count now and did not before has no time, as in Kubernetes.
    """
    path = _path(replicas)
    owners = {key: entry for key, entry in decode(scaled).items() if intersection(entry.fields, _REPLICAS)}
    managers: Managers = {}
    for key, entry in decode(entries).items():
        if not intersection(entry.fields, path):
            managers[key] = entry
        elif key in owners:
            del owners[key]
            managers[key] = entry
        elif rest := difference(entry.fields, path):
            managers[key] = entry.owning(rest)
    for key in owners:
        managers[key] = Entry(api_version, path)
    return encode(managers)


def _path(dotted: str) -> FieldSet:
    fields: Any = {}
    for step in reversed(dotted.split(".")):
        fields = {f"f:{step}": fields}
    return dict(fields)
