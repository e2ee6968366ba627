"""The APIServices of the group versions that definitions make."""

from __future__ import annotations

import contextlib

from api.apiregistration_v1 import APIService, APIServiceSpec
from api.errors import AlreadyExists, NotFound
from api.meta_v1 import DeleteOptions, ObjectMeta
from apiserver.endpoint import API
from apiserver.handlers.create import create_object
from apiserver.handlers.delete import delete_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.write import Write
from apiserver.local_api_services import LABEL
from apiserver.request import User

_KEPT = "true"
_GROUP_PRIORITY, _VERSION_PRIORITY = 1000, 100
"""Kubernetes' own: after all that is built in, versions in the order of their names."""


class GroupVersions:
    """Makes them and takes them away again."""

    def __init__(self, api: API, user: User) -> None:
        self._api, self._user = api, user
        self._services = api.endpoint_of(APIService)

    async def bring_in_step(self) -> None:
        """One for each group version that is served, and none for those that are no longer."""
        wanted = {f"{version}.{group}": (group, version) for group, version, _ in self._api.custom}
        found = self._found()
        for name in wanted.keys() - found:
            await self._create(name, *wanted[name])
        for name in found - wanted.keys():
            with contextlib.suppress(NotFound):
                await delete_object(self._write(), name, DeleteOptions())

    def _found(self) -> set[str]:
        """Those that are there by this: what somebody else has made for a group version stays."""
        entries = self._api.cache.list(self._services.prefix)
        return {entry.name for entry in entries if entry.labels.get(LABEL) == _KEPT}

    async def _create(self, name: str, group: str, version: str) -> None:
        spec = APIServiceSpec(
            group=group, version=version, groupPriorityMinimum=_GROUP_PRIORITY, versionPriority=_VERSION_PRIORITY
        )
        with contextlib.suppress(AlreadyExists):
            service = APIService(metadata=ObjectMeta(name=name, labels={LABEL: _KEPT}), spec=spec)
            await create_object(self._write(), service)

    def _write(self) -> Write:
        return Write(self._api, self._services, self._user, WriteOptions(manager="kube-apiserver"), "", [], alone=True)
