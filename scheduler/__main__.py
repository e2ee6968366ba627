"""`python -m scheduler`."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the scheduler until SIGTERM; returns the exit code."""
    from client.component import flag_parser, run
    from scheduler.server import add_flags, complete, work

    parser = flag_parser("kube-scheduler", "Places pods on nodes.", leader_election=True)
    add_flags(parser)
    options = parser.parse_args(argv)
    try:
        complete(options)
    except ValueError as error:
        parser.error(str(error))
    return run("kube-scheduler", options, work)


if __name__ == "__main__":
    sys.exit(main())
