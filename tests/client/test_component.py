"""The shared shell of components: health, metrics, the end."""

import asyncio
import os
import signal
from argparse import Namespace

from client.component import Component, run
from client.health import HealthServer
from client.metrics import Registry


async def fetch(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_health_and_readiness() -> None:
    ready = False
    server = HealthServer(Registry(), {"loop": lambda: True}, {"informers": lambda: ready})
    port = await server.start("127.0.0.1", 0)
    assert await fetch(port, "/healthz") == (200, "ok")
    code, body = await fetch(port, "/readyz")
    assert code == 500
    assert "[-]informers failed" in body
    ready = True
    assert await fetch(port, "/readyz") == (200, "ok")
    assert (await fetch(port, "/readyz?verbose"))[1].endswith("readyz check passed\n")
    assert (await fetch(port, "/readyz/loop"))[0] == 200
    assert (await fetch(port, "/nothing"))[0] == 404
    await server.stop()


def test_metrics_in_the_text_format() -> None:
    registry = Registry()
    registry.counter("requests_total", "Requests.", ("code",)).inc("200", by=2)
    registry.gauge("depth", "Depth.").set(1.5)
    histogram = registry.histogram("seconds", "Seconds.", buckets=(0.1, 1))
    for value in (0.05, 0.1, 0.5, 3):
        histogram.observe(value)
    assert registry.render().splitlines() == [
        "# HELP depth Depth.",
        "# TYPE depth gauge",
        "depth 1.5",
        "# HELP requests_total Requests.",
        "# TYPE requests_total counter",
        'requests_total{code="200"} 2',
        "# HELP seconds Seconds.",
        "# TYPE seconds histogram",
        'seconds_bucket{le="0.1"} 2',
        'seconds_bucket{le="1"} 3',
        'seconds_bucket{le="+Inf"} 4',
        "seconds_sum 3.65",
        "seconds_count 4",
    ]


def options(**changes: object) -> Namespace:
    flags = {"kubeconfig": "", "master": "http://127.0.0.1:1", "secure_port": 0, "v": 0, "logging_format": "json"}
    return Namespace(**{**flags, **changes})


def test_leaves_on_sigterm_after_cleaning_up() -> None:
    cleaned = []

    async def work(component: Component) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            cleaned.append(component.name)

    assert run("tester", options(), work) == 0
    assert cleaned == ["tester"]


def test_tells_its_parent_when_it_is_ready() -> None:
    reader, writer = os.pipe()

    async def work(component: Component) -> None:
        component.ready()
        component.ready()

    assert run("tester", options(ready_fd=writer), work) == 0
    assert os.read(reader, 10) == b"1"
    os.close(reader)


def test_work_that_fails_is_a_failure() -> None:
    async def work(component: Component) -> None:
        raise RuntimeError("broken")

    assert run("tester", options(), work) == 1
    assert run("tester", options(kubeconfig="/nonexistent"), work) == 1
