"""Who the server takes somebody for."""

from __future__ import annotations

from typing import Any

from tests.apiserver.conftest import ApiServer


def user_of(server: ApiServer, token: str, **headers: str) -> dict[str, Any]:
    """The user that a token stands for, as the server tells its bearer."""
    with server.client(token) as client:
        answer = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["status"]["userInfo"]
    return found
