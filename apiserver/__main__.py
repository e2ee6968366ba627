"""`python -m apiserver`: serve the Kubernetes API from a data folder."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Sequence

from apiserver.flags import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM.  Returns the exit status: 0, or 1 with one line on stderr when it cannot start."""
    options = parse(argv)
    level = logging.DEBUG if options.verbosity >= 4 else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname).1s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("uvicorn.error", "httpx", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    gc.disable()  # nothing of what is imported is garbage; the server turns it on again
    from apiserver.authentication.tokens import TokenFileError
    from apiserver.configuration_file import ConfigurationError
    from apiserver.pki import PKIError
    from apiserver.server import Server, StartError
    from apiserver.storage.protocol import StoreError

    try:
        options.data_dir.mkdir(parents=True, exist_ok=True)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(Server(options).run())
    except (StartError, StoreError, PKIError, TokenFileError, ConfigurationError) as error:
        print(f"apiserver: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"apiserver: cannot use {options.data_dir}: {error.strerror}; choose another --data-dir", file=sys.stderr)
        return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    sys.exit(main())
