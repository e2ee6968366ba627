"""Ten thousand pods on a thousand pretended nodes, and how the costs grow on the way there.

Every number of pods gets a new cluster of a thousand nodes: Deployments of mixed sizes behind Services, made by the
real controllers, scheduler and API server.  The kubelets only pretend to run the pods; what they cost is counted apart.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import usage, workloads
from benchmarks.cluster import Cluster, cluster
from benchmarks.figures import Figure

NODES = 1000
PICTURES = Path(__file__).parent.parent / "docs" / "scale"
COUNTS = (1_000, 2_000, 5_000, 10_000)
_PATIENCE = 900.0
_SETTLE, _IDLE = 20.0, 40.0


@dataclass(frozen=True)
class Measured:
    """One cluster's figures: seconds, megabytes, processor seconds by component; the rest says its name."""

    pods: int
    seconds_until_ready: float
    seconds_until_served: float
    """Until every pod is a ready endpoint of its Service, too."""
    seconds_until_gone: float
    processor_up: dict[str, float]
    processor_down: dict[str, float]
    peak_memory: float
    """Of the control plane, as the settled."""
    settled_memory: dict[str, float]
    idle_share: dict[str, float]
    """Parts of one core."""
    idle_requests_per_second: float

    @property
    def milliseconds_per_pod(self) -> float:
        """Processor time of the control plane until all pods are ready."""
        return 1000 * usage.of_control_plane(self.processor_up) / self.pods


def scale(pictures: Path | None = None) -> list[Figure]:
    """With a folder for `pictures`, write the figures and draw their curves there."""
    measured = measure(COUNTS)
    if pictures is not None:
        from benchmarks.scale_plot import draw  # only who draws needs matplotlib

        write(pictures / "measured.json", measured)
        draw(measured, pictures)
    return figures(measured)


def measure(counts: tuple[int, ...]) -> list[Measured]:
    found = []
    for pods in counts:
        with cluster("--runtime", "sim", "--nodes", str(NODES)) as running:
            found.append(_measure(running, pods))
        print(f"  {json.dumps(asdict(found[-1]))}", file=sys.stderr, flush=True)
    return found


def read(path: Path) -> list[Measured]:
    """What an earlier run wrote down."""
    return [Measured(**each) for each in json.loads(path.read_text())]


def write(path: Path, measured: list[Measured]) -> None:
    path.write_text(json.dumps([asdict(each) for each in measured], indent=1, sort_keys=True) + "\n")


def _measure(running: Cluster, pods: int) -> Measured:
    with usage.watched(running) as up:
        began = time.perf_counter()
        running.run(lambda client: workloads.create(client, pods))
        running.run(lambda client: workloads.until(workloads.ready, pods, client, _PATIENCE))
        ready = time.perf_counter() - began
        running.run(lambda client: workloads.until(workloads.served, pods, client, _PATIENCE))
        served = time.perf_counter() - began
    time.sleep(_SETTLE)
    settled = usage.memory(running)
    requests, before = running.run(usage.requests_served), usage.processor_times(running)
    time.sleep(_IDLE)
    after = usage.processor_times(running)
    answered = running.run(usage.requests_served) - requests - 1
    with usage.watched(running) as down:
        began = time.perf_counter()
        running.run(workloads.scale_to_zero)
        running.run(lambda client: workloads.until(workloads.left, 0, client, _PATIENCE))
        gone = time.perf_counter() - began
    return Measured(
        pods=pods,
        seconds_until_ready=round(ready, 1),
        seconds_until_served=round(served, 1),
        seconds_until_gone=round(gone, 1),
        processor_up=_rounded(up.processor),
        processor_down=_rounded(down.processor),
        peak_memory=round(max(up.peak, down.peak), 1),
        settled_memory=_rounded(settled),
        idle_share=_rounded({name: (after[name] - before[name]) / _IDLE for name in after}, 4),
        idle_requests_per_second=round(answered / _IDLE, 1),
    )


def _rounded(figures: dict[str, float], digits: int = 1) -> dict[str, float]:
    return {name: round(value, digits) for name, value in figures.items()}


def figures(measured: list[Measured]) -> list[Figure]:
    fewest, most = measured[0], measured[-1]
    what = f"{most.pods} pods on {NODES} sim nodes"
    growth = most.milliseconds_per_pod / fewest.milliseconds_per_pod
    idle = [100 * usage.of_control_plane(most.idle_share), 100 * most.idle_share["kubelet"]]
    return [
        Figure(f"{what} ready", "s", [most.seconds_until_ready], 120),
        Figure(f"{what} behind their services", "s", [most.seconds_until_served]),
        Figure(f"{what} scaled to zero", "s", [most.seconds_until_gone]),
        Figure(f"{what}: peak memory of the control plane (PSS)", "MB", [most.peak_memory], 1500),
        Figure(f"{what}: settled memory", "MB", [usage.of_control_plane(most.settled_memory)]),
        Figure(f"{what}: processor time of the idle control plane", "% of a core", [idle[0]]),
        Figure(f"{what}: processor time of the idle kubelets", "% of a core", [idle[1]]),
        Figure(f"{what}: requests when idle", "/s", [most.idle_requests_per_second]),
        Figure(f"processor time of a pod, {most.pods} / {fewest.pods} pods", "", [growth], 1.3),
    ]
