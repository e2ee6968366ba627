"""Finding what labels select, and who selects by them, without looking at everything in the namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from api.core_v1 import Service
from api.model import Model
from client.store import Store
from controller_manager.selectors import selects_all_of

M = TypeVar("M", bound=Model)
LABELS, SELECTOR = "labels", "selector"


def by_labels(obj: Any) -> list[str]:
    """An index function: each of the object's labels, within its namespace."""
    meta = obj.metadata
    return [_entry(meta.namespace, *label) for label in meta.labels.items()]


def by_selector(service: Service) -> tuple[str, ...]:
    """An index function: one of the labels that the pods of a Service must carry; nothing if it selects none."""
    selector = service.spec.selector
    return (_entry(service.metadata.namespace, *min(selector.items())),) if selector else ()


def carrying(store: Store[M], namespace: str, labels: Mapping[str, str]) -> list[M]:
    """The namespace's objects with all these labels (none: no objects), out of a store with the index `LABELS`.

    Takes time in the number of those that carry the rarest of the labels.
    """
    if not labels:
        return []
    entries = (_entry(namespace, *label) for label in labels.items())
    rarest = min(entries, key=lambda entry: store.count(LABELS, entry))
    return [obj for obj in store.by_index(LABELS, rarest) if selects_all_of(labels, obj.metadata.labels)]  # type: ignore[attr-defined]


def selecting(services: Store[Service], namespace: str, labels: Mapping[str, str]) -> Iterator[Service]:
    """The namespace's Services that select these labels, out of a store with the index `SELECTOR`."""
    for label in labels.items():
        for service in services.by_index(SELECTOR, _entry(namespace, *label)):
            if selects_all_of(service.spec.selector, labels):
                yield service


def _entry(namespace: str, key: str, value: str) -> str:
    return f"{namespace}/{key}={value}"
