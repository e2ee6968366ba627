"""`python -m metrics_server`: metrics-server's flags, where it has them."""

from __future__ import annotations

import argparse
import sys

from client.component import Component, add_boolean, duration, flag_parser, run

NAME = "metrics-server"
_MOMENT = 3.0
"""Seconds after the start of a cluster in which nobody needs figures, and everybody the processors."""


def parser() -> argparse.ArgumentParser:
    flags = flag_parser(NAME, "serves metrics.k8s.io: what nodes and pods use")
    flags.add_argument("--metric-resolution", type=duration, default=10.0, help="figures may be that old; default 10s")
    add_boolean(flags, "--register", False, "make the API server ask us, on this machine, a moment after the start")
    return flags


async def work(component: Component) -> None:
    """Serve until cancelled."""
    import asyncio

    from metrics_server.answers import Answers
    from metrics_server.registration import register
    from metrics_server.server import FrontProxies, serve, tls_context
    from metrics_server.usage import Meter

    options, client = component.options, component.client
    if options.register:
        await component.clock.sleep(_MOMENT)
    proxies = await FrontProxies.read(client)
    context = tls_context(options.tls_cert_file, options.tls_private_key_file, proxies)
    answers = Answers(client, Meter(client, component.clock, options.metric_resolution))
    async with await serve(answers.answer, proxies, context, options.bind_address, options.api_port) as server:
        if options.register:
            await register(client, server.sockets[0].getsockname()[1])
        component.ready()
        await asyncio.Event().wait()


def main(argv: list[str] | None = None) -> int:
    flags = parser()
    options = flags.parse_args(argv)
    if not options.tls_cert_file:
        flags.error("--tls-cert-file is needed: front proxies speak nothing but TLS")
    # The API is what --secure-port serves here, not health alone.
    options.api_port, options.secure_port = options.secure_port, 0
    return run(NAME, options, work)


if __name__ == "__main__":
    sys.exit(main())
