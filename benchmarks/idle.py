"""What a cluster costs that has nothing to do: memory and processor time of all its processes."""

from __future__ import annotations

import sys
import time

from benchmarks.cluster import cluster, family, processor_seconds, proportional_megabytes
from benchmarks.figures import Figure

SETTLE = 10.0
WATCHED = 30.0


def idle() -> list[Figure]:
    with cluster() as running:
        processes = running.processes()
        time.sleep(SETTLE)
        before = {
            name: sum(map(processor_seconds, family(pid))) for name, pid in processes.items() if name != "launcher"
        }
        before["launcher"] = processor_seconds(processes["launcher"])
        time.sleep(WATCHED)
        after = {
            name: sum(map(processor_seconds, family(pid))) for name, pid in processes.items() if name != "launcher"
        }
        after["launcher"] = processor_seconds(processes["launcher"])
        memory = {
            name: sum(map(proportional_megabytes, family(pid))) for name, pid in processes.items() if name != "launcher"
        }
        memory["launcher"] = proportional_megabytes(processes["launcher"])
    for name in processes:
        share = 100 * (after[name] - before[name]) / WATCHED
        print(f"  {name:<20} {memory[name]:6.1f} MB {share:5.2f} % of a core", file=sys.stderr)
    total = 100 * (sum(after.values()) - sum(before.values())) / WATCHED
    return [
        Figure("memory of the idle cluster (PSS, all processes)", "MB", [sum(memory.values())], 200),
        Figure("processor time of the idle cluster", "% of a core", [total], 0.5),
    ]
