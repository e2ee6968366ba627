"""What was acknowledged is there after the worst that can happen; what cannot work says why."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.apiserver.conftest import ApiServer, Watch
from tests.ports import free_port


def test_acknowledged_writes_survive_kill(own_server: ApiServer) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()

    def write() -> None:
        with own_server.client() as client:
            for index in range(10_000):
                try:
                    name = f"w{index}"
                    answer = client.post("/api/v1/namespaces/default/configmaps", json={"metadata": {"name": name}})
                except httpx.HTTPError:
                    return
                if answer.status_code == 201:
                    acknowledged.append(name)
                if len(acknowledged) >= 100:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(timeout=60)
    own_server.kill()
    writer.join()
    own_server.start()
    with own_server.client() as client:
        items = client.get("/api/v1/namespaces/default/configmaps").json()["items"]
    assert set(acknowledged) <= {item["metadata"]["name"] for item in items}


def test_watch_resumes_over_a_restart(own_server: ApiServer) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    with own_server.client() as client:
        version = client.get(maps).json()["metadata"]["resourceVersion"]
        client.post(maps, json={"metadata": {"name": "before"}})
    assert own_server.stop() == 0
    own_server.start()
    with own_server.client() as client:
        client.post(maps, json={"metadata": {"name": "after"}})
        watch = Watch(client, maps, resourceVersion=version)
        names = [event["object"]["metadata"]["name"] for event in watch.take(2)]
        watch.close()
    assert names == ["before", "after"]


def test_stopping_ends_open_watches_at_once(own_server: ApiServer) -> None:
    with own_server.client() as client:
        watch = Watch(client, "/api/v1/configmaps", resourceVersion="0")
        assert own_server.stop() == 0
        watch.close()


def test_watches_that_begin_while_the_server_stops_are_ended_and_not_cut_off(own_server: ApiServer) -> None:
    """client-go's reflectors begin anew as soon as a watch has ended."""

    def follow(watch: Watch, client: httpx.Client) -> None:
        while True:
            for _ in watch.response.iter_lines():  # raises when it is cut off
                pass
            watch.close()
            try:
                watch = Watch(client, "/api/v1/configmaps", resourceVersion="0")
            except httpx.TransportError:
                return  # there is no server any more

    with ExitStack() as open_clients, ThreadPoolExecutor() as threads:
        clients = [open_clients.enter_context(own_server.client()) for _ in range(8)]
        watches = [Watch(client, "/api/v1/configmaps", resourceVersion="0") for client in clients]
        following = [threads.submit(follow, *each) for each in zip(watches, clients, strict=True)]
        assert own_server.stop() == 0
        for each in following:
            each.result(timeout=60)


def _refusal(*flags: str) -> tuple[int, str]:
    finished = subprocess.run([sys.executable, "-m", "apiserver", *flags], capture_output=True, text=True, timeout=120)
    return finished.returncode, finished.stderr


def test_second_server_on_the_folder_is_refused(own_server: ApiServer) -> None:
    status, text = _refusal("--secure-port", str(free_port()), "--data-dir", str(own_server.folder / "data"))
    assert status == 1
    assert len(text.strip().splitlines()) == 1, text


def test_taken_port_is_refused(own_server: ApiServer, tmp_path: Path) -> None:
    status, text = _refusal("--secure-port", str(own_server.port), "--data-dir", str(tmp_path / "other"))
    assert status == 1
    assert "choose another with --secure-port" in text


def test_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    before = (tmp_path / "state.db").read_bytes()
    status, text = _refusal("--secure-port", str(free_port()), "--data-dir", str(tmp_path))
    assert (status, len(text.strip().splitlines())) == (1, 1), text
    assert (tmp_path / "state.db").read_bytes() == before


def test_corrupt_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"this is no database" * 500)
    status, text = _refusal("--secure-port", str(free_port()), "--data-dir", str(tmp_path))
    assert (status, len(text.strip().splitlines())) == (1, 1), text
    assert (tmp_path / "state.db").read_bytes() == b"this is no database" * 500
