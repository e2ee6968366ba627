"""The metrics server among the controllers: for a cluster on one machine, which a process more would cost a tenth of
its memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from api.errors import StatusError
from client.component import USER_AGENT
from client.config import load_kubeconfig
from client.controller import Controller, Watches
from client.rest import RestClient, Unreachable
from controller_manager.metrics_server.answers import Answers
from controller_manager.metrics_server.registration import register
from controller_manager.metrics_server.server import FrontProxies, serving, tls_context
from controller_manager.metrics_server.usage import Meter

_RETRY = 5.0


class MetricsServer(Controller):
    """Reconciles nothing: it answers.  `kubeconfig` is who it asks kubelets as, `certificate` and `key` what it shows
    to the API server; `resolution`: seconds for which figures are good."""

    name = "metrics-server"

    def __init__(self, *common: Any, kubeconfig: Path, certificate: Path, key: Path, resolution: float = 10.0) -> None:
        self._kubeconfig, self._certificate, self._key = kubeconfig, certificate, key
        self._resolution = resolution
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        """Nothing is watched: who asks waits for a look."""

    async def run(self) -> None:
        config = load_kubeconfig(self._kubeconfig)
        async with RestClient(config, USER_AGENT.format(self.name), clock=self.clock) as client:
            proxies = await self._proxies(client)
            context = tls_context(self._certificate, self._key, proxies)
            answers = Answers(client, Meter(client, self.clock, self._resolution))
            async with serving(answers.answer, proxies, context, "127.0.0.1", 0) as port:
                await self._register(client, port)
                await asyncio.Event().wait()

    async def _proxies(self, client: RestClient) -> FrontProxies:
        """The API server says it a moment after it has begun to serve."""
        while True:
            try:
                return await FrontProxies.read(client)
            except (StatusError, Unreachable, LookupError):
                await self.clock.sleep(_RETRY)

    async def _register(self, client: RestClient, port: int) -> None:
        while True:
            try:
                await register(client, port)
                return
            except (StatusError, Unreachable):
                await self.clock.sleep(_RETRY)
