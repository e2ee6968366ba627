"""A container's output as its log file, in the CRI format: `<RFC 3339 time, nanoseconds> <stream> <F|P> <line>`
(https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md).

Part of the shim (see zygote.py).  The log is kept by a process that lives on the machine's own time, whatever time
the cluster's components have been given.
"""

from __future__ import annotations

import os
import time

LONGEST_ENTRY = 16384  # bytes; longer lines are cut into P (partial) entries, as containerd does


class LogWriter:
    """Writes entries, and starts a new file when one is full: `0.log` is renamed to `0.log.<time>`, the oldest
    beyond `max_files` (the current one counted) are deleted.  A disk that is full loses entries, never the
    container."""

    def __init__(self, path: str, max_bytes: int, max_files: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.max_files = max_files
        self.fd = -1
        self.size = 0
        self.pending = {"stdout": b"", "stderr": b""}
        self._open()

    def write(self, stream: str, data: bytes) -> None:
        """Take output as it came; the end of an unfinished line waits for the rest of it."""
        lines = (self.pending[stream] + data).split(b"\n")
        rest = lines.pop()
        stamp = _timestamp()
        whole, part = f"{stamp} {stream} F ".encode(), f"{stamp} {stream} P ".encode()
        entries = []
        for line in lines:
            while len(line) > LONGEST_ENTRY:
                entries += [part, line[:LONGEST_ENTRY], b"\n"]
                line = line[LONGEST_ENTRY:]
            entries += [whole, line, b"\n"]
        while len(rest) > LONGEST_ENTRY:
            entries += [part, rest[:LONGEST_ENTRY], b"\n"]
            rest = rest[LONGEST_ENTRY:]
        self.pending[stream] = rest
        if entries:
            self._append(b"".join(entries))

    def close(self) -> None:
        """Write what waits for the end of its line, as partial entries."""
        for stream, rest in self.pending.items():
            if rest:
                self._append(f"{_timestamp()} {stream} P ".encode() + rest + b"\n")
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _open(self) -> None:
        try:
            self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            self.size = os.fstat(self.fd).st_size
        except OSError:
            self.fd = -1

    def _append(self, entries: bytes) -> None:
        if self.fd < 0:
            self._open()
        try:
            while entries:
                written = os.write(self.fd, entries)
                self.size += written
                entries = entries[written:]
        except OSError:
            return
        if self.max_bytes and self.size >= self.max_bytes:
            self._rotate()

    def _rotate(self) -> None:
        seconds, fraction = divmod(time.time_ns(), 10**9)  # asked once: the names are in order of time
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
        try:
            os.rename(self.path, f"{self.path}.{stamp}.{fraction:09d}")
            directory, name = os.path.split(self.path)
            old = sorted(entry for entry in os.listdir(directory) if entry.startswith(name + "."))
            for entry in old[: max(0, len(old) - (self.max_files - 1))]:
                os.unlink(os.path.join(directory, entry))
        except OSError:
            return  # goes on in the old file and tries again at the next write
        os.close(self.fd)
        self._open()


def _timestamp() -> str:
    nanoseconds = time.time_ns()
    seconds, fraction = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"
