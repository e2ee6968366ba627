"""A kubelet process: its nodes with what they share, assembled."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from api import quantity
from api.core_v1 import Node, Pod, Service
from client.component import Component
from client.config import load_kubeconfig
from client.events import EventRecorder
from client.informer import Informer
from client.rest import RestClient
from kubelet import machine
from kubelet.backend import KubeletBackend
from kubelet.backoff import Backoff
from kubelet.configuration import WatchedConfiguration
from kubelet.host import Host, Preparation
from kubelet.kubelet import Kubelet
from kubelet.lease import NodeLease
from kubelet.metrics import KubeletMetrics
from kubelet.network.host_gateway import HostGateway
from kubelet.network.node_routes import NodeRoutes
from kubelet.node import NodeFacts, NodeReporter
from kubelet.options import NodePlace, labels, node_places, root_directory, taints
from kubelet.pod_view import is_running
from kubelet.preparation import FilePreparation, PreparationOptions
from kubelet.runtime.process.runtime import ProcessRuntime
from kubelet.runtime.protocol import Runtime
from kubelet.runtime.sim import SimRuntime
from kubelet.server.app import KubeletApp
from kubelet.server.serve import serve
from kubelet.serving import serving_files
from kubelet.sim_preparation import SimPreparation
from kubelet.timers import Timers
from kubelet.volumes.empty_dir import EmptyDirVolume
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.persistent import ClaimedVolumes
from kubelet.volumes.plugin import VolumeContext
from kubelet.volumes.service_account_token import TokenCache

log = logging.getLogger(__name__)

_CLEAN_UP_GRACE = 2.0
_SIM_CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "hugepages-1Gi": "0", "hugepages-2Mi": "0"}
_SIM_LOG = "{time} stdout F the sim runtime only pretends to run containers: there is no output\n"


def make_runtime(root: Path, pod_cidr: str, cluster_cidr: str) -> ProcessRuntime:
    """The runtime of real processes, with its state below the kubelet's folder."""
    return ProcessRuntime(root / "runtime", pod_cidr, cluster_cidr=cluster_cidr, hidden=[root])


def clean_up(options: argparse.Namespace) -> int:
    """End all that runs on behalf of a kubelet's folder and remove it with its volumes and logs; the exit code."""
    root = root_directory(options)
    if options.container_runtime == "process" and (root / "runtime").is_dir():
        asyncio.run(_clean_up(root, make_runtime(root, options.pod_cidr, options.cluster_cidr)))
    for path in (root / "pods").glob("*/volumes/kubernetes.io~empty-dir/*"):
        EmptyDirVolume().tear_down(path)
    for folder in ("pods", "logs", "runtime"):
        shutil.rmtree(root / folder, ignore_errors=True)
    return 0


async def _clean_up(root: Path, runtime: ProcessRuntime) -> None:
    await runtime.start()
    try:
        running = [run for run in await runtime.list_containers() if is_running(run)]
        await asyncio.gather(*(runtime.stop_container(run.id, _CLEAN_UP_GRACE) for run in running))
        await runtime.cleanup()
        if runtime.features.pod_network:
            await HostGateway(str(root)).cleanup()
    finally:
        await runtime.close()


