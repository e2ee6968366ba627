"""`nanokube down`: ends a cluster and everything it runs; its data stays."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from api.clock import Clock, SystemClock
from client.cluster.components import Component, components_of
from client.cluster.data_dir import DataDir, RunState, Settings
from client.cluster.errors import ClusterError
from client.cluster.process import is_component
from client.cluster.report import Console
from client.cluster.supervisor import CLEANUP_GRACE, STOP_GRACE, Supervisor


def down(
    data_dir: Path, *, plan: Callable[[DataDir, Settings], list[Component]] = components_of, clock: Clock | None = None
) -> bool:
    """End the cluster of that folder; True when there was something to end.

    Also when its launcher was killed: then what is left of it is found by the folder's records.
    Raises ClusterError when it does not end.
    """
    clock = clock or SystemClock()
    data = DataDir(data_dir)
    owner = data.owner()
    if owner is not None:
        with _Watched([owner]) as launcher:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner, signal.SIGTERM)
            if not launcher.gone(clock, 2 * STOP_GRACE + CLEANUP_GRACE + 5):
                raise ClusterError(f"the launcher (process {owner}) does not end; its log is {data.log('launcher')}")
        return True
    left = RunState.load(data.run_state)
    settings = Settings.load(data.settings)
    if left is None or settings is None:
        return False
    data.lock()
    try:
        _end_orphans(left, clock)
        supervisor = Supervisor(data, plan(data, settings), Console(), clock, wait=lambda _: lambda: 0)
        supervisor.stop_leftovers()
    finally:
        data.unlock()
    return True


def _end_orphans(left: RunState, clock: Clock) -> None:
    """End components whose launcher is gone (they were told to end by the kernel already)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        alive = [pid for pid in left.components.values() if is_component(pid)]
        with _Watched(alive) as orphans:
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if orphans.gone(clock, STOP_GRACE):
                return


class _Watched:
    """Processes that are not our children, watched through pidfds: no polling, no mistaken identity."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._handles = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self._handles.append(os.pidfd_open(pid))

    def __enter__(self) -> _Watched:
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
