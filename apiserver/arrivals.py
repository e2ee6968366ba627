"""Built-in objects that come a moment after the server serves, unless somebody asks for them before.

A cluster that starts has one processor's worth of work for its API server; what nobody waits for must not be in the
way.  Whoever asks for one of these objects finds it all the same: the question makes them come, and waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from api.scheme import everyday_resources
from apiserver.request import RequestInfo

if TYPE_CHECKING:
    from apiserver.endpoint import API

_MOMENT = 1.0
"""Seconds they are left for later."""
_BREATH = 0.005
"""Seconds between two kinds."""
_RESOURCES = frozenset(
    {
        ("apiregistration.k8s.io", "apiservices"),
        ("flowcontrol.apiserver.k8s.io", "flowschemas"),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
        ("networking.k8s.io", "ipaddresses"),
        ("networking.k8s.io", "servicecidrs"),
        ("scheduling.k8s.io", "priorityclasses"),
    }
)
_CONFIG_MAP = "extension-apiserver-authentication"  # servers of aggregated APIs do not start without it


class Arrivals:
    """`create` makes the objects, once."""

    def __init__(self) -> None:
        self.pending = True
        self._wanted = asyncio.Event()
        self._here = asyncio.Event()

    async def bring(self, create: Callable[[], Awaitable[None]]) -> None:
        """Make them when the moment is over, or when they are asked for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT):
                await self._wanted.wait()
        try:
            await create()
        finally:
            self.pending = False
            self._here.set()

    async def awaited(self, info: RequestInfo) -> None:
        """Return when there is nothing that a request would miss."""
        wanted = (info.group, info.resource) in _RESOURCES or info.name == _CONFIG_MAP
        if self.pending and wanted:
            self._wanted.set()
            await self._here.wait()


async def load_everyday(api: API) -> None:
    """Load the kinds that a cluster's components work with, behind their first requests and not during them."""
    for resource in everyday_resources():
        api.endpoints[resource.group, resource.group_version.version, resource.plural].load()
        await asyncio.sleep(_BREATH)  # a request takes several turns of the loop: not each behind another kind
