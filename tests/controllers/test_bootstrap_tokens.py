"""Bootstrap tokens sign the public cluster information and end in time."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import jwt
import pytest

from api.clock import ManualClock
from api.core_v1 import ConfigMap, Secret
from api.meta_v1 import ObjectMeta
from controller_manager.bootstrap.cleaner import TokenCleanerController
from controller_manager.bootstrap.signer import BootstrapSignerController, detached_signature
from controller_manager.bootstrap.token import signing_key
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.cluster import cluster as run_cluster


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def cluster(clock: ManualClock) -> AsyncIterator[Cluster]:
    async with run_cluster(clock) as running:
        yield running


def token(name: str = "abcdef", **values: str) -> Secret:
    data = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **values}
    return Secret(
        metadata=ObjectMeta(name=f"bootstrap-token-{name}", namespace="kube-system"),
        type="bootstrap.kubernetes.io/token",
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    )


async def info(cluster: Cluster) -> dict[str, str]:
    return (await cluster.client.get(ConfigMap, "cluster-info", "kube-public")).data


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # the format's, not ours
async def test_cluster_info_is_signed_by_every_token_that_may(cluster: Cluster) -> None:
    await cluster.run(BootstrapSignerController)
    meta = ObjectMeta(name="cluster-info", namespace="kube-public")
    await cluster.client.create(ConfigMap(metadata=meta, data={"kubeconfig": "apiVersion: v1", "other": "x"}))
    await cluster.client.create(token())
    await cluster.client.create(token("second", **{"usage-bootstrap-signing": "false"}))

    async def signed() -> str | None:
        return (await info(cluster)).get("jws-kubeconfig-abcdef")

    header, _, signature = (await eventually(signed)).split(".")
    payload = base64.urlsafe_b64encode(b"apiVersion: v1").decode().rstrip("=")
    whole = jwt.api_jws.decode(f"{header}.{payload}.{signature}", "0123456789abcdef", algorithms=["HS256"])
    assert whole == b"apiVersion: v1"
    assert set(await info(cluster)) == {"kubeconfig", "other", "jws-kubeconfig-abcdef"}
    before = (await info(cluster))["jws-kubeconfig-abcdef"]
    await cluster.client.patch(ConfigMap, "cluster-info", "kube-public", {"data": {"kubeconfig": "changed"}})

    async def signed_again() -> bool:
        return await signed() != before

    await eventually(signed_again)
    await cluster.client.delete(Secret, "bootstrap-token-abcdef", "kube-system")

    async def bare() -> bool:
        return set(await info(cluster)) == {"kubeconfig", "other"}

    await eventually(bare)


async def test_tokens_are_deleted_when_they_expire(cluster: Cluster, clock: ManualClock) -> None:
    end = clock.now() + timedelta(hours=1)
    await cluster.client.create(token("ending", expiration=end.strftime("%Y-%m-%dT%H:%M:%SZ")))
    await cluster.client.create(token("always"))
    await cluster.client.create(token("broken", expiration="tomorrow"))
    await cluster.run(TokenCleanerController)

    async def left() -> set[str]:
        return {s.metadata.name[-6:] for s in (await cluster.client.list(Secret, "kube-system")).items}

    async def without_broken() -> bool:
        return await left() == {"ending", "always"}

    await eventually(without_broken)
    await cluster.settled()
    await clock.advance(3599)
    await cluster.settled()
    assert await left() == {"ending", "always"}
    await clock.advance(1)

    async def one() -> bool:
        return await left() == {"always"}

    await eventually(one)


def test_who_may_sign() -> None:
    now = ManualClock().now()
    assert signing_key(token(), now) == ("abcdef", "0123456789abcdef")
    for values in (
        {"token-id": "fedcba"},
        {"token-secret": ""},
        {"usage-bootstrap-signing": "false"},
        {"expiration": "2020-01-01T00:00:00Z"},
        {"expiration": "2030-01-01T00:00:00"},
    ):
        assert signing_key(token(**values), now) is None, values


def test_a_signature_leaves_out_what_is_signed() -> None:
    found = detached_signature("content", "abcdef", "secret")
    assert found.startswith("eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..")
