"""`python -m kubelet`: one node with real containers, or any number of pretended ones."""

from __future__ import annotations

import sys

from client.component import run
from kubelet.options import OptionError, parser
from kubelet.process import KubeletProcess, clean_up


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; returns the exit code.  Safe in a freshly forked process."""
    options = parser().parse_args(argv)
    try:
        if options.cleanup:
            return clean_up(options)
        process = KubeletProcess(options)
    except OptionError as error:
        print(f"kubelet: {error}", file=sys.stderr)
        return 1
    return run("kubelet", options, process.run)


if __name__ == "__main__":
    sys.exit(main())
