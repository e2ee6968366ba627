"""`python -m proxy`."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the proxy until SIGTERM; returns the exit code."""
    from client.component import add_boolean, flag_parser, run
    from proxy.server import add_flags, iptables_mode, work

    parser = flag_parser("kube-proxy", "Makes Services reachable on this machine.")
    add_flags(parser, add_boolean)
    options = parser.parse_args(argv)
    if options.cleanup:
        import asyncio

        from proxy.iptables import IptablesError

        try:
            asyncio.run(iptables_mode(options).remove())
        except IptablesError as error:
            print(f"kube-proxy: {error}", file=sys.stderr)
            return 1
        return 0
    return run("kube-proxy", options, work)


if __name__ == "__main__":
    sys.exit(main())
