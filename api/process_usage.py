"""What this process uses, under the names that every Prometheus client gives it.

https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path


def usage(started: float) -> Iterator[tuple[str, str, float]]:
    """Name, kind and value of each: seconds of processor time, seconds since 1970 of the start (which the caller
    knows), bytes of memory, and open files where the system says how many."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    yield "process_cpu_seconds_total", "counter", own.ru_utime + own.ru_stime
    yield "process_start_time_seconds", "gauge", started
    if sys.platform == "linux":
        virtual, resident, *_ = map(int, Path("/proc/self/statm").read_text().split())
        yield "process_virtual_memory_bytes", "gauge", virtual * resource.getpagesize()
        yield "process_resident_memory_bytes", "gauge", resident * resource.getpagesize()
        yield "process_open_fds", "gauge", len(os.listdir("/proc/self/fd"))
    else:
        yield "process_resident_memory_bytes", "gauge", own.ru_maxrss  # the most there was: all the system tells
