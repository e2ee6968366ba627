"""Processes that are not this one's children: a launcher in the background, components whose launcher was killed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable

from api.clock import Clock
from client.cluster.data_dir import RunState
from client.cluster.process import is_component
from client.cluster.supervisor import STOP_GRACE


def end_orphans(left: RunState, clock: Clock) -> None:
    """End components whose launcher is gone (they were told to end by the kernel already)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        alive = [pid for pid in left.components.values() if is_component(pid)]
        with Watched(alive) as orphans:
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if orphans.gone(clock, STOP_GRACE):
                return


class Watched:
    """Processes that are not our children, watched through pidfds: no polling, no mistaken identity."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._handles = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self._handles.append(os.pidfd_open(pid))

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            os.close(handle)

    def gone(self, clock: Clock, seconds: float) -> bool:
        """Wait until all have ended; False when some have not by then."""
        poll = select.poll()
        for handle in self._handles:
            poll.register(handle, select.POLLIN)
        left = set(self._handles)
        deadline = clock.monotonic() + seconds
        while left and (rest := deadline - clock.monotonic()) > 0:
            for handle, _ in poll.poll(rest * 1000):
                poll.unregister(handle)
                left.discard(handle)
        return not left
