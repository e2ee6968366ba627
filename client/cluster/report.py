"""Tells the user how a start goes: straight away in the foreground, through a pipe when the launcher is
another process than the one the user waits for."""

from __future__ import annotations

import os
import sys
from typing import Protocol


class Report(Protocol):
    def progress(self, text: str) -> None:
        """One step is done."""
        ...

    def ready(self, text: str) -> None:
        """The cluster can be used; nothing more will be told."""
        ...

    def failed(self, text: str) -> None:
        """It cannot be started, and why; nothing more will be told."""
        ...


class Console:
    def progress(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def ready(self, text: str) -> None:
        print(text, flush=True)

    def failed(self, text: str) -> None:
        print(f"nanokube: {text}", file=sys.stderr, flush=True)


class Pipe:
    """The sending end: each message is one letter and a line."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def progress(self, text: str) -> None:
        self._send("P", text)

    def ready(self, text: str) -> None:
        self._send("R", text)

    def failed(self, text: str) -> None:
        self._send("F", text)

    def _send(self, kind: str, text: str) -> None:
        if self._handle >= 0:
            try:
                os.write(self._handle, f"{kind}{text}".encode().replace(b"\n", b"\x1f") + b"\n")
            except BrokenPipeError:  # the user went away; the cluster stays
                kind = "R"
            if kind != "P":
                os.close(self._handle)
                self._handle = -1


def relay(handle: int, report: Report) -> int:
    """The receiving end: tell what arrives; returns the exit code for the user."""
    with os.fdopen(handle, encoding="utf-8") as lines:
        for line in lines:
            kind, text = line[0], line[1:].rstrip("\n").replace("\x1f", "\n")
            if kind == "P":
                report.progress(text)
            elif kind == "R":
                report.ready(text)
                return 0
            else:
                report.failed(text)
                return 1
    report.failed("the launcher ended without a word; its log may say more")
    return 1
