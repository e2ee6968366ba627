"""`python -m cloud_controller_manager`: cloud-controller-manager's flags, and its controllers in one process.

https://kubernetes.io/docs/reference/command-line-tools-reference/cloud-controller-manager/
"""

from __future__ import annotations

import argparse
import sys

from client.component import Component, add_boolean, duration, flag_parser, run
from client.controller_process import chosen, run_controllers
from cloud_controller_manager.local import NAME as LOCAL
from cloud_controller_manager.local import local_provider
from cloud_controller_manager.table import CONTROLLERS

NAME = "cloud-controller-manager"


def parser() -> argparse.ArgumentParser:
    flags = flag_parser(NAME, "runs the controllers that know where the cluster runs", leader_election=True)
    flags.add_argument("--cloud-provider", choices=(LOCAL,), required=True, help="where the cluster runs")
    flags.add_argument(
        "--controllers", default="*", help=f"which to run: '*', 'name', '-name'.  {', '.join(CONTROLLERS)}"
    )
    add_boolean(flags, "--use-service-account-credentials", False, "run each controller as its own service account")
    flags.add_argument("--node-monitor-period", type=duration, default=5.0, help="between looks at nodes; default 5s")
    flags.add_argument("--cluster-cidr", default="", help="the pods' addresses: what there are routes for")
    add_boolean(flags, "--configure-cloud-routes", True, "keep routes to every node's pods")
    flags.add_argument(
        "--load-balancer-range", default="127.1.0.0/24", help="what local load balancers get their addresses from"
    )
    return flags


async def work(component: Component) -> None:
    """Run the chosen controllers, as long as this process leads, until cancelled."""
    await run_controllers(component, NAME, CONTROLLERS)


def main(argv: list[str] | None = None) -> int:
    flags = parser()
    options = flags.parse_args(argv)
    try:
        chosen(CONTROLLERS, options.controllers)
        options.provider = local_provider(options.load_balancer_range)
    except ValueError as error:
        flags.error(str(error))
    return run(NAME, options, work)


if __name__ == "__main__":
    sys.exit(main())
