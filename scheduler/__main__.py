"""`python -m scheduler`."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the scheduler until SIGTERM; returns the exit code."""
    from client.component import flag_parser, run
    from scheduler.server import add_flags, load, work

    parser = flag_parser("kube-scheduler", "Places pods on nodes.", leader_election=True)
    add_flags(parser)
    options = parser.parse_args(argv)
    try:
        options.plugin = [load(text) for text in options.plugin]
    except ValueError as error:
        parser.error(str(error))
    options.scheduler_name = options.scheduler_name or ["default-scheduler"]
    return run("kube-scheduler", options, work)


if __name__ == "__main__":
    sys.exit(main())
