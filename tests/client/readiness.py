"""How a test hears that a process which it has started is ready."""

from __future__ import annotations

import os
import select

START_DEADLINE = 120.0
"""Seconds that a process may take to its first work: one that hangs fails its test and not the whole suite."""


def says_ready(reader: int) -> bool:
    """Whether a byte comes through the pipe before its other end is closed, and in time.  Closes this end."""
    try:
        return bool(select.select([reader], [], [], START_DEADLINE)[0]) and bool(os.read(reader, 1))
    finally:
        os.close(reader)
