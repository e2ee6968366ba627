"""All controllers of a manager, killed at random writes again and again, reach what undisturbed ones reach with the
rights of their own accounts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from api.clock import SystemClock
from client.controller import Controller, SharedInformers
from client.events import EventRecorder
from client.rest import RestClient
from controller_manager.__main__ import parser
from controller_manager.table import CONTROLLERS, chosen
from tests.client.component_process import ComponentProcess
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import eventually
from tests.controllers.story import Nodes, Story
from tests.controllers.test_killed_controllers import Brief

CONTROLLED = "*,bootstrapsigner,tokencleaner"
QUIET, LOOK = 5.0, 0.25
"""Seconds without a change after which no more is expected, on a machine that is busy too, and those that one look
counts for at most: while the machine stands still, so do the controllers."""


def flags(server: RealServer, folder: Path) -> list[str]:
    pki = server.kubeconfig.parent / "pki"
    given = {
        "service-account-private-key-file": pki / "sa.key",
        "root-ca-file": pki / "ca.crt",
        "cluster-signing-cert-file": pki / "ca.crt",
        "cluster-signing-key-file": pki / "ca.key",
        "allocate-node-cidrs": "true",
        "cluster-cidr": "10.200.0.0/16",
        "enable-hostpath-provisioner": "true",
        "hostpath-provisioner-root": folder / "volumes",
        "pod-gc-quarantine": "0s",
        "pod-gc-period": "1s",
        "node-monitor-grace-period": "1h",
        "node-startup-grace-period": "1h",
        "horizontal-pod-autoscaler-sync-period": "1s",
    }
    return [f"--{name}={value}" for name, value in given.items()]


class Life:
    """All controllers of the table at once, until `end`."""

    def __init__(self, client: RestClient, recorder: EventRecorder, options: Any) -> None:
        clock = SystemClock()
        self.informers = SharedInformers(client, clock)
        made = [CONTROLLERS[name].make(options, client, clock, self.informers, recorder) for name in chosen(CONTROLLED)]
        self.controllers: list[Controller] = [each for each in made if each is not None]
        self.informers.start()
        self.tasks = [asyncio.create_task(each.run()) for each in self.controllers]

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.informers.stop()


@asynccontextmanager
async def story(folder: Path) -> AsyncIterator[tuple[RealServer, Story]]:
    """A server with nodes, and what is to be told there."""
    folder.mkdir()
    with real_server(folder) as server:
        async with RestClient(server.config) as client:
            nodes = Nodes(client, SystemClock())
            try:
                await nodes.nodes(3)
                yield server, Story(client)
            finally:
                await nodes.stop()


async def undisturbed(folder: Path) -> Counter[str]:
    """What is left of the story, told to a process of controllers that each act as their own account."""
    log = folder.parent / "manager.log"
    async with story(folder) as (server, told):
        how = ("--leader-elect=false", "--use-service-account-credentials", f"--controllers={CONTROLLED}")
        with ComponentProcess("controller_manager", server.kubeconfig, log, *how, *flags(server, folder)):
            await told.tell()
            loop = asyncio.get_running_loop()
            found, looked, quiet = await told.outcome(), loop.time(), 0.0

            async def settled() -> bool:
                nonlocal found, looked, quiet
                now = await told.outcome()
                quiet = quiet + min(loop.time() - looked, LOOK) if now == found else 0.0
                found, looked = now, loop.time()
                return quiet > QUIET

            await eventually(settled, seconds=240)
    assert [line for line in log.read_text().splitlines() if "forbidden" in line.lower()] == []
    return found


async def disturbed(folder: Path, seed: int, wanted: Counter[str]) -> tuple[Counter[str], int]:
    """What is left of it with controllers that live for a few writes each, once it is as `wanted` or for good; and how
    many lives it took."""
    lives, chance = 0, random.Random(seed)
    async with story(folder) as (server, told):
        recorder = EventRecorder(told.client, "controllers", SystemClock())
        options = parser().parse_args(flags(server, folder))

        async def live_and_die() -> None:
            nonlocal lives
            while True:
                lives += 1
                async with Brief(server.config, chance.randint(1, 40), after=chance.random() < 0.5) as mortal:
                    life = Life(mortal, recorder, options)
                    try:
                        await mortal.died.wait()
                    finally:
                        await life.end()

        living = asyncio.create_task(live_and_die())
        try:
            await told.tell()
            found: Counter[str] = Counter()

            async def same() -> bool:
                nonlocal found
                found = await told.outcome()
                return found == wanted

            with suppress(AssertionError):  # the test says what differs
                await eventually(same, seconds=240)
            return found, lives
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
            await recorder.close()


async def test_all_controllers_killed_at_random_points(tmp_path: Path) -> None:
    wanted = await undisturbed(tmp_path / "calm")
    found, lives = await disturbed(tmp_path / "stormy", 1, wanted)
    assert lives > 5
    missing, unexpected = "\n".join(wanted - found), "\n".join(found - wanted)
    assert missing == unexpected == "", f"missing:\n{missing}\nunexpected:\n{unexpected}"
