"""The end of a definition: its objects go first.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#delete-a-customresourcedefinition
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.apiextensions_v1 import CustomResourceDefinition
from api.errors import NotFound, StatusError
from api.meta_v1 import DeleteOptions
from apiserver.custom_resources.definition import Definition, has_condition
from apiserver.custom_resources.endpoint import CustomEndpoint
from apiserver.custom_resources.names import set_condition
from apiserver.handlers.delete import delete_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.write import Write
from apiserver.registry.custom_resource_definitions import CLEANUP
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import StoreError

if TYPE_CHECKING:
    from apiserver.custom_resources.controller import Definitions

log = logging.getLogger("apiserver")
_PATIENCE = 60.0
"""Seconds after which the definition says that objects are still there."""
_RETRY = 5.0


class Cleanup:
    """Deletes all that one definition defines, waits until it is gone, and lets the definition go."""

    def __init__(self, definitions: Definitions, name: str) -> None:
        self._definitions, self._name = definitions, name
        self._api = definitions.api

    async def run(self) -> None:
        """Return when the definition may go, or has gone."""
        while True:
            try:
                await self._run_once()
                return
            except StoreError:
                return  # the server ends
            except StatusError as error:
                log.warning("the objects of %s could not be deleted: %s", self._name, error)
                with contextlib.suppress(StatusError):  # whoever refuses what is written here refuses this, too
                    await self._say(True, "InstanceDeletionFailed", f"could not list instances: {error}")
                await self._api.clock.sleep(_RETRY)

    async def _run_once(self) -> None:
        entry = self._api.cache.get(self._definitions.definitions.key("", self._name))
        if entry is None:
            return
        definition = self._definitions.definitions.decode(entry)
        if CLEANUP not in definition.metadata.finalizers:
            return
        await self._say(True, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
        if (entry := self._api.cache.get(entry.key)) is not None:
            self._definitions.serve(self._definitions.definitions.decode(entry), entry.revision)  # no new ones, then
        if has_condition(definition, "Established"):
            await self._delete_objects(Definition(definition))
            await self._say(False, "InstanceDeletionCompleted", "removed all instances")
        else:
            await self._say(False, "NeverEstablished", "resource was never established")
        await self._definitions.write_status(self._name, _release, subresource="")

    async def _delete_objects(self, definition: Definition) -> None:
        cache = self._api.cache
        endpoint = CustomEndpoint(definition, definition.storage, self._api, cache.revision)
        while cache.count(endpoint.prefix):
            if cache.failure is not None:
                raise cache.failure
            subscription = cache.watch(endpoint.prefix, "", cache.revision)
            try:
                await self._delete(endpoint, cache.list(endpoint.prefix))
                while cache.count(endpoint.prefix) and not subscription.closed:  # else watchers are to begin anew
                    try:
                        async with asyncio.timeout(_PATIENCE):
                            changes = await subscription.next_batch()
                    except TimeoutError:
                        why = "could not confirm zero CustomResources remaining: timed out waiting for the condition"
                        await self._say(True, "InstanceDeletionCheck", why)
                        continue
                    # Some are made by requests that were let in before the kind began to go.
                    await self._delete(endpoint, [change.entry for change in changes if change.type == "ADDED"])
            finally:
                await subscription.aclose()

    async def _delete(self, endpoint: CustomEndpoint, entries: Sequence[Entry]) -> None:
        for entry in entries:
            # No webhook or policy keeps them, as in Kubernetes: the kind is going.
            user = self._definitions.user
            write = Write(self._api, endpoint, user, WriteOptions(), entry.namespace, [], alone=True)
            with contextlib.suppress(NotFound):
                await delete_object(write, entry.name, DeleteOptions())

    async def _say(self, holds: bool, reason: str, message: str) -> None:
        def change(definition: CustomResourceDefinition) -> None:
            set_condition(definition.status, "Terminating", holds, reason, message)

        await self._definitions.write_status(self._name, change)


def _release(definition: CustomResourceDefinition) -> None:
    definition.metadata.finalizers = [name for name in definition.metadata.finalizers if name != CLEANUP]
