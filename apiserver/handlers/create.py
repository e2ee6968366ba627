"""POST of an object to a collection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.errors import AlreadyExists, BadRequest, invalid, required
from api.meta_v1 import StatusDetails
from apiserver.handlers.companions import Allocated, unless_refused
from apiserver.handlers.write import Write, check_names
from apiserver.patience import done
from apiserver.registry import object_meta
from apiserver.storage.entry import Entry

_TRIES = 8


async def create_object(write: Write, new: Any, again: Callable[[], Any] | None = None) -> Entry:
    """Create `new`, an object fresh from a client.  The write's warnings gain the strategy's.

    A generated name that is taken is drawn again, up to eight times (KEP-4420), where `again` reads the object anew.
    Raises BadRequest, Invalid, Forbidden, AlreadyExists.
    """
    endpoint = write.endpoint
    check_names(new, write.namespace, "", endpoint.namespaced)
    metadata = new.metadata
    given_name = metadata.name = metadata.name or (
        "" if metadata.generateName else endpoint.strategy.name_of_nameless()
    )
    if not given_name and not metadata.generateName:
        resource = endpoint.resource
        problem = required("metadata.name", "name or generateName is required")
        raise invalid(resource.group, resource.kind, "", [problem])
    prefix = metadata.generateName
    for attempt in range(_TRIES):
        if not given_name:
            if attempt:
                assert again is not None
                new = again()
                check_names(new, write.namespace, "", endpoint.namespaced)
            new.metadata.name = object_meta.generate_name(prefix)
        try:
            return await _create_once(write, new, nameless=not given_name)
        except AlreadyExists as error:
            if given_name or again is None:
                raise
            last = error
    resource = endpoint.resource
    raise AlreadyExists(
        f"{last.message}, the server was not able to generate a unique name for the object",
        StatusDetails(name=prefix, group=resource.group, kind=resource.plural),
    )


async def _create_once(write: Write, new: Any, *, nameless: bool) -> Entry:
    endpoint, strategy, api = write.endpoint, write.endpoint.strategy, write.api
    metadata = new.metadata
    context = write.context()
    new.kind = new.apiVersion = ""
    metadata.uid = api.new_uid()
    metadata.creationTimestamp = api.clock.now().replace(microsecond=0)
    metadata.deletionTimestamp = metadata.deletionGracePeriodSeconds = None
    metadata.selfLink = ""
    metadata.generation = 0
    doubled = object_meta.deduplicate_owners(metadata)
    if doubled:
        write.warnings.append(doubled)
    strategy.default(new)
    managers = write.managers(new, None)
    request = write.admission_request("CREATE", new, None, metadata.name, context=context)
    request.managers, request.nameless = managers, nameless
    if await write.mutate(request):
        check_names(new, write.namespace, "", endpoint.namespaced)
    metadata, managers = new.metadata, request.managers
    strategy.authorize(new, None, context)
    strategy.prepare_for_create(new, context)
    finish = strategy.begin_create(new, context)
    with unless_refused(finish):
        known = strategy.known_finalizers
        errors = list(
            object_meta.validate_create(metadata, endpoint.namespaced, strategy.validate_name, known_finalizers=known)
        )
        broken, warnings = await done(lambda: strategy.judge(new, write.new.spec))
        errors += [*write.manager_problems(managers), *broken]
        write.refuse(metadata.name, errors)
        await write.admit(request)
    write.warnings += warnings
    strategy.canonicalize(new)
    async with Allocated(write, new, None, finish):
        document = write.document(new, managers)
        if metadata.resourceVersion and not write.options.dry_run:
            _check_version(metadata.resourceVersion)
            document["metadata"].pop("resourceVersion", None)
        return await write.store_new(document, new)


def _check_version(version: str) -> None:
    """Raises BadRequest for a version of another object, where Kubernetes answers 500.  What is no version, or none of
    any object, goes unheeded."""
    if version.isascii() and version.isdigit() and version.strip("0"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
