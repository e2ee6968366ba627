"""`nanokube status`."""

from __future__ import annotations

import argparse
import sys

from client.cli.up import data_dir_flag


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="nanokube status", description="Show what runs of a cluster. The exit code is 0 when all of it does."
    )
    data_dir_flag(parser)
    flags = parser.parse_args(arguments)

    from client.cluster.errors import ClusterError
    from client.cluster.status import status

    try:
        found = status(flags.data_dir)
    except ClusterError as error:
        print(f"nanokube: {error}", file=sys.stderr)
        return 1
    print("\n".join(found.lines))
    return 0 if found.healthy else 1
