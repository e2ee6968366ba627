"""`nanokube down`."""

from __future__ import annotations

import argparse
import sys

from client.cli.up import data_dir_flag


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="nanokube down", description="End a cluster with all its pods, processes and rules. Its data stays."
    )
    data_dir_flag(parser)
    flags = parser.parse_args(arguments)

    from client.cluster.down import down
    from client.cluster.errors import ClusterError

    try:
        ended = down(flags.data_dir)
    except ClusterError as error:
        print(f"nanokube: {error}", file=sys.stderr)
        return 1
    print("The cluster has ended." if ended else f"No cluster runs on {flags.data_dir}.")
    return 0
