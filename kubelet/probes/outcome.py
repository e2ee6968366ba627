"""What one attempt of a probe found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` marks an attempt that could not be made at all: it counts neither way."""

    success: bool
    output: str = ""
    error: bool = False
