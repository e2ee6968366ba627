"""`python -m controller_manager`: kube-controller-manager's flags, and all controllers in one process.

https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from client.account import AccountClients
from client.component import USER_AGENT, Component, add_boolean, duration, flag_parser, run
from client.controller import Controller, SharedInformers
from client.events import EventRecorder
from controller_manager.table import CONTROLLERS, Start, chosen

NAME = "kube-controller-manager"
_MOMENT = 1.0
"""Seconds that the controllers start later which nobody waits for."""


def parser() -> argparse.ArgumentParser:
    flags = flag_parser(NAME, "runs the controllers that keep the cluster as it is asked to be", leader_election=True)
    flags.add_argument(
        "--controllers", default="*", help=f"which to run: '*', 'name', '-name'.  {', '.join(CONTROLLERS)}"
    )
    add_boolean(flags, "--use-service-account-credentials", False, "run each controller as its own service account")
    flags.add_argument("--root-ca-file", default="", help="CA to publish in every namespace; default: the kubeconfig's")
    flags.add_argument("--service-account-private-key-file", default="", help="key to sign tokens in Secrets with")
    flags.add_argument("--cluster-signing-cert-file", default="", help="CA that signs certificate signing requests")
    flags.add_argument("--cluster-signing-key-file", default="", help="its key")
    flags.add_argument("--cluster-signing-duration", type=duration, default=365 * 24 * 3600.0, help="default 8760h")
    flags.add_argument("--max-endpoints-per-slice", type=int, default=100, help="default 100")
    flags.add_argument("--node-monitor-period", type=duration, default=5.0, help="between looks at nodes; default 5s")
    flags.add_argument("--node-monitor-grace-period", type=duration, default=50.0, help="silence allowed; default 50s")
    flags.add_argument("--node-startup-grace-period", type=duration, default=60.0, help="for new nodes; default 1m")
    flags.add_argument("--node-eviction-rate", type=float, default=0.1, help="nodes a second; default 0.1")
    flags.add_argument("--secondary-node-eviction-rate", type=float, default=0.01, help="in disrupted zones")
    flags.add_argument("--unhealthy-zone-threshold", type=float, default=0.55, help="share of nodes; default 0.55")
    flags.add_argument("--large-cluster-size-threshold", type=int, default=50, help="nodes; default 50")
    flags.add_argument("--terminated-pod-gc-threshold", type=int, default=12500, help="finished pods kept")
    flags.add_argument("--pod-gc-period", type=duration, default=20.0, help="between rounds; default 20s")
    flags.add_argument(
        "--pod-gc-quarantine", type=duration, default=40.0, help="for pods of missing nodes; default 40s"
    )
    add_boolean(flags, "--enable-hostpath-provisioner", False, "make volumes of the class kubernetes.io/host-path")
    flags.add_argument("--hostpath-provisioner-root", default="/tmp/hostpath_pv", help="the folder they are made in")
    add_boolean(flags, "--disable-force-detach-on-timeout", False, "never take a volume from a node by force")
    hpa = "--horizontal-pod-autoscaler"
    flags.add_argument(f"{hpa}-sync-period", type=duration, default=15.0, help="between looks at metrics; default 15s")
    flags.add_argument(
        f"{hpa}-downscale-stabilization", type=duration, default=300.0, help="before replicas go; default 5m"
    )
    flags.add_argument(f"{hpa}-tolerance", type=float, default=0.1, help="of metrics off their target; default 0.1")
    flags.add_argument(
        f"{hpa}-cpu-initialization-period", type=duration, default=300.0, help="pods may take to start; default 5m"
    )
    flags.add_argument(
        f"{hpa}-initial-readiness-delay", type=duration, default=30.0, help="for a first readiness; default 30s"
    )
    flags.add_argument("--resource-quota-sync-period", type=duration, default=300.0, help="between counts; default 5m")
    flags.add_argument("--metrics-server-kubeconfig", default="", help="serve metrics.k8s.io, and ask kubelets as this")
    flags.add_argument("--metrics-server-cert-file", default="", help="certificate to serve it with, on this machine")
    flags.add_argument("--metrics-server-key-file", default="", help="its key")
    flags.add_argument("--metrics-server-resolution", type=duration, default=10.0, help="age of figures; default 10s")
    add_boolean(flags, "--allocate-node-cidrs", False, "give each node a range of pod addresses")
    flags.add_argument("--cluster-cidr", default="", help="what these ranges are taken from, one for each IP family")
    flags.add_argument("--node-cidr-mask-size", type=int, default=0, help="their size; not with two IP families")
    flags.add_argument("--node-cidr-mask-size-ipv4", type=int, default=24, help="default 24")
    flags.add_argument("--node-cidr-mask-size-ipv6", type=int, default=64, help="default 64")
    flags.add_argument("--service-cluster-ip-range", default="", help="addresses of services, which no node gets")
    return flags


async def work(component: Component) -> None:
    """Run the chosen controllers, as long as this process leads, until cancelled."""
    options = component.options

    async def lead() -> None:
        informers = SharedInformers(component.client, component.clock)
        accounts = AccountClients(component.client, "kube-system", USER_AGENT.format(NAME), component.clock)
        controllers: list[Controller] = []

        def make(name: str) -> Controller | None:
            entry = CONTROLLERS[name]
            client = component.client
            if options.use_service_account_credentials and entry.account:
                client = accounts.of(entry.account, at_once=entry.start is Start.URGENT)
            recorder = EventRecorder(client, entry.source or name, component.clock)
            controller = entry.make(options, client, component.clock, informers, recorder)
            if controller is not None:
                controllers.append(controller)
            return controller

        async def run_later(name: str) -> None:
            await component.clock.sleep(_MOMENT)
            controller = make(name)
            if controller is not None:
                informers.start()
                await controller.run()

        wanted = chosen(options.controllers)
        later = [name for name in wanted if CONTROLLERS[name].start is Start.LATER]
        for name in wanted:
            if name not in later:
                make(name)
        _measure(component, controllers)
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


async def _announce(component: Component, informers: SharedInformers) -> None:
    await informers.synced()
    component.ready()


def _measure(component: Component, controllers: list[Controller]) -> None:
    metrics = component.metrics
    metrics.gauge(
        "workqueue_depth",
        "Current depth of workqueue",
        ("name",),
        lambda: [((c.name,), float(len(c.queue))) for c in controllers],
    )
    metrics.gauge(
        "workqueue_adds_total",
        "Total number of adds handled by workqueue",
        ("name",),
        lambda: [((c.name,), float(c.queue.adds)) for c in controllers],
    ).kind = "counter"
    metrics.gauge(
        "workqueue_retries_total",
        "Total number of retries handled by workqueue",
        ("name",),
        lambda: [((c.name,), float(c.failures)) for c in controllers],
    ).kind = "counter"


def main(argv: list[str] | None = None) -> int:
    flags = parser()
    options = flags.parse_args(argv)
    try:
        chosen(options.controllers)
        if options.allocate_node_cidrs and not options.cluster_cidr:
            raise ValueError("--allocate-node-cidrs needs --cluster-cidr")
    except ValueError as error:
        flags.error(str(error))
    return run(NAME, options, work)


if __name__ == "__main__":
    sys.exit(main())
