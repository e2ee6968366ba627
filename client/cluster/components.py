"""Which processes make up a cluster, and the flags each is started with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from client.cluster.address_ranges import Network, load_balancer_range, node_range
from client.cluster.data_dir import DataDir, Settings


@dataclass(frozen=True)
class Component:
    """One process: `main(arguments)` of `<module>.__main__`.

    `cleanup` are the arguments of a second, short run after the cluster's end, which takes away what the
    component leaves for a successor on purpose: pods, interfaces, rules.  `preload` are modules that it needs at
    once but imports late, so that they can be there before it is forked.  A component with `needs_nodes` has
    nothing to do before there are pods, and leaves the processors to the others until the nodes are ready.  One with
    `needs_port` is started with a `--port` of its own.
    """

    name: str
    module: str
    arguments: Sequence[str]
    cleanup: Sequence[str] = ()
    ready_flag: str = ""
    needs_api: bool = True
    needs_nodes: bool = False
    needs_port: bool = False
    preload: Sequence[str] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """What to import before `main` of the first of them is called."""
        return (f"{self.module}.__main__", *self.preload)


def node_names(count: int) -> list[str]:
    return [f"node-{number}" for number in range(1, count + 1)]


def components_of(data: DataDir, settings: Settings, privileged: bool | None = None) -> list[Component]:
    """All components of a cluster, in the order in which they start."""
    if privileged is None:
        privileged = os.geteuid() == 0
    names = node_names(settings.nodes)
    found = [_apiserver(data, settings, names), *_kubelets(data, settings, names)]
    if settings.runtime == "process":
        found.append(_proxy(data, settings, privileged))
    found.append(
        Component(
            "scheduler",
            "scheduler",
            ("--kubeconfig", str(data.kubeconfig_of("scheduler")), "--leader-elect=false"),
            preload=("scheduler.server",),
        )
    )
    pki = data.root / "pki"
    found.append(
        Component(
            "controller-manager",
            "controller_manager",
            (
                *("--kubeconfig", str(data.kubeconfig_of("controller-manager"))),
                *("--root-ca-file", str(pki / "ca.crt")),
                *("--service-account-private-key-file", str(pki / "sa.key")),
                *("--cluster-signing-cert-file", str(pki / "ca.crt")),
                *("--cluster-signing-key-file", str(pki / "ca.key")),
                *_metrics_server(data, names),
                "--use-service-account-credentials",
                "--leader-elect=false",
                *("--enable-hostpath-provisioner", "--hostpath-provisioner-root", str(data.root / "volumes")),
            ),
        )
    )
    if settings.cloud_provider:
        found.append(_cloud_controller_manager(data, settings))
    return found


def _metrics_server(data: DataDir, nodes: list[str]) -> list[str]:
    """It asks the kubelets of all nodes; what it shows as its own certificate nobody looks at."""
    if not nodes:
        return []
    certificate = data.root / "pki" / f"node-{nodes[0]}"
    return [
        *("--metrics-server-kubeconfig", str(data.kubeconfig)),
        *("--metrics-server-cert-file", f"{certificate}.crt", "--metrics-server-key-file", f"{certificate}.key"),
    ]


def _cloud_controller_manager(data: DataDir, settings: Settings) -> Component:
    """Its controllers act as their own service accounts, for which the controller manager may ask."""
    arguments = (
        *("--kubeconfig", str(data.kubeconfig_of("controller-manager"))),
        *("--cloud-provider", settings.cloud_provider),
        *("--load-balancer-range", str(load_balancer_range(Network(settings.pod_range)))),
        "--use-service-account-credentials",
        "--leader-elect=false",
    )
    return Component("cloud-controller-manager", "cloud_controller_manager", arguments, needs_nodes=True)


def _apiserver(data: DataDir, settings: Settings, nodes: list[str]) -> Component:
    arguments = [
        *("--bind-address", settings.bind_address),
        *("--secure-port", str(settings.port)),
        *("--data-dir", str(data.root)),
        *("--service-cluster-ip-range", settings.service_range),
        *("--authorization-mode", "Node,RBAC"),
        *("--enable-admission-plugins", "NodeRestriction"),
        *("--service-account-key-algorithm", "ECDSA-P256"),  # RSA takes a start a tenth of a second
        "--check-policy-types",
    ]
    if settings.token_auth_file:
        arguments += ["--token-auth-file", settings.token_auth_file]
    for node in nodes:
        arguments += ["--issue-kubeconfig-for", node]
    return Component(
        "apiserver", "apiserver", arguments, ready_flag="--ready-fd", needs_api=False, preload=("apiserver.server",)
    )


def _kubelets(data: DataDir, settings: Settings, nodes: list[str]) -> list[Component]:
    if not nodes:
        return []
    pods = Network(settings.pod_range)
    if settings.runtime == "sim":
        certificate = data.root / "pki" / f"node-{nodes[0]}"
        arguments = [
            # It stands for all nodes, and no node may speak for another.
            *("--kubeconfig", str(data.kubeconfig)),
            *("--tls-cert-file", f"{certificate}.crt", "--tls-private-key-file", f"{certificate}.key"),
            *("--nodes", ",".join(nodes)),
            *("--root-dir", str(data.node("sim"))),
            *("--container-runtime", "sim"),
            *("--pod-cidr", str(pods)),
        ]
        preload = ("kubelet.process", "kubelet.runtime.sim", "kubelet.serving")
        return [Component("kubelet", "kubelet", arguments, needs_port=True, preload=preload)]
    found = []
    for index, node in enumerate(nodes):
        place = ["--hostname-override", node, "--root-dir", str(data.node(node)), "--container-runtime", "process"]
        place += ["--pod-cidr", str(node_range(pods, index, len(nodes))), "--cluster-cidr", str(pods)]
        arguments = ["--kubeconfig", str(data.kubeconfig_of(node)), *place]
        arguments += ["--network-kubeconfig", str(data.kubeconfig_of("proxy"))]
        preload = ("kubelet.process", "kubelet.runtime.process.runtime", "kubelet.serving")
        cleanup = [*place, "--cleanup"]
        found.append(
            Component(f"kubelet-{node}", "kubelet", arguments, cleanup=cleanup, needs_port=True, preload=preload)
        )
    return found


def _proxy(data: DataDir, settings: Settings, privileged: bool) -> Component:
    """One proxy for the machine, whatever the number of nodes on it."""
    # Several clusters may run side by side: each proxy's rules carry a name of its own.
    instance = hashlib.sha256(str(data.root.resolve()).encode()).hexdigest()[:6]
    mode = ["--proxy-mode", "iptables" if privileged else "userspace", "--cluster-cidr", settings.pod_range]
    mode += ["--instance", instance]
    arguments = ["--kubeconfig", str(data.kubeconfig_of("proxy"))]
    arguments += ["--hostname-override", ",".join(node_names(settings.nodes)), "--healthz-bind-address", "", *mode]
    cleanup = [*mode, "--cleanup"] if privileged else ()
    return Component("proxy", "proxy", arguments, cleanup, needs_nodes=True, preload=("proxy.server",))


def last_line(path: Path, since: int) -> str:
    """The last line that says something in a log, read from the byte `since`."""
    try:
        with path.open("rb") as file:
            file.seek(since)
            text = file.read()[-65536:].decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip(" |+-") for line in text.splitlines()]  # exception groups are framed
    return next((line for line in reversed(lines) if line), "")
