"""Forked children of the launcher."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def fork_child(
    name: str, body: Callable[[], int], log: Path, *, keep: Collection[int] = (), dies_with_parent: bool = True
) -> int:
    """Run `body` in a child in its own session, its output appended to `log`; returns the child's process id.

    The child has no open files of the parent's but those in `keep`, the default signal handlers, and is asked
    to end (SIGTERM) when the parent is gone, however it went.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(name, log, keep)
        if dies_with_parent:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
        _leave(_call(body))
    except BaseException:  # nothing may escape into the parent's code
        with contextlib.suppress(BaseException):
            traceback.print_exc()
        os._exit(1)


def component_body(modules: Sequence[str], arguments: list[str], gate: int | None = None) -> Callable[[], int]:
    """The body that runs `main` of the first of the modules: import them all, wait until `gate` (a pipe's reading
    end) is closed, run it."""

    def body() -> int:
        loaded = [importlib.import_module(module) for module in modules]
        gc.freeze()  # what is imported stays: looking through it costs time and unshares pages
        gc.enable()
        if gate is not None:
            os.read(gate, 1)
            os.close(gate)
        return int(loaded[0].main(arguments) or 0)

    return body


def _become(name: str, log: Path, keep: Collection[int]) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for entry in os.listdir("/proc/self/fd"):
        if (handle := int(entry)) > 2 and handle not in keep:
            with contextlib.suppress(OSError):
                os.close(handle)
    _prctl(_PR_SET_NAME, f"nk-{name}".encode()[:15])


def _call(body: Callable[[], int]) -> int:
    try:
        return body()
    except SystemExit as exit_:
        if exit_.code is None or isinstance(exit_.code, int):
            return exit_.code or 0
        print(exit_.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _prctl(option: int, value: int | bytes) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def is_component(pid: int) -> bool:
    """Whether that process is (still) one that `fork_child` made: numbers are used again."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("nk-")
    except OSError:
        return False
