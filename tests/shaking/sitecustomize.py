"""Shakes the event loops of every Python process that finds this folder on its path, to bring races to light.

`SHAKE` is the share (0 to 1) of reads from a socket that come late, by 5 ms to 2 s, each connection for itself: an
answer may arrive before a watch tells of the write, or the other way round, and two requests may overtake each other.
One turn of a loop in sixty times as many stalls, as when the machine has no time for the process.  All of this happens
on a busy machine, if seldom.  uvloop, whose sockets cannot be shaken, is kept away.

`make test SHAKE=0.05`, with `SHAKE_SEED` to make a run a little more like another.
"""

from __future__ import annotations

import asyncio.base_events
import asyncio.selector_events
import os
import random
import sys
import time
from typing import Any


def late(chance: random.Random) -> float:
    """Seconds that something comes late by: mostly moments, seldom more than a second."""
    kind = chance.random()
    if kind < 0.05:
        return chance.uniform(0.8, 2.0)
    if kind < 0.3:
        return chance.uniform(0.15, 0.6)
    return chance.uniform(0.005, 0.12)


def shake(share: float, chance: random.Random) -> None:
    """Let this share of the reads of every asyncio socket of this process come late, and loops stall."""
    transport: Any = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    read = transport._read_ready

    def read_ready(self: Any) -> None:
        if chance.random() < share and not self.__dict__.get("_is_late"):
            self.__dict__["_is_late"] = True
            self._loop._remove_reader(self._sock_fd)
            self._loop.call_later(late(chance), read_late, self)
            return
        read(self)

    def read_late(self: Any) -> None:
        self.__dict__["_is_late"] = False
        if not self._closing and not self._paused and not self._conn_lost:
            self._add_reader(self._sock_fd, self._read_ready)
            read(self)

    transport._read_ready = read_ready

    loop: Any = asyncio.base_events.BaseEventLoop
    run_once = loop._run_once

    def stall(self: Any) -> None:
        if chance.random() < share / 60:
            time.sleep(late(chance) / 2)
        run_once(self)

    loop._run_once = stall


if _share := float(os.environ.get("SHAKE") or 0):
    _modules: dict[str, Any] = sys.modules
    _modules["uvloop"] = None
    _seed = os.environ.get("SHAKE_SEED")
    shake(_share, random.Random(f"{_seed} {os.getpid()}" if _seed else None))
