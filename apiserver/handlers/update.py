"""PUT of an object, and the read-change-write loop that patches share with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.errors import AlreadyExists, invalid, invalid_value
from apiserver.handlers.companions import Allocated, let_go, unless_refused
from apiserver.handlers.create import create_object
from apiserver.handlers.write import Write, check_names
from apiserver.patience import done
from apiserver.registry import object_meta
from apiserver.registry.strategy import Scale, Subresource
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import RevisionMismatch
from apiserver.stored import StoredObject

_TRIES = 20

Transform = Callable[[Any, StoredObject | None], Any]
"""Makes the new object from the old one (which it must not change), None when there is none.  The new one has
managedFields only where the client says something of them."""


async def update_object(
    write: Write, name: str, transform: Transform, *, create: bool = False, uid_is_condition: bool = True
) -> tuple[Entry, bool]:
    """Replace the object called `name` by what `transform` makes of it.  Returns it and whether it is new.

    When another write comes in between, the loop starts over from the newer object, unless the new object
    names the resourceVersion it was made from: then Conflict is raised.  A result equal to what is stored
    is not written.  With `create` an object that does not exist is created.  A uid in the new object is a
    condition, as in a PUT, or (in a patch) a change, which is refused as one.
    """
    endpoint, api = write.endpoint, write.api
    key = endpoint.key(write.namespace, name)
    for _ in range(_TRIES):
        current = api.cache.get(key)
        if current is None:
            if not create:
                raise write.missing(name)
            write.may_create(name)
            new = transform(None, None)
            check_names(new, write.namespace, name, endpoint.namespaced)
            new.metadata.name = name
            new.metadata.resourceVersion = ""
            try:
                return await create_object(write, new), True
            except AlreadyExists:
                continue  # somebody else has created it meanwhile: it is to be updated
        if endpoint.converts:
            await endpoint.prepare([current])
        stored = StoredObject(endpoint, current)
        old = stored.typed
        new = transform(old, stored)
        _check_identity(write, name, new, old, uid_is_condition)
        try:
            return await _update_once(write, new, old, stored), False
        except RevisionMismatch:
            continue  # an object that names the version it was made from is refused at the next look
    raise write.conflict(name)


def _check_identity(write: Write, name: str, new: Any, old: Any, uid_is_condition: bool) -> None:
    """Compare what the new object says of itself with the stored one.  Raises Conflict, Invalid, BadRequest."""
    check_names(new, write.namespace, name, write.endpoint.namespaced)
    metadata, resource = new.metadata, write.endpoint.resource
    if not metadata.name:
        metadata.name = name
    if uid_is_condition and metadata.uid and metadata.uid != old.metadata.uid:
        why = f"Precondition failed: UID in precondition: {metadata.uid}, UID in object meta: {old.metadata.uid}"
        raise write.conflict(name, why)
    if metadata.resourceVersion and metadata.resourceVersion != "0":
        if metadata.resourceVersion != old.metadata.resourceVersion:
            if not metadata.resourceVersion.isdigit():
                problem = invalid_value(
                    "metadata.resourceVersion",
                    metadata.resourceVersion,
                    f'strconv.ParseUint: parsing "{metadata.resourceVersion}": invalid syntax',
                )
                raise invalid(resource.group, resource.kind, name, [problem])
            raise write.conflict(name)
    elif not write.endpoint.strategy.unconditional_update:
        problem = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.group, resource.plural, name, [problem])


async def _update_once(write: Write, new: Any, old: Any, stored: StoredObject) -> Entry:
    endpoint, strategy, api, current = write.endpoint, write.endpoint.strategy, write.api, stored.entry
    context = write.context()
    if write.target is None:
        strategy.authorize(new, old, context)
    doubled = object_meta.deduplicate_owners(new.metadata)
    if doubled:
        write.warnings.append(doubled)
    _keep_system_fields(new, old)
    strategy.default_changed(new, old)
    write.put_back(stored, new)
    part = write.target

    def prepare() -> None:
        if isinstance(part, Subresource):
            part.prepare_for_update(new, old)
            part.stamp(new, old, context.now.replace(microsecond=0))
        else:
            strategy.prepare_for_update(new, old, context)

    prepares_first = write.unowned is None
    if prepares_first:
        prepare()
    managers = write.managers(new, stored)
    request = write.admission_request("UPDATE", new, old, current.name, stored, context)
    request.managers = managers
    changed = await write.mutate(request)
    managers = request.managers
    if changed or not prepares_first:
        prepare()
    finish = strategy.begin_update(new, old, context) if part is None or isinstance(part, Scale) else None
    with unless_refused(finish):
        again = strategy.validate_name if part is None and strategy.revalidates_metadata else None
        known = strategy.known_finalizers
        errors = list(
            object_meta.validate_update(new.metadata, old.metadata, endpoint.namespaced, again, known_finalizers=known)
        )
        errors += write.manager_problems(managers)
        if isinstance(part, Subresource):
            errors += await done(lambda: list(part.validate_update(new, old)))
        else:
            errors += await done(lambda: list(strategy.validate_changed(new, old)))
        write.refuse(current.name, errors)
        await write.admit(request)
    write.warnings += strategy.warnings(new, old)
    async with Allocated(write, new, old, finish):
        document = write.document(new, managers, stored)
        if ready_to_go(new, strategy.pending_finalizers(new)):
            return await _remove(write, document, new, current)
        same = unchanged(document, stored.document) and endpoint.spelled_alike(new, old)
        if same and not await api.cache.is_stale(current.key):
            return current
        return await write.store_changed(document, new, current)


def unchanged(after: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether storing the new state would change nothing, not counting when a manager last wrote."""
    if after.keys() != before.keys():
        return False
    if any(after[name] != value for name, value in before.items() if name != "metadata"):
        return False
    return _without_times(after["metadata"]) == _without_times(before["metadata"])


def _without_times(metadata: dict[str, Any]) -> dict[str, Any]:
    metadata = dict(metadata)
    metadata.pop("resourceVersion", None)
    if "managedFields" in metadata:
        metadata["managedFields"] = [
            {k: v for k, v in manager.items() if k != "time"} for manager in metadata["managedFields"]
        ]
    return metadata


def ready_to_go(obj: Any, pending: list[str]) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    metadata = obj.metadata
    return bool(
        metadata.deletionTimestamp is not None
        and not metadata.deletionGracePeriodSeconds
        and not metadata.finalizers
        and not pending
    )


async def _remove(write: Write, document: dict[str, Any], new: Any, current: Entry) -> Entry:
    """The last finalizer is gone: this update is the object's end."""
    if write.options.dry_run:
        return await write.store_changed(document, new, current)
    entry = await write.remove(document, new, current)
    await write.endpoint.prepare([entry])
    await let_go(write, write.endpoint.decode(entry))
    return entry


def _keep_system_fields(new: Any, old: Any) -> None:
    """What only the server sets is taken from the stored object."""
    after, before = new.metadata, old.metadata
    new.kind = new.apiVersion = ""
    after.uid = after.uid or before.uid
    after.selfLink = ""
    after.creationTimestamp = before.creationTimestamp
    after.deletionTimestamp = before.deletionTimestamp or after.deletionTimestamp
    if after.deletionGracePeriodSeconds is None:
        after.deletionGracePeriodSeconds = before.deletionGracePeriodSeconds
    after.generation = before.generation
    after.resourceVersion = before.resourceVersion
