"""Run the benchmarks (all, or those named) and print their figures beside the goals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.api_load import api_load
from benchmarks.apiserver_start import apiserver_start
from benchmarks.custom_objects import custom_objects
from benchmarks.fairness import fairness
from benchmarks.figures import Figure, table
from benchmarks.first_pod import first_pod
from benchmarks.idle import idle
from benchmarks.object_counts import object_counts
from benchmarks.scale import PICTURES, scale
from benchmarks.sim_scale import sim_scale

BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "apiserver_start": apiserver_start,
    "first_pod": first_pod,
    "sim_scale": sim_scale,
    "idle": idle,
    "api_load": api_load,
    "custom_objects": custom_objects,
    "object_counts": object_counts,
    "fairness": fairness,
    "scale": scale,
}


def main(arguments: list[str]) -> int:
    """Returns 0 when every figure is within its goal, 1 when one is not; ends with 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--plot", action="store_true", help="let scale write its figures and curves into docs/scale")
    parser.add_argument(
        "--peer", type=Path, metavar="FOLDER", help="let api_load measure the kube-apiserver and etcd of a folder too"
    )
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    benchmarks: dict[str, Callable[[], list[Figure]]] = {**BENCHMARKS, "api_load": partial(api_load, chosen.peer)}
    if chosen.plot:
        benchmarks["scale"] = partial(scale, PICTURES)
    figures: list[Figure] = []
    for name in chosen.names or BENCHMARKS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += benchmarks[name]()
    print(table(figures))
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
