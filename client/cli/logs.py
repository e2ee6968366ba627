"""`nanokube logs`."""

from __future__ import annotations

import argparse
import re
import sys

from api.errors import from_answer
from client.cli.session import Document, Session, container_of, parser_for, pod_of, run_session

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}


def run(arguments: list[str]) -> int:
    parser = parser_for("logs", "Show what a pod's container printed.")
    parser.add_argument("pod", metavar="POD", help="a pod, or deployment/NAME for one of its pods")
    parser.add_argument("-c", "--container", metavar="NAME", help="which container")
    parser.add_argument("--all-containers", action="store_true", help="all of them, one after the other")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it prints more")
    parser.add_argument("-p", "--previous", action="store_true", help="of the instance before the last restart")
    parser.add_argument("--tail", type=int, default=-1, metavar="N", help="only the last lines")
    parser.add_argument("--since", type=seconds, metavar="AGE", help="only what is younger, as 90s, 5m or 1h30m")
    parser.add_argument("--since-time", metavar="TIME", help="only what is younger than this RFC 3339 time")
    parser.add_argument("--timestamps", action="store_true", help="with the time of each line")
    parser.add_argument("--limit-bytes", type=int, metavar="N", help="at most so many bytes")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _logs(session, flags))


def seconds(text: str) -> int:
    """A duration in Go's form as whole seconds, at least one.  Raises ValueError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration")
    return max(1, round(sum(float(number) * _UNITS[unit] for number, unit in parts)))


async def _logs(session: Session, flags: argparse.Namespace) -> int:
    pod = await pod_of(session, flags.pod)
    containers = [container_of(pod, flags.container)]
    if flags.all_containers:
        containers = [c["name"] for part in ("initContainers", "containers") for c in pod["spec"].get(part, [])]
    for container in containers:
        await _show(session, flags, pod, container)
    return 0


async def _show(session: Session, flags: argparse.Namespace, pod: Document, container: str) -> None:
    params = {
        "container": container,
        "follow": "true" if flags.follow else "",
        "previous": "true" if flags.previous else "",
        "timestamps": "true" if flags.timestamps else "",
        "tailLines": str(flags.tail) if flags.tail >= 0 else "",
        "sinceSeconds": str(flags.since) if flags.since else "",
        "sinceTime": flags.since_time or "",
        "limitBytes": str(flags.limit_bytes) if flags.limit_bytes else "",
    }
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log"
    async with session.client.stream("GET", path, params=params) as response:
        if response.status_code >= 400:
            raise from_answer(response.status_code, await response.aread())
        async for chunk in response.aiter_raw():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
