"""`nanokube reset`."""

from __future__ import annotations

import argparse
import sys

from client.cli.up import data_dir_flag


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="nanokube reset", description="End a cluster and erase its data for good.")
    data_dir_flag(parser)
    flags = parser.parse_args(arguments)

    from client.cluster.errors import ClusterError
    from client.cluster.reset import reset

    try:
        erased = reset(flags.data_dir)
    except ClusterError as error:
        print(f"nanokube: {error}", file=sys.stderr)
        return 1
    print("The cluster and its data are gone." if erased else f"There is no cluster in {flags.data_dir}.")
    return 0