class KubeletProcess:
    """Everything of one process.  Making it checks the flags; nothing is opened before `run`."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Raises OptionError."""
        self._options = options
        self._places = node_places(options)
        self._labels = labels(options.node_labels)
        self._taints = taints(options.register_with_taints)
        self._root = root_directory(options)
        self._sim = options.container_runtime == "sim"
        self._kubelets: dict[str, Kubelet] = {}
        self._ready = False
        self._configurations: list[WatchedConfiguration] = []
        self._process_runtime = (
            None if self._sim else make_runtime(self._root, self._places[0].pod_cidr, options.cluster_cidr)
        )

    async def run(self, component: Component) -> None:
        """Work until cancelled."""
        self._component = component
        self._heartbeats = component.client
        if len(self._places) > 1:  # that the nodes live must not wait for all that thousands of pods have to report
            config, agent = component.client.config, component.client.transport.headers["User-Agent"]
            self._heartbeats = RestClient(config, agent, clock=component.clock)
        self._timers = Timers(component.clock)
        self._metrics = KubeletMetrics(component.metrics)
        names = [place.name for place in self._places]
        selector = f"spec.nodeName={names[0]}" if len(names) == 1 else "spec.nodeName!="
        pods = Informer(component.client, Pod, field_selector=selector, clock=component.clock)
        self._services = Informer(component.client, Service, clock=component.clock)
        ip = self._options.node_ip or machine.default_ip()
        for place in self._places:
            self._kubelets[place.name] = self._kubelet(place, ip)
        pods.on_change(self._route)
        own = f"metadata.name={names[0]}" if len(names) == 1 else ""  # a node may read no other
        nodes = Informer(component.client, Node, field_selector=own, clock=component.clock)
        nodes.on_change(self._route_node)
        component.readiness["node"] = lambda: self._ready
        component.health["runtime"] = lambda: all(k.healthy for k in self._kubelets.values())
        kubelets = [*self._kubelets.values()]
        component.metrics.gauge(
            "kubelet_running_pods",
            "Pods that have a worker.",
            read=lambda: [((), float(sum(len(k.workers) for k in kubelets)))],
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._timers.run())
                group.create_task(self._serve(kubelets))
                for kubelet in kubelets:
                    await kubelet.start()
                group.create_task(pods.run())
                group.create_task(nodes.run())
                if not self._sim:
                    group.create_task(self._services.run())
                if not self._sim and kubelets[0].host.runtime.features.pod_network:
                    group.create_task(self._keep_routes(names[0]))
                await asyncio.gather(*(kubelet.node.register() for kubelet in kubelets))
                for kubelet in kubelets:
                    group.create_task(kubelet.run(pods.synced))
                await pods.synced()
                self._ready = True
                component.ready()
        finally:
            for configuration in self._configurations:
                configuration.stop()
            for kubelet in kubelets:
                await kubelet.host.runtime.close()
                await kubelet.host.events.close(0.2)
            if self._heartbeats is not component.client:
                await self._heartbeats.close()

    async def _keep_routes(self, name: str) -> None:
        """To the pods of other nodes, which a network plugin may read but a kubelet may not."""
        component, file = self._component, self._options.network_kubeconfig
        config = load_kubeconfig(file) if file else component.client.config
        async with RestClient(config, user_agent="kubelet-network") as client, asyncio.TaskGroup() as group:
            nodes = Informer(client, Node, clock=component.clock)
            group.create_task(nodes.run())
            group.create_task(NodeRoutes(name, nodes, HostGateway(str(self._root))).run())

    async def _serve(self, kubelets: Sequence[Kubelet]) -> None:
        """Logs and exec for the API server, if a port is given.  A taken port makes the kubelet unhealthy, but does not
        keep pods from running."""
        options = self._options
        if not options.port:
            return
        first = kubelets[0]
        backend = KubeletBackend(kubelets, self._component.metrics)
        app = KubeletApp(backend, first.host.runtime, self._component.clock, first.host.node_name)
        names = [place.name for place in self._places]
        files = serving_files(options, self._root, self._component.client.config, names, first.host.host_ips)
        try:
            await serve(
                app,
                certificate=files.certificate,
                key=files.key,
                client_ca=files.client_ca,
                address=options.address,
                port=options.port,
            )
        except OSError as error:
            log.error("cannot serve logs and exec on port %d: %s", options.port, error)
            self._component.health["server"] = lambda: False

    def _route(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        kubelet = self._kubelets.get(pod.spec.nodeName) if pod is not None else None
        if kubelet is not None:
            kubelet.pod_changed(old, new)

    def _route_node(self, old: Node | None, new: Node | None) -> None:
        kubelet = self._kubelets.get(new.metadata.name) if new is not None else None
        if kubelet is not None and new is not None:
            kubelet.node_changed(new)

    # --- assembling ------------------------------------------------------------------------------

    def _kubelet(self, place: NodePlace, ip: str) -> Kubelet:
        component, options = self._component, self._options
        client, clock, timers = component.client, component.clock, self._timers
        if self._process_runtime is not None:
            runtime: Runtime = self._process_runtime
            capacity = machine.capacity(self._root, options.max_pods)
            allocatable = machine.allocatable(capacity)
        else:
            runtime = SimRuntime(clock, timers, place.pod_cidr, str(self._sim_log()))
            capacity = allocatable = _SIM_CAPACITY | {"pods": str(options.max_pods)}
        host = Host(
            node_name=place.name,
            client=client,
            clock=clock,
            timers=timers,
            runtime=runtime,
            events=EventRecorder(client, "kubelet", clock, host=place.name),
            preparation=self._preparation(runtime, allocatable, ip),
            metrics=self._metrics,
            restarts=Backoff(clock),
            image_retries=Backoff(clock),
            host_ips=(ip,),
            allocatable=allocatable,
            quiet=self._sim,
        )
        facts = NodeFacts(
            name=place.name,
            ips=(ip,),
            pod_cidr=place.pod_cidr,
            port=options.port,
            capacity=capacity,
            allocatable=allocatable,
            info=machine.system_info(runtime.version),
            labels=self._labels,
            taints=self._taints,
            limits=lambda: runtime.features.limits,
        )
        reporter = NodeReporter(
            self._heartbeats,
            clock,
            facts,
            pressure=self._pressure,
            healthy=lambda: self._kubelets[place.name].healthy,
            register=options.register_node,
        )
        lease = NodeLease(self._heartbeats, clock, place.name)
        return Kubelet(host, reporter, lease, options.node_status_update_frequency)

    def _pressure(self) -> machine.Pressure:
        return machine.Pressure(False, False, False) if self._sim else machine.pressure(self._root)

    def _preparation(self, runtime: Runtime, allocatable: dict[str, str], ip: str) -> Preparation:
        if self._sim:
            return SimPreparation(str(self._root / "sim.log"))
        client, clock, options = self._component.client, self._component.clock, self._options
        name = self._places[0].name
        configuration = WatchedConfiguration(client, clock, lambda uid: self._kubelets[name].volumes_changed(uid))
        self._configurations.append(configuration)
        tokens = TokenCache(client, clock)
        context = VolumeContext(configuration, tokens, allocatable, (ip,))
        volumes = VolumeManager(self._root, context, ClaimedVolumes(client, clock))
        return FilePreparation(
            PreparationOptions(
                root=self._root,
                cluster_dns=tuple(filter(None, options.cluster_dns.split(","))),
                cluster_domain=options.cluster_domain,
                log_max_bytes=quantity.whole(options.container_log_max_size),
                log_max_files=options.container_log_max_files,
            ),
            volumes,
            configuration,
            tokens,
            self._known_services,
            lambda: runtime.features,
            allocatable,
            (ip,),
        )

    async def _known_services(self) -> Iterable[Service]:
        await self._services.synced()  # a container must not start without what is known of services
        return self._services.store.list()

    def _sim_log(self) -> Path:
        path = self._root / "sim.log"
        if path.exists():
            return path
        time = self._component.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        path.write_text(_SIM_LOG.format(time=time))
        return path
