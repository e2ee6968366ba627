"""`nanokube up`."""

from __future__ import annotations

import argparse
from pathlib import Path

from client.cluster.data_dir import DEFAULT_PORT, default_data_dir


def data_dir_flag(parser: argparse.ArgumentParser) -> None:
    default = default_data_dir()
    parser.add_argument(
        "--data-dir", type=Path, default=default, metavar="DIR", help=f"the cluster's folder ({default})"
    )


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="nanokube up",
        description="Start a cluster, or continue the one in the folder. Flags left out are as they were last time.",
    )
    data_dir_flag(parser)
    parser.add_argument("--detach", action="store_true", help="return when the cluster is ready, and leave it running")
    parser.add_argument("--nodes", type=int, metavar="N", help="how many nodes (1)")
    parser.add_argument(
        "--runtime", choices=("process", "sim"), help="containers are real processes, or only pretended (process)"
    )
    parser.add_argument("--port", type=int, metavar="PORT", help=f"the API server's port ({DEFAULT_PORT})")
    parser.add_argument("--bind-address", metavar="IP", help="where the API server listens (127.0.0.1)")
    parser.add_argument("--token-auth-file", type=Path, metavar="FILE", help='csv of token,user,uid,"group,group"')
    parser.add_argument(
        "--cloud-provider",
        choices=("none", "local"),
        help="local: services of type LoadBalancer get addresses on this machine (none)",
    )
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="give up after that many seconds (60)")
    parser.add_argument(
        "--component-flag",
        action="append",
        default=[],
        metavar="NAME=FLAG",
        help="a further flag for a component, as in controller-manager=--node-monitor-grace-period=20s",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave a component to another program this time, such as Kubernetes' own: controller-manager, scheduler, "
        "kubelet, proxy",
    )
    flags = parser.parse_args(arguments)

    from client.cluster.up import REPLACEABLE, Wishes, up

    for name in flags.without:
        if name not in REPLACEABLE:
            parser.error(f"there is no going without {name!r}: choose among {', '.join(REPLACEABLE)}")
    for text in flags.component_flag:
        if "=" not in text:
            parser.error(f"--component-flag {text!r} names no flag: write NAME=FLAG")

    wishes = Wishes(
        flags.data_dir,
        nodes=flags.nodes,
        runtime=flags.runtime,
        port=flags.port,
        bind_address=flags.bind_address,
        token_auth_file=flags.token_auth_file,
        cloud_provider="" if flags.cloud_provider == "none" else flags.cloud_provider,
        timeout=flags.timeout,
        component_flags=tuple(tuple(text.split("=", 1)) for text in flags.component_flag),
        without=frozenset(flags.without),
    )
    return up(wishes, detach=flags.detach)
