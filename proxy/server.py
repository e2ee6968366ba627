"""The proxy put together: informers in, rules or listeners out."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from api.core_v1 import ObjectReference, Service
from api.discovery_v1 import EndpointSlice
from client.component import Component, duration
from client.informer import Informer
from proxy.health import JsonServer, ServiceHealth, proxy_health
from proxy.service_map import PortRules, ServiceMap, service_map
from proxy.sync_runner import SyncRunner
from proxy.zones import OwnZones

log = logging.getLogger(__name__)

_OURS = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name"


class Mode(Protocol):
    """A way to make services reachable."""

    async def apply(self, services: ServiceMap) -> bool:
        """Bring about what the map asks for.  Returns whether anything changed; raises when it cannot be done."""
        ...

    async def remove(self) -> None:
        """Leave nothing behind."""
        ...

    def distrust(self) -> None:
        """Look at the real state again at the next `apply`."""
        ...


async def work(component: Component) -> None:
    """Run until cancelled, then take everything away."""
    options, clock = component.options, component.clock
    nodes = [name for name in options.hostname_override.split(",") if name]
    mode = make_mode(component, options)
    services: Informer[Service] = Informer(component.client, Service, label_selector=_OURS, clock=clock)
    slices: Informer[EndpointSlice] = Informer(
        component.client, EndpointSlice, label_selector="!service.kubernetes.io/headless", clock=clock
    )
    health = ServiceHealth()
    syncs = component.metrics.counter("kubeproxy_sync_proxy_rules_total", "Synchronisations that changed something.")
    seconds = component.metrics.histogram(
        "kubeproxy_sync_proxy_rules_duration_seconds", "Seconds of a synchronisation."
    )
    last = component.metrics.gauge(
        "kubeproxy_sync_proxy_rules_endpoint_changes_total", "Endpoints served at the last synchronisation."
    )

    async def sync(full: bool) -> None:
        if full:
            mode.distrust()
        started = clock.monotonic()
        everything = slices.store.list()
        current = service_map(services.store.list(), everything, nodes, zones=zones.needed_by(everything))
        if await mode.apply(current):
            syncs.inc()
        await health.apply(current.health_checks)
        seconds.observe(clock.monotonic() - started)
        last.set(sum(len(rules.cluster) for rules in current.ports))

    runner = SyncRunner(
        clock, sync, min_period=options.iptables_min_sync_period, full_period=options.iptables_sync_period
    )
    zones = OwnZones(component.client, nodes, clock, runner.request)
    services.on_change(lambda old, new: runner.request())
    slices.on_change(lambda old, new: runner.request())
    component.readiness["synced"] = lambda: runner.last_success is not None
    healthz = await _serve_health(options.healthz_bind_address, runner, component)
    tasks = [asyncio.ensure_future(informer.run()) for informer in (services, slices)]
    try:
        await services.synced()
        await slices.synced()
        runner.request()
        tasks.append(asyncio.ensure_future(runner.run()))
        component.ready()
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        zones.stop()
        health.stop()
        if healthz is not None:
            healthz.stop()
        if options.cleanup_on_exit:
            await mode.remove()


async def _serve_health(address: str, runner: SyncRunner, component: Component) -> JsonServer | None:
    if not address:
        return None
    host, _, port = address.rpartition(":")
    server = JsonServer(proxy_health(runner, component.clock))
    try:
        await server.start(host.strip("[]") or "0.0.0.0", int(port))
    except OSError as error:
        log.warning("health is not served on %s: %s", address, error.strerror)
        return None
    return server


def make_mode(component: Component, options: argparse.Namespace) -> Mode:
    """The mode asked for, or the best this process may use."""
    from proxy.iptables import available

    addresses = tuple(a for a in options.nodeport_addresses.split(",") if a)
    why_not = available() if options.proxy_mode != "userspace" else ""
    if options.proxy_mode == "userspace" or (options.proxy_mode == "" and why_not):
        if why_not:
            log.info("userspace mode: %s", why_not)
        from proxy.userspace import Userspace

        return Userspace(component.clock, nodeport_addresses=addresses, on_problem=_reporter(component))
    if why_not:
        raise RuntimeError(f"iptables mode: {why_not}")
    return iptables_mode(options)


def iptables_mode(options: argparse.Namespace) -> Mode:
    """The iptables mode as the flags describe it."""
    from proxy.iptables import Iptables
    from proxy.iptables_rules import Settings

    return Iptables(
        Settings(
            instance=options.instance,
            cluster_cidr=options.cluster_cidr,
            masquerade_all=options.masquerade_all,
            masquerade_bit=options.iptables_masquerade_bit,
            localhost_nodeports=options.iptables_localhost_nodeports,
            nodeport_addresses=tuple(a for a in options.nodeport_addresses.split(",") if a),
        )
    )


def _reporter(component: Component) -> Callable[[PortRules, str], None]:
    def report(rules: PortRules, message: str) -> None:
        about = ObjectReference(apiVersion="v1", kind="Service", namespace=rules.namespace, name=rules.name)
        component.events.event(about, "Warning", "FailedToListen", message)

    return report


def add_flags(parser: argparse.ArgumentParser, boolean: Callable[..., None]) -> None:
    """The proxy's own flags, as kube-proxy calls them; `--instance` is ours."""
    add = parser.add_argument
    add("--proxy-mode", choices=("", "iptables", "userspace"), default="", help="default: iptables where possible")
    add("--hostname-override", default="", help="the node(s) this proxy works for; several are separated by commas")
    add("--cluster-cidr", default="", help="the pods' addresses: traffic from elsewhere to services is masqueraded")
    add("--nodeport-addresses", default="", help="ranges (userspace: addresses) node ports answer on; default all")
    add("--healthz-bind-address", default="0.0.0.0:10256", help="empty to serve no health checks")
    add("--iptables-min-sync-period", type=duration, default=0.1, help="default 100ms")
    add("--iptables-sync-period", type=duration, default=3600.0, help="look after the rules this often; default 1h")
    add("--iptables-masquerade-bit", type=int, default=14, help="bit of the packet mark to use")
    add("--instance", default="", help="tells this proxy's rules from those of others on the machine")
    boolean(parser, "--masquerade-all", False, "masquerade all traffic to cluster IPs")
    boolean(parser, "--iptables-localhost-nodeports", True, "let node ports answer on 127.0.0.1")
    boolean(parser, "--cleanup", False, "remove the rules of this --instance and exit")
    boolean(parser, "--cleanup-on-exit", True, "remove the rules when leaving")
