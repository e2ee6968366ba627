"""All controllers of a manager, killed at random writes again and again, reach what undisturbed ones reach."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from api.clock import SystemClock
from client.controller import Controller, SharedInformers
from client.events import EventRecorder
from client.rest import RestClient
from controller_manager.__main__ import parser
from controller_manager.table import CONTROLLERS, chosen
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import eventually
from tests.controllers.story import Nodes, Story
from tests.controllers.test_killed_controllers import Mortal


def options(server: RealServer, folder: Path) -> Any:
    pki = server.kubeconfig.parent / "pki"
    flags = {
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
    return parser().parse_args([f"--{name}={value}" for name, value in flags.items()])


class Life:
    """All controllers of the table at once, until `end`."""

    def __init__(self, client: RestClient, recorder: EventRecorder, flags: Any) -> None:
        clock = SystemClock()
        self.informers = SharedInformers(client, clock)
        made = [
            CONTROLLERS[name].make(flags, client, clock, self.informers, recorder)
            for name in chosen("*,bootstrapsigner,tokencleaner")
        ]
        self.controllers: list[Controller] = [each for each in made if each is not None]
        self.informers.start()
        self.tasks = [asyncio.create_task(each.run()) for each in self.controllers]

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.informers.stop()


async def outcome(folder: Path, seed: int | None, wanted: Counter[str] | None = None) -> tuple[Counter[str], int]:
    """What is left of the story, once it is as `wanted` or for good, and how many lives it took."""
    folder.mkdir()
    lives = 0
    with real_server(folder) as server:
        async with RestClient(server.config) as client:
            nodes = Nodes(client, SystemClock())
            recorder = EventRecorder(client, "controllers", nodes.clock)
            flags = options(server, folder)

            async def live_and_die() -> None:
                nonlocal lives
                chance = random.Random(seed)
                while True:
                    lives += 1
                    writes = chance.randint(1, 40) if seed is not None else 10**9
                    async with Mortal(server.config, writes, after=chance.random() < 0.5) as mortal:
                        life = Life(mortal, recorder, flags)
                        try:
                            await mortal.died.wait()
                        finally:
                            await life.end()

            living = asyncio.create_task(live_and_die())
            try:
                await nodes.nodes(3)
                story = Story(client)
                await story.tell()
                found = await story.outcome()

                async def same() -> bool:
                    nonlocal found
                    before, found = found, await story.outcome()
                    return found == (before if wanted is None else wanted)

                try:
                    await eventually(same, seconds=30)
                except AssertionError:
                    assert wanted is not None
                return found, lives
            finally:
                living.cancel()
                await asyncio.gather(living, return_exceptions=True)
                await nodes.stop()
                await recorder.close()


async def test_all_controllers_killed_at_random_points(tmp_path: Path) -> None:
    wanted, _ = await outcome(tmp_path / "calm", None)
    found, lives = await outcome(tmp_path / "stormy", 1, wanted)
    assert lives > 5
    assert {"missing": [*(wanted - found)], "unexpected": [*(found - wanted)]} == {"missing": [], "unexpected": []}
