"""Every controller there is, by the name `--controllers` knows it by."""

from __future__ import annotations

from argparse import Namespace as Options
from typing import Any

from client.controller import Controller
from client.controller_process import Entry
from cloud_controller_manager.node import CloudNodeController
from cloud_controller_manager.node_lifecycle import CloudNodeLifecycleController
from cloud_controller_manager.route import RouteController
from cloud_controller_manager.service import ServiceController


def _node(options: Options, *common: Any) -> Controller | None:
    instances = options.provider.instances
    return None if instances is None else CloudNodeController(*common, instances=instances)


def _node_lifecycle(options: Options, *common: Any) -> Controller | None:
    instances, period = options.provider.instances, options.node_monitor_period
    return None if instances is None else CloudNodeLifecycleController(*common, instances=instances, period=period)


def _service(options: Options, *common: Any) -> Controller | None:
    balancers = options.provider.load_balancers
    return None if balancers is None else ServiceController(*common, load_balancers=balancers)


def _route(options: Options, *common: Any) -> Controller | None:
    routes = options.provider.routes
    if routes is None or not options.configure_cloud_routes or not options.cluster_cidr:
        return None
    return RouteController(*common, routes=routes, cluster_cidr=options.cluster_cidr)


CONTROLLERS = {
    "cloud-node-controller": Entry(_node, "node-controller", ("cloud-node",), "cloud-node-controller"),
    "cloud-node-lifecycle-controller": Entry(
        _node_lifecycle, "node-controller", ("cloud-node-lifecycle",), "cloud-node-lifecycle-controller"
    ),
    "service-lb-controller": Entry(_service, "service-controller", ("service",), "service-controller"),
    "node-route-controller": Entry(_route, "route-controller", ("route",), "route_controller"),
}
