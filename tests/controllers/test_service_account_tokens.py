"""Secrets of service accounts get tokens, which hold as long as Secret and account do."""

from __future__ import annotations

import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import jwt
import pytest

from api.core_v1 import Namespace, ObjectReference, Secret, ServiceAccount
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from apiserver.authentication.legacy_use import LAST_USED
from controller_manager.service_account_token import ACCOUNT, ACCOUNT_UID, TYPE, ServiceAccountTokenController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RealServer]:
    with real_server(folder) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer, folder: Path) -> AsyncIterator[Cluster]:
    def tokens(*common: object) -> ServiceAccountTokenController:
        return ServiceAccountTokenController(*common, key=folder / "data/pki/sa.key", root_ca="PEM")

    async with real_cluster(server.config) as running:
        await running.run(tokens)
        yield running


async def filled(cluster: Cluster, namespace: str, name: str = "token") -> Secret | None:
    secret = await cluster.client.get(Secret, name, namespace)
    return secret if secret.data.get("token") else None


async def gone(cluster: Cluster, namespace: str, name: str = "token") -> bool:
    try:
        await cluster.client.get(Secret, name, namespace)
    except NotFound:
        return True
    return False


async def account_with_secret(cluster: Cluster, namespace: str, **annotations: str) -> ServiceAccount:
    await cluster.client.create(Namespace(metadata=ObjectMeta(name=namespace)))
    account = await cluster.client.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace=namespace)))
    metadata = ObjectMeta(name="token", namespace=namespace, annotations={ACCOUNT: "robot", **annotations})
    await cluster.client.create(Secret(metadata=metadata, type=TYPE))
    return account


async def status_with(cluster: Cluster, folder: Path, token: str) -> int:
    verify = ssl.create_default_context(cafile=str(folder / "data/pki/ca.crt"))
    async with httpx.AsyncClient(base_url=cluster.client.config.server, verify=verify, timeout=60) as client:
        return (await client.get("/api", headers={"Authorization": f"Bearer {token}"})).status_code


async def test_a_secret_is_filled_and_its_token_believed(cluster: Cluster, folder: Path) -> None:
    begun = datetime.now(UTC)
    account = await account_with_secret(cluster, "filled")
    secret: Secret = await eventually(lambda: filled(cluster, "filled"))
    assert secret.metadata.annotations[ACCOUNT_UID] == account.metadata.uid
    assert b64decode(secret.data["ca.crt"]) == b"PEM"
    assert b64decode(secret.data["namespace"]) == b"filled"
    token = b64decode(secret.data["token"]).decode()
    assert "exp" not in jwt.decode(token, options={"verify_signature": False})
    assert await status_with(cluster, folder, token) == 200

    async def noted() -> str | None:
        return (await cluster.client.get(Secret, "token", "filled")).metadata.labels.get(LAST_USED)

    assert await eventually(noted) in {f"{day:%Y-%m-%d}" for day in (begun, datetime.now(UTC))}
    secret = await cluster.client.get(Secret, "token", "filled")
    # A token is no longer believed once the Secret holds another, or is gone.
    emptied = secret.copy_deep()
    del emptied.data["token"]
    emptied.metadata.annotations["changed"] = "yes"
    await cluster.client.update(emptied)
    assert await eventually(lambda: filled(cluster, "filled"))
    await cluster.client.delete(Secret, "token", "filled")
    assert await status_with(cluster, folder, token) == 401


async def test_a_secret_goes_with_its_account(cluster: Cluster) -> None:
    await account_with_secret(cluster, "going")
    await eventually(lambda: filled(cluster, "going"))
    await cluster.client.delete(ServiceAccount, "robot", "going")
    assert await eventually(lambda: gone(cluster, "going"))


async def test_a_secret_of_an_account_that_was_is_taken_away(cluster: Cluster) -> None:
    await account_with_secret(cluster, "former", **{ACCOUNT_UID: "another"})
    assert await eventually(lambda: gone(cluster, "former"))


@pytest.mark.parametrize("late", [False, True])
async def test_accounts_forget_secrets_that_are_gone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    if late:  # what the accounts say is not heard of
        monkeypatch.setattr(cluster.informers.of(ServiceAccount), "_put", lambda account: None)
    forgetting = f"forgetting-{late}".lower()
    account = await account_with_secret(cluster, forgetting)
    account.secrets = [ObjectReference(name="token"), ObjectReference(name="other")]
    await cluster.client.update(account)
    await eventually(lambda: filled(cluster, forgetting))
    await cluster.client.delete(Secret, "token", forgetting)

    async def names() -> bool:
        live = await cluster.client.get(ServiceAccount, "robot", forgetting)
        return [each.name for each in live.secrets] == ["other"]

    assert await eventually(names)
