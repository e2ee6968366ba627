"""Stands in for the API server: says that it serves, and stays until it is told to end."""

import os
import signal
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    arguments = list(argv or [])
    data = Path(arguments[arguments.index("--data-dir") + 1])
    journal = data / "journal"

    def write(line: str) -> None:
        with journal.open("a") as file:
            file.write(line + "\n")

    def end(*_: object) -> None:
        write("ended apiserver")
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if (data / "broken").exists():
        print("starting", file=sys.stderr)
        print("error: the database is not a cluster's", file=sys.stderr)
        return 1
    write("started apiserver")
    if "--ready-fd" in arguments:
        handle = int(arguments[arguments.index("--ready-fd") + 1])
        os.write(handle, b"1")
        os.close(handle)
    while True:
        signal.pause()
