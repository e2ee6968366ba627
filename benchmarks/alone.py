"""An API server that runs alone, and the load that is put on it.

The loops of requests are wrk's (a Debian package): a client written in Python would measure itself.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cluster import Cluster

TOKEN = "benchmark"
_HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}


@dataclass(frozen=True)
class Rate:
    """What one loop of requests came to: requests in a second, and the 99th percentile of their times in ms."""

    per_second: float
    p99_ms: float


class Server:
    """The server's processes, the one that answers first among them, and one connection to it."""

    def __init__(self, port: int, processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self.port, self.processes = port, processes
        self.start_seconds = seconds
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPSConnection:
        insecure = ssl._create_unverified_context()  # the server is our own child
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=insecure)

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Stands still for the block, so that another has the machine to itself."""
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self.processes:
                process.send_signal(signal.SIGCONT)

    def call(self, method: str, path: str, body: Any = None, connection: Any = None) -> Any:
        """One request; the parsed answer.  Raises RuntimeError for a refusal."""
        connection = connection or self.connection
        headers = {**_HEADERS, "Content-Type": "application/json"} if body is not None else _HEADERS
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return json.loads(content)

    def load(self, path: str, connections: int, seconds: int, request: str = "return wrk.format()") -> Rate:
        """Send requests over so many connections at once; `request` is the Lua that makes each."""
        if shutil.which("wrk") is None:
            raise RuntimeError("this benchmark needs wrk: apt-get install wrk")
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(_LUA % (TOKEN, request))
            script.flush()
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
            done = subprocess.run(
                [*command, "-s", script.name, self.url + path], capture_output=True, text=True, check=True
            )
        if "Non-2xx" in done.stdout:
            raise RuntimeError(f"refused requests on {path}:\n{done.stdout}")
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
        if rate is None or p99 is None:
            raise RuntimeError(f"wrk printed no rate:\n{done.stdout}")
        return Rate(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])

    @property
    def resident_megabytes(self) -> float:
        """Of all its processes."""
        return sum(_resident_megabytes(process.pid) for process in self.processes)


def _resident_megabytes(pid: int) -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


_LUA = """
local counter = 0
function init(args) math.randomseed(os.time()); wrk.headers["Authorization"] = "Bearer %s" end
function request() counter = counter + 1; %s end
"""


@contextmanager
def server(folder: Path | None = None, tokens: str = "", flags: Sequence[str] = ()) -> Iterator[Server]:
    """A server for the block, in a new folder or over the database that is in `folder`.

    `tokens` are further lines of the file of tokens.
    """
    with tempfile.TemporaryDirectory(prefix="nanokube-bench-") as made:
        where = folder or Path(made)
        known = Path(made) / "tokens.csv"
        known.write_text(f"{TOKEN},admin,admin,system:masters\n{tokens}")
        port = Cluster(where).port
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "apiserver", "--data-dir", str(where), "--secure-port", str(port)]
        command += ["--token-auth-file", str(known), "--ready-fd", str(writing), *flags]
        began = time.perf_counter()
        process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        try:
            ready = os.read(reading, 1)
            took = time.perf_counter() - began
            if not ready:
                raise RuntimeError("the API server did not start")
            yield Server(port, [process], took)
        finally:
            os.close(reading)
            process.terminate()
            process.wait()
