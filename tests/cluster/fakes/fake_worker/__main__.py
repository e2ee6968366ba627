"""Stands in for any other component."""

import os
import signal
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    name, folder, *rest = argv or []

    def write(line: str) -> None:
        with (Path(folder) / "journal").open("a") as file:
            file.write(line + "\n")

    def end(*_: object) -> None:
        write(f"ended {name}")
        os._exit(0)

    if "--cleanup" in rest:
        write(f"cleaned {name}")
        return 0
    if "--fail" in rest:
        raise SystemExit("cannot go on: no reason given")
    signal.signal(signal.SIGTERM, end)
    write(f"started {name}")
    while True:
        signal.pause()
