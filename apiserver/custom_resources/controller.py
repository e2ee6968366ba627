"""Serves what definitions define, as long as they are there, and writes down what becomes of them.

Level-triggered like any controller, but part of the server: it looks at the watch cache, puts endpoints among those
that requests are dispatched to, and writes the definitions' status.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from api.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionNames
from api.errors import NotFound, StatusError
from apiserver.custom_resources.cleanup import Cleanup
from apiserver.custom_resources.definition import Definition, has_condition, is_served, signature
from apiserver.custom_resources.endpoint import CustomEndpoint
from apiserver.custom_resources.group_versions import GroupVersions
from apiserver.custom_resources.names import accept_names, stamp
from apiserver.endpoint import API
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.request import User
from apiserver.storage.protocol import Compacted, StoreError
from apiserver.stored import StoredObject

log = logging.getLogger("apiserver")
_RETRY = 1.0
"""Seconds after which what failed is tried again."""

Change = Callable[[CustomResourceDefinition], object]


class Definitions:
    """The definitions of one server."""

    def __init__(self, api: API, user: User) -> None:
        self.api, self.user = api, user
        self.definitions = api.endpoint_of(CustomResourceDefinition)
        self._served: dict[str, tuple[bytes, Definition, int]] = {}
        """By name: what serving it depends on, how it is served, and since which revision its schema has been so."""
        self._names: dict[str, tuple[str, CustomResourceDefinitionNames]] = {}
        """The group and the names that each has."""
        self._settled: dict[str, int] = {}
        """The revision at which there was nothing left to do for one."""
        self._cleanups: dict[str, asyncio.Task[None]] = {}
        self._retries: dict[str, asyncio.Task[None]] = {}
        self._group_versions = GroupVersions(api, user)
        self._seen = 0

    # --- following the definitions ---------------------------------------------------------------

    def load(self) -> None:
        """Serve all that have been accepted, at once."""
        self._seen = self.api.cache.revision
        found = [(self.definitions.decode(entry), entry) for entry in self.api.cache.list(self.definitions.prefix)]
        for definition, entry in found:
            self.serve(definition, entry.revision)
        for definition, entry in found:
            if definition.metadata.deletionTimestamp is None and not self._accept(definition):
                self._settled[entry.name] = entry.revision

    async def run(self) -> None:
        """Look after all definitions until cancelled."""
        try:
            await self._group_versions.bring_in_step()
            while True:
                subscription = self.api.cache.watch(self.definitions.prefix, "", self._seen)
                try:
                    await self._reconcile_all(entry.name for entry in self.api.cache.list(self.definitions.prefix))
                    while not subscription.closed or subscription.pending:
                        changes = await subscription.next_batch()
                        await self._reconcile_all(change.entry.name for change in changes)
                        self._seen = max([self._seen, *(change.revision for change in changes)])
                except (Compacted, StoreError) as error:
                    log.warning("custom resource definitions are looked at anew: %s", error)
                    self._seen = self.api.cache.revision
                finally:
                    await subscription.aclose()
                await self.api.clock.sleep(_RETRY)
        finally:
            tasks = [*self._cleanups.values(), *self._retries.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _reconcile_all(self, names: Iterable[str]) -> None:
        waiting = list(dict.fromkeys(names))
        while waiting:
            name = waiting.pop(0)
            try:
                for other in await self.reconcile(name):
                    self._settled.pop(other, None)
                    waiting += [other] if other not in waiting else []
            except StatusError as error:
                log.warning("the custom resource definition %s: %s", name, error)
                self._try_again(name)

    def _try_again(self, name: str) -> None:
        """Where a write was refused, as by a webhook, no event may ever lead there again."""

        async def later() -> None:
            await self.api.clock.sleep(_RETRY)
            del self._retries[name]
            with contextlib.suppress(StoreError):  # then all are looked at anew, or the server ends
                await self._reconcile_all([name])

        if name not in self._retries:
            self._retries[name] = asyncio.create_task(later())

    async def reconcile(self, name: str) -> list[str]:
        """Bring one definition to where it should be.  Returns those that may get other names now."""
        entry = self.api.cache.get(self.definitions.key("", name))
        if entry is None:
            group, _ = self._names.pop(name, ("", None))
            self._settled.pop(name, None)
            self._withdraw(name)
            await self._group_versions.bring_in_step()
            return [other for other, (its_group, _) in self._names.items() if its_group == group]
        if self._settled.get(name) == entry.revision:
            return []
        definition = self.definitions.decode(entry)
        peers: list[str] = []
        if definition.metadata.deletionTimestamp is not None:
            self.serve(definition, entry.revision)
            self._clean_up(name)
        elif self._accept(definition):
            # Served before anybody can read that it is.
            self.serve(definition, self.api.cache.revision)
            await self.write_status(name, self._accept)
            group = definition.spec.group
            peers = [o for o, (its_group, _) in self._names.items() if its_group == group and o != name]
        else:
            self.serve(definition, entry.revision)
            self._settled[name] = entry.revision
        await self._group_versions.bring_in_step()
        return peers

    def _accept(self, definition: CustomResourceDefinition) -> bool:
        """Bring the status of its names up to date.  Returns whether it was not."""
        name, group = definition.metadata.name, definition.spec.group
        others = [names for other, (its, names) in self._names.items() if its == group and other != name]
        before = definition.status.copy_deep()
        accept_names(definition, others)
        return definition.status != before

    async def write_status(self, name: str, change: Change, *, subresource: str = "status") -> None:
        """Change the status of a definition, or with another subresource ("") the rest of it."""
        options = WriteOptions(manager="kube-apiserver")
        write = Write(self.api, self.definitions, self.user, options, "", [], subresource)

        def changed(old: CustomResourceDefinition, stored: StoredObject | None) -> CustomResourceDefinition:
            assert stored is not None
            new: CustomResourceDefinition = stored.decode()
            change(new)
            stamp(new.status, self.api.clock.now())
            return new

        with contextlib.suppress(NotFound):  # it has gone meanwhile
            await update_object(write, name, changed)

    def _clean_up(self, name: str) -> None:
        """See that the objects go, and then the definition."""
        if name not in self._cleanups:
            task = asyncio.create_task(Cleanup(self, name).run())
            self._cleanups[name] = task
            task.add_done_callback(lambda _: self._cleanups.pop(name, None))

    # --- serving ---------------------------------------------------------------------------------

    def serve(self, definition: CustomResourceDefinition, revision: int) -> None:
        """Serve a definition as it is at a revision, or no longer."""
        name, cache, custom = definition.metadata.name, self.api.cache, self.api.custom
        self._names[name] = definition.spec.group, definition.status.acceptedNames
        if not is_served(definition):
            self._withdraw(name)
            return
        needed = signature(definition)
        before = self._served.get(name)
        if before is not None and before[0] == needed:
            self._note_deletion(definition, before[1])
            return
        new = Definition(definition)
        fresh_since = revision
        if before is not None and before[1].storage.spec == new.storage.spec:
            fresh_since = before[2]
        self._retire(name)
        self._served[name] = needed, new, fresh_since
        for version in new.served:
            endpoint = CustomEndpoint(new, version, self.api, fresh_since)
            custom[new.group, version.spec.name, new.plural] = endpoint
        prefix = f"/{new.plural}.{new.group}/"
        if new.selectable or (before is not None and before[1].selectable):
            any_version = CustomEndpoint(new, new.storage, self.api, fresh_since)
            cache.register(prefix, any_version.selectable_fields if new.selectable else None)
        self._note_deletion(definition, new)
        self._changed(prefix)

    def _note_deletion(self, definition: CustomResourceDefinition, served: Definition) -> None:
        terminating = has_condition(definition, "Terminating")
        if terminating != served.terminating:
            served.terminating = terminating
            self.api.custom_changes += 1  # discovery says what can still be done

    def _withdraw(self, name: str) -> None:
        before = self._served.get(name)
        if before is not None:
            self._retire(name)
            del self._served[name]
            self._changed(f"/{before[1].plural}.{before[1].group}/")

    def _retire(self, name: str) -> None:
        before = self._served.get(name)
        if before is not None:
            for version in before[1].served:
                endpoint = self.api.custom.pop((before[1].group, version.spec.name, before[1].plural), None)
                if isinstance(endpoint, CustomEndpoint):
                    endpoint.retired = True

    def _changed(self, prefix: str) -> None:
        """Those who watch begin anew, under the new schema; discovery and schemas are made anew when asked for."""
        self.api.custom_changes += 1
        self.api.cache.end_watches(prefix)

    def definition(self, name: str) -> Definition | None:
        """How a definition is served; None when it is not."""
        found = self._served.get(name)
        return None if found is None else found[1]
