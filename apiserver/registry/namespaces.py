"""Namespaces, and the finalizer that keeps one until everything in it is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.core_v1 import Namespace
from api.errors import FieldError, invalid_value
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.names import Complaints, dns_label, qualified
from apiserver.registry.strategy import Column, Context, Status, Strategy, Subresource

_NAME_LABEL = "kubernetes.io/metadata.name"
_STANDARD = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


@dataclass(frozen=True)
class NamespaceStatus(Status):
    """`/status` of namespaces: the phase follows from whether deletion has begun."""

    def validate_update(self, new: Namespace, old: Namespace) -> Iterable[FieldError]:
        phase = new.status.phase
        if new.metadata.deletionTimestamp is None:
            if phase != "Active":
                yield invalid_value("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
        elif phase != "Terminating":
            detail = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            yield invalid_value("status.Phase", phase, detail)


@dataclass(frozen=True)
class Finalize(Subresource):
    """`/finalize`: the only way to change spec.finalizers."""

    name: str = "finalize"
    verbs = ("update",)

    def prepare_for_update(self, new: Namespace, old: Namespace) -> None:
        new.status = old.status

    def validate_update(self, new: Namespace, old: Namespace) -> Iterable[FieldError]:
        for index, finalizer in enumerate(new.spec.finalizers):
            for complaint in _finalizer(finalizer):
                yield invalid_value(f"spec.finalizers[{index}]", finalizer, complaint)


def _label(namespace: Namespace) -> None:
    """A selector on this label finds a namespace by its name (KEP-2161), whatever clients say."""
    namespace.metadata.labels = {**namespace.metadata.labels, _NAME_LABEL: namespace.metadata.name}


def _finalizer(name: str) -> Complaints:
    complaints = qualified(name)
    if "/" not in name and name not in _STANDARD:
        complaints += ("name is neither a standard finalizer name nor is it fully qualified",)
    return complaints


class Namespaces(Strategy[Namespace]):
    resource = resource_of(Namespace)
    subresources = (NamespaceStatus(), Finalize())
    columns = (
        NAME,
        Column("Status", lambda n, now: n.status.phase, description="Active, or Terminating while it is emptied."),
        AGE,
    )

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        return dns_label(name, prefix)

    def default(self, obj: Namespace) -> None:
        # What the server makes up, with a generated name, is not the client's own.
        if not obj.metadata.generateName:
            _label(obj)

    def prepare_for_create(self, new: Namespace, context: Context) -> None:
        _label(new)
        new.status = type(new.status)(phase="Active")
        if "kubernetes" not in new.spec.finalizers:
            new.spec.finalizers = [*new.spec.finalizers, "kubernetes"]

    def prepare_for_update(self, new: Namespace, old: Namespace, context: Context) -> None:
        _label(new)
        new.spec.finalizers = list(old.spec.finalizers)
        new.status = old.status

    def validate(self, new: Namespace) -> Iterator[FieldError]:
        for finalizer in new.spec.finalizers:
            for complaint in _finalizer(finalizer):
                yield invalid_value("spec.finalizers", finalizer, complaint)

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {"status.phase": (document.get("status") or {}).get("phase", "")}

    def prepare_for_delete(self, obj: Namespace) -> None:
        obj.status.phase = "Terminating"
        obj.metadata.deletionGracePeriodSeconds = None

    def pending_finalizers(self, obj: Namespace) -> list[str]:
        return list(obj.spec.finalizers)
