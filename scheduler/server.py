"""The scheduler put together: informers in, bindings out."""

from __future__ import annotations

import argparse
import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from api.apps_v1 import ReplicaSet, StatefulSet
from api.core_v1 import Namespace, Node, Pod, ReplicationController, Service
from api.duration import parse_duration
from api.model import Model
from api.scheme import resource_of
from client.component import Component
from client.informer import Informer
from client.pod_decoding import PodDecoder
from client.store import Store
from scheduler.algorithm import Algorithm
from scheduler.api_writer import ApiWriter
from scheduler.budgets import Budgets
from scheduler.cache import Cache
from scheduler.devices.inventory import Inventory
from scheduler.handle import Handle
from scheduler.metrics import SchedulerMetrics
from scheduler.nominations import Nominations
from scheduler.plugins import Factory, default_plugins
from scheduler.pod_info import PodInfo
from scheduler.queue import SchedulingQueue
from scheduler.runtime import Framework, Weighted
from scheduler.scheduler import Scheduler
from scheduler.shared_specs import SharedSpecs
from scheduler.storage import Storage
from scheduler.watching import Watching
from scheduler.workloads import KnownWorkloads, Owner

if TYPE_CHECKING:  # read only where there is a file
    from scheduler.configuration import Configuration
    from scheduler.extender import Extender

_PATIENCE = 10.0
"""Seconds until a watch that was opened on demand has to know what there is."""
_UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"


async def work(component: Component) -> None:
    """Run until cancelled; leads first if leader election is on."""
    await component.lead(lambda: serve(component))


async def serve(component: Component) -> None:
    async with asyncio.TaskGroup() as group:
        server = Server(component, group)
        try:
            await server.run()
        finally:
            await server.close()


def _resources(pods: Store[Pod]) -> str:
    from scheduler.resource_metrics import render

    return render(pods)


