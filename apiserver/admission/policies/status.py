"""Keeps the status of ValidatingAdmissionPolicies: what a check of the types in their expressions finds.

In Kubernetes a controller of kube-controller-manager does this, with all of the API server's CEL in it.  Here the API
server does (`--check-policy-types`), which has the types and the compiler.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from api.admissionregistration_v1 import TypeChecking, ValidatingAdmissionPolicy
from api.errors import NotFound, StatusError
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


class PolicyStatus:
    def __init__(self, api: API, user: User) -> None:
        self._api, self._user = api, user
        self._policies = api.endpoint_of(ValidatingAdmissionPolicy)

    async def run(self) -> None:
        """Until cancelled."""
        cache = self._api.cache
        while True:
            subscription = cache.watch(self._policies.prefix, "", cache.revision)
            try:
                await self._look_at(entry.name for entry in cache.list(self._policies.prefix))
                while not subscription.closed or subscription.pending:
                    await self._look_at(change.entry.name for change in await subscription.next_batch())
            except (Compacted, StoreError) as error:
                log.warning("admission policies are looked at anew: %s", error)
            finally:
                await subscription.aclose()
            await self._api.clock.sleep(_RETRY)

    async def _look_at(self, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            entry = self._policies.cache.get(self._policies.key("", name))
            if entry is None:
                continue
            policy = self._policies.decode(entry)
            if policy.metadata.generation > policy.status.observedGeneration:
                try:
                    await self._write(policy)
                except StatusError as error:
                    log.warning("the status of the policy %s: %s", name, error)

    async def _write(self, policy: ValidatingAdmissionPolicy) -> None:
        from apiserver.admission.policies.type_checking import expression_warnings

        found = await asyncio.to_thread(expression_warnings, policy, self._api)  # many expressions, for many kinds
        checking = TypeChecking(expressionWarnings=found)
        options = WriteOptions(manager="validatingadmissionpolicy-status")
        write = Write(self._api, self._policies, self._user, options, "", [], "status")

        def changed(old: ValidatingAdmissionPolicy, stored: StoredObject | None) -> ValidatingAdmissionPolicy:
            assert stored is not None
            new: ValidatingAdmissionPolicy = stored.decode()
            if new.metadata.uid != policy.metadata.uid:
                return new  # another of that name, which is looked at for itself
            new.status.observedGeneration, new.status.typeChecking = policy.metadata.generation, checking
            return new

        with contextlib.suppress(NotFound):  # it has gone meanwhile
            await update_object(write, policy.metadata.name, changed)
