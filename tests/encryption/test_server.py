"""A server that encrypts: what is in its files, and what happens when keys change or are missing."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.apiserver.conftest import ApiServer
from tests.encryption.configurations import IDENTITY, KEY_1, KEY_2, provider, write_configuration
from tests.ports import free_port

PASSWORD = base64.b64encode(b"correct horse battery staple").decode()
SECRETS = "/api/v1/namespaces/default/secrets"
Keep = Callable[[ApiServer], ApiServer]
DEADLINE = 60.0


def encrypting_server(tmp_path: Path, *providers: dict[str, Any], flags: tuple[str, ...] = ()) -> ApiServer:
    path = write_configuration(tmp_path / "encryption.yaml", *providers)
    return ApiServer(tmp_path, "--encryption-provider-config", str(path), *flags)


def files(server: ApiServer) -> bytes:
    """Everything the server has put into its database and what belongs to it."""
    return b"".join(path.read_bytes() for path in (server.folder / "data").glob("state.db*"))


def create(client: httpx.Client, name: str) -> None:
    secret = {"metadata": {"name": name}, "data": {"password": PASSWORD}}
    assert client.post(SECRETS, json=secret).status_code == 201


def rewrite(client: httpx.Client) -> None:
    """As `kubectl get secrets -o json | kubectl replace -f -` does."""
    for item in client.get(SECRETS).json()["items"]:
        assert client.put(f"{SECRETS}/{item['metadata']['name']}", json=item).status_code == 200


def refusal(server: ApiServer) -> str:
    """What a server says that does not start, after making sure that it has changed nothing."""
    database = server.folder / "data/state.db"
    before = database.read_bytes()
    command = [sys.executable, "-m", "apiserver", "--secure-port", str(free_port())]
    ended = subprocess.run(
        [*command, "--data-dir", str(server.folder / "data"), *server.flags],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1
    assert database.read_bytes() == before
    assert len(ended.stderr.splitlines()) == 1
    return ended.stderr


def test_no_secret_is_in_the_files_and_clients_notice_nothing(tmp_path: Path, ends_with_test: Keep) -> None:
    server = ends_with_test(encrypting_server(tmp_path, provider("aesgcm", KEY_1)))
    server.start()
    with server.client() as client:
        create(client, "a")
        config_map = {"metadata": {"name": "open"}, "data": {"greeting": "hello everybody"}}
        assert client.post("/api/v1/namespaces/default/configmaps", json=config_map).status_code == 201
        changed = client.patch(
            f"{SECRETS}/a", json={"metadata": {"labels": {"x": "y"}}},
            headers={"Content-Type": "application/merge-patch+json"},
        )  # fmt: skip
        assert changed.json()["data"] == {"password": PASSWORD}
        assert b"hello everybody" in files(server)
        assert PASSWORD.encode() not in files(server)
        assert client.delete(f"{SECRETS}/a").status_code == 200
        create(client, "b")
    server.stop()
    assert PASSWORD.encode() not in files(server)
    server.start()
    with server.client() as client:
        assert client.get(f"{SECRETS}/b").json()["data"] == {"password": PASSWORD}
    server.stop()
    assert "Traceback" not in server.log.read_text()


def test_keys_are_rotated_without_a_restart(tmp_path: Path, ends_with_test: Keep) -> None:
    follow = "--encryption-provider-config-automatic-reload"
    server = ends_with_test(encrypting_server(tmp_path, provider("aesgcm", KEY_1), flags=(follow,)))
    server.start()
    with server.client() as client:
        create(client, "a")
        write_configuration(tmp_path / "encryption.yaml", provider("secretbox", KEY_2), provider("aesgcm", KEY_1))
        deadline = time.monotonic() + DEADLINE
        while b"k8s:enc:secretbox:v1:key2:" not in files(server):
            assert time.monotonic() < deadline, "the new key is not used"
            rewrite(client)
        version = client.get(f"{SECRETS}/a").json()["metadata"]["resourceVersion"]
        rewrite(client)
        assert client.get(f"{SECRETS}/a").json()["metadata"]["resourceVersion"] == version
    server.stop()
    write_configuration(tmp_path / "encryption.yaml", provider("secretbox", KEY_2))
    server.start()
    with server.client() as client:
        assert client.get(f"{SECRETS}/a").json()["data"] == {"password": PASSWORD}
    server.stop()


def test_what_was_plain_is_read_and_encrypted_when_it_is_written_again(tmp_path: Path, ends_with_test: Keep) -> None:
    server = ends_with_test(encrypting_server(tmp_path, IDENTITY))
    server.start()
    with server.client() as client:
        create(client, "a")
    server.stop()
    assert PASSWORD.encode() in files(server)
    write_configuration(tmp_path / "encryption.yaml", provider("aescbc", KEY_1), IDENTITY)
    server.start()
    with server.client() as client:
        version = client.get(f"{SECRETS}/a").json()["metadata"]["resourceVersion"]
        rewrite(client)
        written = client.get(f"{SECRETS}/a").json()
    server.stop()
    assert written["data"] == {"password": PASSWORD}
    assert written["metadata"]["resourceVersion"] != version
    write_configuration(tmp_path / "encryption.yaml", provider("aescbc", KEY_1))
    server.start()
    server.stop()
    assert "Traceback" not in server.log.read_text()


def test_a_server_without_the_key_does_not_start(tmp_path: Path, ends_with_test: Keep) -> None:
    server = ends_with_test(encrypting_server(tmp_path, provider("aesgcm", KEY_1)))
    server.start()
    with server.client() as client:
        create(client, "a")
    server.stop()
    write_configuration(tmp_path / "encryption.yaml", provider("aesgcm", KEY_2))
    said = refusal(server)
    assert "/secrets/default/a cannot be decrypted: no key of the encryption configuration" in said
    assert str(tmp_path / "encryption.yaml") in said
    server.flags = ()
    assert "/secrets/default/a is encrypted: start with the --encryption-provider-config" in refusal(server)
    server.flags = ("--encryption-provider-config", str(tmp_path / "none.yaml"))
    assert "cannot read" in refusal(server)
