"""Who owns what: adopting orphans that match, releasing what no longer does.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#non-template-pod-acquisitions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from api.errors import Invalid, NotFound
from api.meta_v1 import LabelSelector
from api.model import Model
from client.controller import controller_of
from client.rest import HasMetadata, RestClient
from client.store import Store
from controller_manager.pod_template import controller_reference
from controller_manager.selectors import is_empty, matches

M = TypeVar("M", bound=Model)
OWNER = "controller uid"


def by_controller(obj: Any) -> tuple[str, ...]:
    """An index function: the UID of an object's controller, or "namespace/" plus its namespace for an orphan."""
    reference = controller_of(obj.metadata)
    return (reference.uid,) if reference is not None else (orphans_of(obj.metadata.namespace),)


def orphans_of(namespace: str) -> str:
    """The index value of a namespace's objects that nobody controls."""
    return f"namespace/{namespace}"


async def claim(
    client: RestClient,
    owner: Model,
    selector: LabelSelector | None,
    store: Store[M],
    adoptable: Callable[[M], bool] = lambda obj: True,
    finalizer: str = "",
) -> list[M]:
    """The objects in `store` that `owner` controls, after adopting and releasing.

    `store` needs the index `OWNER` made by `by_controller`.  Adoption is refused to an owner that is being
    deleted, which is asked of the server and not of the local copy.  What is adopted gets `finalizer`, if one is
    given, and what is released loses it.
    """
    meta = cast(HasMetadata, owner).metadata
    mine = []
    for obj in store.by_index(OWNER, meta.uid):
        its = cast(HasMetadata, obj).metadata
        if its.namespace != meta.namespace:
            continue
        if matches(selector, its.labels):
            mine.append(obj)
        elif meta.deletionTimestamp is None:
            await _release(client, obj, meta.uid, finalizer)
    if meta.deletionTimestamp is not None or is_empty(selector):
        return mine
    candidates = [
        obj
        for obj in store.by_index(OWNER, orphans_of(meta.namespace))
        if matches(selector, cast(HasMetadata, obj).metadata.labels)
        and cast(HasMetadata, obj).metadata.deletionTimestamp is None
        and adoptable(obj)
    ]
    if candidates and await _may_adopt(client, owner):
        mine += [adopted for obj in candidates if (adopted := await _adopt(client, obj, owner, finalizer))]
    return mine


async def _may_adopt(client: RestClient, owner: Model) -> bool:
    meta = cast(HasMetadata, owner).metadata
    try:
        live = cast(HasMetadata, await client.get(type(owner), meta.name, meta.namespace)).metadata
    except NotFound:
        return False
    return live.uid == meta.uid and live.deletionTimestamp is None


async def _adopt(client: RestClient, obj: M, owner: Model, finalizer: str) -> M | None:
    meta = cast(HasMetadata, obj).metadata
    references = [*meta.ownerReferences, controller_reference(owner)]
    added = [finalizer] if finalizer and finalizer not in meta.finalizers else []
    try:
        return await _write_ownership(client, obj, references, [*meta.finalizers, *added])
    except NotFound:
        return None


async def _release(client: RestClient, obj: Model, uid: str, finalizer: str) -> None:
    meta = cast(HasMetadata, obj).metadata
    references = [reference for reference in meta.ownerReferences if reference.uid != uid]
    try:
        await _write_ownership(client, obj, references, [each for each in meta.finalizers if each != finalizer])
    except (NotFound, Invalid):
        return  # gone, or replaced by another of the same name: nothing of ours


async def _write_ownership(client: RestClient, obj: M, references: Iterable[Model], finalizers: list[str]) -> M:
    """Replace the list of owners (and of finalizers, where that changes), unless the object changed since we saw it
    (Conflict)."""
    meta = cast(HasMetadata, obj).metadata
    changed: dict[str, Any] = {"ownerReferences": [reference.to_dict() for reference in references]}
    if finalizers != meta.finalizers:
        changed["finalizers"] = finalizers
    body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, **changed}}
    return await client.patch(type(obj), meta.name, meta.namespace, body)
