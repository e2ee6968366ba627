"""The kubelet's flags: https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from api.core_v1 import Taint
from client.component import add_boolean, duration, flag_parser

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class OptionError(Exception):
    """A flag makes no sense; the text is fit to show to a user."""


def parser() -> argparse.ArgumentParser:
    flags = flag_parser("kubelet", "runs the pods of a node")
    node = flags.add_argument_group("the node")
    node.add_argument("--hostname-override", default="", help="the node's name, instead of the machine's")
    node.add_argument("--nodes", default="", help="with the sim runtime: names of several nodes, a,b,c")
    node.add_argument("--node-ip", default="", help="the node's address; default: the one used to reach others")
    node.add_argument("--node-labels", default="", help="labels to register with, key=value,…")
    node.add_argument("--register-with-taints", default="", help="taints to register with, key=value:effect,…")
    add_boolean(node, "--register-node", True, "create the Node object")
    node.add_argument("--max-pods", type=int, default=110, help="how many pods the node takes")
    node.add_argument("--node-status-update-frequency", type=duration, default=10.0, help="default 10s")
    pods = flags.add_argument_group("pods")
    pods.add_argument("--root-dir", default="/var/lib/kubelet", help="folder of volumes, logs and state")
    pods.add_argument("--container-runtime", choices=("process", "sim"), default="process", help="what runs pods")
    pods.add_argument("--pod-cidr", default="", help="range of pod addresses of this node (of all --nodes)")
    pods.add_argument("--cluster-cidr", default="", help="range of all pods: traffic within it keeps its addresses")
    pods.add_argument("--network-kubeconfig", default="", help="who may read the other nodes' pod ranges, for routes")
    pods.add_argument("--cluster-dns", default="", help="addresses of the cluster's DNS servers, a,b")
    pods.add_argument("--cluster-domain", default="cluster.local", help="the cluster's DNS domain")
    pods.add_argument("--container-log-max-size", default="10Mi", help="a container's log is rotated at this size")
    pods.add_argument("--container-log-max-files", type=int, default=5, help="how many files of a log are kept")
    server = flags.add_argument_group("the kubelet's server")
    server.add_argument("--address", default="0.0.0.0", help="address to serve logs and exec on")
    server.add_argument("--port", type=int, default=10250, help="port to serve logs and exec on; 0 is off")
    server.add_argument("--client-ca-file", default="", help="CA of clients; default: the kubeconfig's CA")
    flags.add_argument("--cleanup", action="store_true", help="end all pods of --root-dir, remove their traces, leave")
    return flags


@dataclass(frozen=True)
class NodePlace:
    """A node of this process: its name and its range of pod addresses."""

    name: str
    pod_cidr: str


def node_places(options: argparse.Namespace) -> list[NodePlace]:
    """The nodes this process stands for.  Raises OptionError."""
    names = [name for name in options.nodes.split(",") if name]
    if names and options.container_runtime != "sim":
        raise OptionError("--nodes needs --container-runtime sim: a real node is a process of its own")
    if not names:
        names = [(options.hostname_override or socket.gethostname()).lower()]
    cidr = options.pod_cidr
    if not cidr:
        if options.container_runtime == "sim" or len(names) > 1:
            cidr = "10.244.0.0/16"
        else:
            return [NodePlace(names[0], "")]
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        raise OptionError(f"--pod-cidr: {error}") from error
    if len(names) == 1 and options.pod_cidr:
        return [NodePlace(names[0], str(network))]
    prefix = max(24, network.prefixlen + (len(names) - 1).bit_length())
    if prefix > network.max_prefixlen - 2:
        raise OptionError(f"--pod-cidr: {network} is too small for {len(names)} nodes")
    ranges = network.subnets(new_prefix=prefix)
    return [NodePlace(name, str(part)) for name, part in zip(names, ranges, strict=False)]


def labels(text: str) -> dict[str, str]:
    """`key=value,…`.  Raises OptionError."""
    found = {}
    for part in filter(None, text.split(",")):
        key, sign, value = part.partition("=")
        if not sign or not key:
            raise OptionError(f"--node-labels: {part!r} is not key=value")
        found[key] = value
    return found


def taints(text: str) -> list[Taint]:
    """`key=value:effect,…`.  Raises OptionError."""
    found = []
    for part in filter(None, text.split(",")):
        left, _, effect = part.rpartition(":")
        key, _, value = left.partition("=")
        if not key or effect not in _EFFECTS:
            raise OptionError(f"--register-with-taints: {part!r} is not key=value:effect")
        found.append(Taint(key=key, value=value, effect=effect))
    return found


def root_directory(options: argparse.Namespace) -> Path:
    """The kubelet's folder, made when missing.  Raises OptionError."""
    root = Path(options.root_dir).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--root-dir {root}: {error.strerror}") from error
    return root
