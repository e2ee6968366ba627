"""Which processes a tree has, and what they use, read from /proc.

Part of the shim (see zygote.py), and used by the kubelet as well.
"""

from __future__ import annotations

import os


def descendants(pid: int) -> list[int]:
    """Process ids of all children, their children, and so on, as the /proc at hand counts them."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            with open(f"/proc/{parent}/task/{parent}/children") as file:
                children = [int(child) for child in file.read().split()]
        except OSError:
            continue
        found += children
        waiting += children
    return found


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> int:
    """Clock ticks between boot and the process' start: with the pid, that names one process.  0 when gone."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else 0


def session_members(session: int, not_before: int) -> list[int]:
    """Processes of a session that started at or after `not_before` (ticks since boot)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(int(entry))
            if fields and fields[3] == str(session) and int(fields[19]) >= not_before:
                found.append(int(entry))
    return found


def usage(shim: int) -> tuple[int, int]:
    """(CPU nanoseconds since the start, resident bytes) of all a shim started."""
    tick = 10**9 // os.sysconf("SC_CLK_TCK")
    page = os.sysconf("SC_PAGE_SIZE")
    own = stat_fields(shim)
    ticks = int(own[13]) + int(own[14]) if own else 0  # of children that have ended
    resident = 0
    for pid in descendants(shim):
        fields = stat_fields(pid)
        if fields:
            ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
            resident += int(fields[21]) * page
    return ticks * tick, resident
