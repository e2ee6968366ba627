"""`nanokube down`: ends a cluster and everything it runs; its data stays."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from api.clock import Clock, SystemClock
from client.cluster.components import Component, components_of
from client.cluster.data_dir import DataDir, RunState, Settings
from client.cluster.errors import ClusterError
from client.cluster.orphans import Watched, end_orphans
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
        with Watched([owner]) as launcher:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner, signal.SIGTERM)
            if not launcher.gone(clock, 2 * STOP_GRACE + CLEANUP_GRACE + 5):
                raise ClusterError(f"the launcher (process {owner}) does not end; its log is {data.log('launcher')}")
    left = RunState.load(data.run_state)  # there only where the launcher was killed, be it in this moment
    settings = Settings.load(data.settings)
    if left is None or settings is None:
        return owner is not None
    data.lock()
    try:
        end_orphans(left, clock)
        supervisor = Supervisor(data, plan(data, settings), Console(), clock, wait=lambda _: lambda: 0)
        supervisor.stop_leftovers()
    finally:
        data.unlock()
    return True
