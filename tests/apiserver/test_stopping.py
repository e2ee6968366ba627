"""A server that is asked to end."""

from __future__ import annotations

import threading

import httpx

from tests.apiserver.conftest import ApiServer

WATCHERS = 4


def test_clients_that_watch_again_at_once_do_not_keep_it(own_server: ApiServer) -> None:
    watching = threading.Semaphore(0)
    ended: list[str] = []

    def watch() -> None:
        with own_server.client() as client:
            try:
                while True:
                    with client.stream("GET", "/api/v1/namespaces?watch=1") as stream:
                        watching.release()
                        stream.read()
            except httpx.TransportError as error:
                ended.append(type(error).__name__)

    threads = [threading.Thread(target=watch) for _ in range(WATCHERS)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert watching.acquire(timeout=60)
    assert own_server.stop() == 0
    for thread in threads:
        thread.join(60)
    assert len(ended) == WATCHERS
    log = own_server.log.read_text()
    assert "graceful shutdown exceeded" not in log
    assert "Traceback" not in log