class Watches:
    """Informers that run in a task group until `close`."""

    def __init__(self, component: Component, group: asyncio.TaskGroup) -> None:
        self._component, self._group = component, group
        self._informers: list[Informer[Any]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, model: type[Model], callback: Callable[[Any, Any], None], **options: Any) -> Store[Any]:
        informer: Informer[Any] = Informer(self._component.client, model, clock=self._component.clock, **options)
        informer.on_change(callback)
        self._informers.append(informer)
        self._tasks.append(self._group.create_task(informer.run()))
        return informer.store

    def have_synced(self) -> bool:
        return all(informer.has_settled for informer in self._informers)

    async def synced(self) -> None:
        """Return when all that were opened know what there is."""
        for informer in list(self._informers):
            await informer.synced()

    def on_demand(self, open: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Open watches at the first call; each call returns when they know what there is, of those that the server has.

        It raises TimeoutError after a while: pods that do not need it shall not wait for ever, should it be forbidden.
        """
        informers: list[Informer[Any]] = []

        async def synced() -> None:
            if not informers:
                before = len(self._informers)
                open()
                informers.extend(self._informers[before:])
            missing = [informer for informer in informers if not informer.has_settled]
            if not missing:
                return
            waiting = [asyncio.ensure_future(informer.settled()) for informer in missing]
            too_late = asyncio.ensure_future(self._component.clock.sleep(_PATIENCE))
            too_late.add_done_callback(lambda _: [task.cancel() for task in waiting])
            try:
                await asyncio.wait(waiting)
            finally:
                for task in (*waiting, too_late):
                    task.cancel()
            unknown = sorted(informer.model.__name__ for informer in missing if not informer.has_settled)
            if unknown:
                raise TimeoutError(f"{', '.join(unknown)} could not be listed yet")

        return synced

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


class Server:
    """A scheduler between its informers and the API."""

    def __init__(self, component: Component, group: asyncio.TaskGroup) -> None:
        clock, options = component.clock, component.options
        configuration: Configuration | None = options.configuration
        self._component = component
        self._watches = Watches(component, group)
        self._writer = ApiWriter(component.client, clock)
        self._workloads = KnownWorkloads()
        self._profiles: dict[str, Framework] = {}
        cache = Cache(clock)
        self._queue = SchedulingQueue(
            clock,
            self._framework_of,
            initial_backoff=configuration.podInitialBackoffSeconds if configuration else 1.0,
            max_backoff=configuration.podMaxBackoffSeconds if configuration else 10.0,
        )
        metrics = SchedulerMetrics(component.metrics, self._queue.counts, self._queue.turned_down, cache.counts)
        self._queue.entered = metrics.entered
        self._handle = Handle(
            cache=cache,
            workloads=self._workloads,
            nominations=Nominations(),
            storage=Storage(clock, self._watches.on_demand(self._watch_storage)),
            devices=Inventory(clock, self._watches.on_demand(self._watch_devices)),
            budgets=Budgets(self._watches.on_demand(self._watch_budgets)),
            writer=self._writer,
            clock=clock,
            metrics=metrics,
            framework_of=self._framework_of,
            extenders=extenders(configuration),
        )
        self._profiles.update(profiles(configuration, self._handle, options.plugin))
        for framework in self._profiles.values():
            framework.timed, framework.now = metrics.extension_point, clock.monotonic
        percentage = configuration.percentageOfNodesToScore if configuration else None
        algorithm = Algorithm(cache, self._handle.nominations, percentage_of_nodes=percentage or 0)
        self._scheduler = Scheduler(self._handle, self._queue, algorithm)

    def _framework_of(self, pod: PodInfo) -> Framework:
        return self._profiles[pod.pod.spec.schedulerName or "default-scheduler"]

    async def run(self) -> None:
        watching = Watching(self._handle, self._queue, self._workloads, self._profiles)
        watch = self._watches.open
        watch(Node, watching.node)
        watch(Namespace, watching.namespace)
        watch(Service, watching.service)
        watch(Owner, watching.owner, resource=resource_of(ReplicaSet))
        pods = watch(Pod, watching.pod, field_selector=_UNFINISHED, decode=PodDecoder(SharedSpecs().share))
        self._component.pages["/metrics/resources"] = lambda: _resources(pods)
        self._component.readiness["informers-synced"] = self._watches.have_synced
        await self._watches.synced()
        self._component.ready()
        for kind in (StatefulSet, ReplicationController):  # they only make scores better: nobody waits for them
            watch(Owner, watching.owner, resource=resource_of(kind))
        await self._scheduler.run()

    def _watch_storage(self) -> None:
        from scheduler.watching_storage import callbacks

        for model, callback in callbacks(self._handle.storage, self._queue).items():
            self._watches.open(model, callback)

    def _watch_devices(self) -> None:
        from scheduler.watching_devices import callbacks

        for model, callback in callbacks(self._handle.devices, self._queue).items():
            self._watches.open(model, callback)

    def _watch_budgets(self) -> None:
        from api.policy_v1 import PodDisruptionBudget

        def seen(old: PodDisruptionBudget | None, new: PodDisruptionBudget | None) -> None:
            if new is not None:
                self._handle.budgets.set(new)
            elif old is not None:
                self._handle.budgets.remove(old.metadata.namespace, old.metadata.name)

        self._watches.open(PodDisruptionBudget, seen)

    async def close(self) -> None:
        self._watches.close()
        await self._writer.close()
        for extender in self._handle.extenders:
            await extender.close()


def extenders(configuration: Configuration | None) -> tuple[Extender, ...]:
    """Those of the configuration, those that the scheduler can do without last."""
    if configuration is None or not configuration.extenders:
        return ()
    from scheduler.extender import Extender

    ordered = sorted(configuration.extenders, key=lambda config: config.ignorable)
    return tuple(Extender(config) for config in ordered)


def profiles(
    configuration: Configuration | None, handle: Handle, own: Mapping[str, Factory]
) -> Mapping[str, Framework]:
    """The configured profiles, or the one default profile, which the plugins of `--plugin` take part in.

    Raises ConfigurationError.
    """
    if configuration is None:
        plugins = [*default_plugins(handle), *(Weighted(make({}, handle)) for make in own.values())]
        return {"default-scheduler": Framework(plugins)}
    from scheduler.profiles import build

    return build(configuration, handle, own)


def load(text: str) -> tuple[str, Factory]:
    """A plugin's name and its factory, written "package.module:Name".

    The factory may be the class itself: it is called with the plugin's arguments (a dictionary) and the handle.
    Raises ValueError when there is no such thing.
    """
    module, _, attribute = text.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"no plugin at {text!r}: {error}") from error
    return str(getattr(factory, "name", attribute)), cast(Factory, factory)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The scheduler's own flags."""
    parser.add_argument("--config", default="", metavar="FILE", help="a file with a KubeSchedulerConfiguration")
    parser.add_argument(
        "--plugin", action="append", default=[], metavar="MODULE:NAME", help="a plugin of your own, in Python"
    )


def complete(options: argparse.Namespace) -> None:
    """Read what the flags name.  Raises ValueError and ConfigurationError."""
    options.plugin = dict(load(text) for text in options.plugin)
    options.configuration = None
    if not options.config:
        return
    from scheduler.configuration import read

    options.configuration = configuration = read(Path(options.config))
    options.kubeconfig = options.kubeconfig or configuration.clientConnection.kubeconfig
    election = configuration.leaderElection
    settings = {
        "leader_elect": election.leaderElect,
        "leader_elect_resource_name": election.resourceName or None,
        "leader_elect_resource_namespace": election.resourceNamespace or None,
        "leader_elect_lease_duration": _seconds(election.leaseDuration),
        "leader_elect_renew_deadline": _seconds(election.renewDeadline),
        "leader_elect_retry_period": _seconds(election.retryPeriod),
    }
    for name, value in settings.items():
        if value is not None:
            setattr(options, name, value)


def _seconds(text: str) -> float | None:
    return parse_duration(text) if text else None
