"""`python -m controller_manager`: kube-controller-manager's flags, and all controllers in one process.

https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/
"""

from __future__ import annotations

import argparse
import sys

from client.component import Component, add_boolean, duration, flag_parser, run
from client.controller_process import run_controllers
from controller_manager.queue_names import QUEUES
from controller_manager.table import CONTROLLERS, chosen

NAME = "kube-controller-manager"


def parser() -> argparse.ArgumentParser:
    flags = flag_parser(NAME, "runs the controllers that keep the cluster as it is asked to be", leader_election=True)
    off = [name for name, entry in CONTROLLERS.items() if not entry.default]
    flags.add_argument(
        "--controllers",
        default="*",
        help="which to run: '*' is all that are on by default, 'name' one more, '-name' one less.  "
        f"All: {', '.join(sorted(CONTROLLERS))}.  Off by default: {', '.join(sorted(off))}",
    )
    add_boolean(flags, "--use-service-account-credentials", False, "run each controller as its own service account")
    flags.add_argument("--root-ca-file", default="", help="CA to publish in every namespace; default: the kubeconfig's")
    flags.add_argument("--service-account-private-key-file", default="", help="key to sign tokens in Secrets with")
    flags.add_argument("--cluster-signing-cert-file", default="", help="CA that signs certificate signing requests")
    flags.add_argument("--cluster-signing-key-file", default="", help="its key")
    flags.add_argument("--cluster-signing-duration", type=duration, default=365 * 24 * 3600.0, help="default 8760h")
    flags.add_argument("--max-endpoints-per-slice", type=int, default=100, help="default 100")
    flags.add_argument("--mirroring-max-endpoints-per-subset", type=int, default=1000, help="default 1000")
    for what in ("endpoint", "endpointslice", "mirroring-endpointslice"):
        help = "how long to gather changes before they are written; default 0s"
        flags.add_argument(f"--{what}-updates-batch-period", type=duration, default=0.0, help=help)
    flags.add_argument(
        "--legacy-service-account-token-clean-up-period", type=duration, default=365 * 24 * 3600.0, help="default 8760h"
    )
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
    await run_controllers(component, NAME, CONTROLLERS, QUEUES)


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
