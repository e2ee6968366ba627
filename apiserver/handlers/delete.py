"""DELETE of one object: preconditions, grace periods, finalizers, propagation.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from api.errors import Conflict, FieldError, invalid, invalid_value
from api.meta_v1 import DeleteOptions, ObjectMeta, StatusDetails
from apiserver.handlers.companions import let_go
from apiserver.handlers.parameters import integer
from apiserver.handlers.update import unchanged
from apiserver.handlers.write import Write
from apiserver.request import Request
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import KeyMissing, RevisionMismatch
from apiserver.stored import StoredObject

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_POLICIES = ("Foreground", "Background", "Orphan")
_TRIES = 20


def delete_options(body_options: DeleteOptions | None, request: Request) -> DeleteOptions:
    """The options of the body, or those of the query string when there is no body.  Raises Invalid."""
    options = body_options
    if options is None:
        options = DeleteOptions()
        query = request.query
        options.gracePeriodSeconds = integer(query, "gracePeriodSeconds")
        if "propagationPolicy" in query:
            options.propagationPolicy = query["propagationPolicy"]
        if "orphanDependents" in query:
            options.orphanDependents = request.flag("orphanDependents")
        options.dryRun = request.query_list.get("dryRun", [])
    check_delete_options(options)
    return options


def check_delete_options(options: DeleteOptions) -> None:
    """Raises Invalid for options that contradict each other or that nobody knows."""
    errors = list(_problems(options))
    if errors:
        raise invalid("meta.k8s.io", "DeleteOptions", "", errors)


def _problems(options: DeleteOptions) -> Iterator[FieldError]:
    if options.propagationPolicy is not None and options.orphanDependents is not None:
        yield invalid_value(
            "propagationPolicy",
            options.propagationPolicy,
            "orphanDependents and deletionPropagation cannot be both set",
        )
    if options.propagationPolicy is not None and options.propagationPolicy not in _POLICIES:
        choices = ", ".join(f'"{policy}"' for policy in (*_POLICIES, "nil"))
        yield FieldError(
            "FieldValueNotSupported", "propagationPolicy", options.propagationPolicy, f"supported values: {choices}"
        )
    if any(value != "All" for value in options.dryRun):
        yield FieldError("FieldValueNotSupported", "dryRun", options.dryRun, 'supported values: "All"')


async def delete_object(write: Write, name: str, options: DeleteOptions) -> tuple[Entry, bool]:
    """Delete an object, or start its deletion.  Returns its last state and whether it is gone.

    An object with finalizers or a grace period stays, with a deletionTimestamp, until both are over.
    Raises NotFound, Conflict.
    """
    endpoint, strategy, api = write.endpoint, write.endpoint.strategy, write.api
    key = endpoint.key(write.namespace, name)
    is_silent = options.propagationPolicy is None and options.orphanDependents is None
    if is_silent and strategy.orphaning_warning and strategy.orphaning_warning not in write.warnings:
        write.warnings.append(strategy.orphaning_warning)
    for _ in range(_TRIES):
        current = api.cache.get(key)
        if current is None:
            raise write.missing(name)
        if endpoint.converts:
            await endpoint.prepare([current])
        stored = StoredObject(endpoint, current)
        obj = stored.decode()
        _check_preconditions(write, obj, options)
        request = write.admission_request("DELETE", None, obj, name, stored)
        request.options = options
        await write.mutate(request)
        await write.admit(request)
        _choose_finalizers(obj, options, strategy.orphans_dependents)
        grace = strategy.grace_period(obj, options)
        waits = bool(grace) or bool(obj.metadata.finalizers) or bool(strategy.pending_finalizers(obj))
        try:
            if waits:
                _stamp(obj.metadata, grace or 0, api.clock.now())
                strategy.prepare_for_delete(obj)
                document = write.document(obj, stored.managers)
                if unchanged(document, stored.document):
                    return current, False
                return await write.store_changed(document, obj, current), False
            if write.options.dry_run:
                return current, True
            if grace is not None:
                _mark_gone(obj.metadata, api.clock.now().replace(microsecond=0))
            elif obj.metadata.deletionTimestamp:
                obj.metadata.deletionGracePeriodSeconds = 0
            entry = await write.remove(write.document(obj, stored.managers), obj, current)
        except (RevisionMismatch, KeyMissing):
            continue
        await let_go(write, obj)
        return entry, True
    raise write.conflict(name)


def _mark_gone(metadata: ObjectMeta, now: datetime) -> None:
    """The last state of an object of a kind with grace periods shows that its own was over."""
    if metadata.deletionTimestamp is None:
        metadata.deletionTimestamp = now
        if metadata.generation:
            metadata.generation += 1
    metadata.deletionGracePeriodSeconds = 0


def _check_preconditions(write: Write, old: Any, options: DeleteOptions) -> None:
    wanted, metadata = options.preconditions, old.metadata
    if wanted is None:
        return
    if wanted.uid is not None and wanted.uid != metadata.uid:
        raise _unmet(
            write,
            metadata.name,
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({metadata.uid}). "
            "The object might have been deleted and then recreated",
        )
    if wanted.resourceVersion is not None and wanted.resourceVersion != metadata.resourceVersion:
        raise _unmet(
            write,
            metadata.name,
            f"the ResourceVersion in the precondition ({wanted.resourceVersion}) does not match the ResourceVersion "
            f"in record ({metadata.resourceVersion}). The object might have been modified",
        )


def _unmet(write: Write, name: str, why: str) -> Conflict:
    resource = write.endpoint.resource
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return Conflict(
        f'Operation cannot be fulfilled on {qualified} "{name}": {why}',
        StatusDetails(name=name, group=resource.group, kind=resource.kind),
    )


def _choose_finalizers(obj: Any, options: DeleteOptions, orphans: bool) -> None:
    """Add or drop the two finalizers that tell the garbage collector what to do with the dependents.

    `orphans`: whether objects of this kind leave them alive unless something else is said.
    """
    policy = options.propagationPolicy
    if options.orphanDependents is not None:
        policy = "Orphan" if options.orphanDependents else "Background"
    if policy is None:
        if orphans and FOREGROUND not in obj.metadata.finalizers and ORPHAN not in obj.metadata.finalizers:
            obj.metadata.finalizers.append(ORPHAN)
        return
    kept = [f for f in obj.metadata.finalizers if f not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        kept.append(FOREGROUND)
    elif policy == "Orphan":
        kept.append(ORPHAN)
    obj.metadata.finalizers = kept


def _stamp(metadata: ObjectMeta, grace: int, now: datetime) -> None:
    """Say when the object is to go; a moment that is set already can only come nearer."""
    now = now.replace(microsecond=0)
    if metadata.deletionTimestamp is None:
        metadata.deletionTimestamp = now + timedelta(seconds=grace)
        metadata.deletionGracePeriodSeconds = grace
        if metadata.generation:
            metadata.generation += 1
    elif metadata.deletionGracePeriodSeconds and grace < metadata.deletionGracePeriodSeconds:
        asked = metadata.deletionTimestamp - timedelta(seconds=metadata.deletionGracePeriodSeconds)
        metadata.deletionTimestamp = max(asked + timedelta(seconds=grace), now)
        metadata.deletionGracePeriodSeconds = grace
