"""Many requests over one connection; what must never be answered is noticed at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

from tests.apiserver.conftest import ApiServer
from tests.malformed.raw import DEADLINE

JSON, YAML = "application/json", "application/yaml"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


def applying(path: str) -> str:
    """The path with the parameters that an apply needs."""
    return f"{path}{'&' if '?' in path else '?'}fieldManager=fuzz&force=true"


class Sender:
    """The administrator's connection.  `failures` are the requests that were answered with a 5xx."""

    def __init__(self, server: ApiServer) -> None:
        self.failures: list[str] = []
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", server.port, timeout=DEADLINE, context=server.trust()
        )

    def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str = JSON, *, accept: str = JSON
    ) -> tuple[int, bytes]:
        """Status and body."""
        headers = {"Authorization": "Bearer admintoken", "Content-Type": content_type, "Accept": accept}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            answered = response.read()
        except (ConnectionError, ssl.SSLError, http.client.HTTPException):
            # Whoever refuses a body that is too large may end the connection before all of it is sent.
            self._connection.close()
            assert body is not None
            assert len(body) > 1_000_000, f"no answer to {method} {path} {content_type} {body[:2000]!r}"
            return 413, b""
        if response.status >= 500:
            self.failures.append(f"{method} {path} {content_type} {(body or b'')[:500]!r}: {answered[:500]!r}")
        return response.status, answered

    def get(self, path: str) -> Any:
        status, body = self.send("GET", path)
        assert status == 200, body
        return json.loads(body)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def sender(server: ApiServer) -> Iterator[Sender]:
    """A connection on which nothing may have failed in the end."""
    sending = Sender(server)
    try:
        yield sending
    finally:
        sending.close()
    shown = "\n".join(sending.failures[:20])
    assert not sending.failures, f"{len(sending.failures)} requests failed:\n{shown}"
