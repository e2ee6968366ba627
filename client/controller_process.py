"""A process that runs controllers out of a table: what kube-controller-manager and cloud-controller-manager share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from api.meta_v1 import PartialObjectMetadata
from api.scheme import RESOURCES
from client.account import AccountClients
from client.component import USER_AGENT, Component
from client.controller import Controller, SharedInformers
from client.controller_metrics import ControllerMetrics
from client.events import EventRecorder

_MOMENT = 1.0
"""Seconds that the controllers start later which nobody waits for."""


class Start(Enum):
    """When a controller starts.  A cluster that starts has two processors' worth of work to do at once: what nobody
    waits for must not be in the way of a user's first Deployment."""

    URGENT = auto()
    """A user waits for its first work: its token is asked for before there is any."""
    USUAL = auto()
    LATER = auto()
    """A moment after the others, what it watches included."""


@dataclass(frozen=True)
class Entry:
    """`make(options, *common)` makes the controller, or None where the flags lack what it needs; `common` is what every
    one needs (see `Controller`).  `account` is the service account it acts as ("" for the process's own user), `source`
    who its events are from, where that is not the controller's name."""

    make: Callable[..., Controller | None]
    account: str
    aliases: tuple[str, ...] = ()
    source: str = ""
    start: Start = Start.USUAL
    default: bool = True
    """Whether "*" is meant to include it."""
    about: tuple[str, ...] = ()
    """The resources that all its work is about, as in `Resource.group_resource`: one that starts later starts with the
    first object of any of them, for before that there is nothing to do, and most clusters never have one."""


def chosen(table: Mapping[str, Entry], wanted: str) -> list[str]:
    """Names selected by a `--controllers` list: "*" is all that are on by default, "-name" takes one away; of several
    words about the same controller the first counts.

    Raises ValueError for names that do not exist.
    """
    canonical = {alias: name for name, entry in table.items() for alias in (name, *entry.aliases)}
    items = [part.strip() for part in wanted.split(",") if part.strip()]
    named = [(item.removeprefix("-"), not item.startswith("-")) for item in items if item != "*"]
    unknown = [f'"{name}" is not in the list of known controllers' for name, _ in named if name not in canonical]
    if unknown:
        raise ValueError(unknown[0] if len(unknown) == 1 else f"[{', '.join(unknown)}]")
    switches: dict[str, bool] = {}
    for name, on in named:
        switches.setdefault(canonical[name], on)
    return [name for name, entry in table.items() if switches.get(name, "*" in items and entry.default)]


async def run_controllers(
    component: Component, process: str, table: Mapping[str, Entry], queues: Mapping[str, str] | None = None
) -> None:
    """Run the controllers that `--controllers` chooses, as long as this process leads, until cancelled.  `queues` is
    what metrics call their queues.

    With `--use-service-account-credentials` each acts as its own service account, else all as the process's user.
    """
    options = component.options

    async def lead() -> None:
        informers = SharedInformers(component.client, component.clock)
        accounts = AccountClients(component.client, "kube-system", USER_AGENT.format(process), component.clock)
        controllers: list[Controller] = []
        metrics = ControllerMetrics(component.metrics, process, queues)

        def make(name: str) -> Controller | None:
            entry = table[name]
            client = component.client
            if options.use_service_account_credentials and entry.account:
                client = accounts.of(entry.account, at_once=entry.start is Start.URGENT)
            recorder = EventRecorder(client, entry.source or name, component.clock)
            controller = entry.make(options, client, component.clock, informers, recorder)
            if controller is not None:
                controllers.append(controller)
                metrics.measure(controller)
            return controller

        async def run_later(name: str) -> None:
            await component.clock.sleep(_MOMENT)
            await first_object(informers, table[name].about)
            controller = make(name)
            if controller is not None:
                informers.start()
                await controller.run()

        wanted = chosen(table, options.controllers)
        later = [name for name in wanted if table[name].start is Start.LATER]
        for name in wanted:
            if name not in later:
                make(name)
        component.readiness["informers"] = lambda: informers.have_synced
        informers.start()
        try:
            async with asyncio.TaskGroup() as group:
                for controller in controllers:
                    group.create_task(controller.run(), name=controller.name)
                for name in later:
                    group.create_task(run_later(name), name=name)
                group.create_task(_announce(component, informers))
        finally:
            await informers.stop()
            await asyncio.gather(*(controller.events.close() for controller in controllers))
            await accounts.close()

    await component.lead(lead)


async def first_object(informers: SharedInformers, resources: Collection[str]) -> None:
    """Return when there is an object of one of them; at once when none is named."""
    there = asyncio.Event()
    for resource in {each.group_resource: each for each in reversed(RESOURCES)}.values():
        if resource.group_resource in resources:
            # The garbage collector watches the metadata of everything: this is its watch.
            informer = informers.whole(resource) or informers.of(PartialObjectMetadata, resource=resource)
            informer.on_change(lambda old, new: there.set())
    if resources:
        informers.start()
        await there.wait()


async def _announce(component: Component, informers: SharedInformers) -> None:
    await informers.synced()
    component.ready()
