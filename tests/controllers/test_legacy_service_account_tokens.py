"""Tokens in Secrets that nobody has used for a year are first refused, then deleted."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import ConfigMap, ObjectReference, Pod, Secret, ServiceAccount
from api.meta_v1 import ObjectMeta
from controller_manager.legacy_service_account_token_cleaner import (
    INVALID_SINCE,
    LAST_USED,
    LegacyTokenCleanerController,
    secrets_of,
)
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.cluster import cluster as run_cluster

DAY = 24 * 3600.0


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with run_cluster(ManualClock()) as running:
        yield running


def cleaner(*common: Any) -> LegacyTokenCleanerController:
    return LegacyTokenCleanerController(*common, clean_up_period=10 * DAY)


def token(name: str, **labels: str) -> Secret:
    annotations = {"kubernetes.io/service-account.name": "default"}
    meta = ObjectMeta(name=name, namespace="default", annotations=annotations, labels=labels)
    return Secret(metadata=meta, type="kubernetes.io/service-account-token")


async def test_unused_tokens_are_labelled_and_later_deleted(cluster: Cluster) -> None:
    clock = cluster.clock
    assert isinstance(clock, ManualClock)
    tracking = ObjectMeta(name="kube-apiserver-legacy-service-account-token-tracking", namespace="kube-system")
    await cluster.client.create(ConfigMap(metadata=tracking, data={"since": f"{clock.now():%Y-%m-%d}"}))
    account = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
    account.secrets = [ObjectReference(name=name) for name in ("idle", "used", "mounted")]
    await cluster.client.create(account)
    soon = clock.now() + timedelta(days=8)
    await cluster.client.create(token("idle"))
    await cluster.client.create(token("used", **{LAST_USED: f"{soon:%Y-%m-%d}"}))
    await cluster.client.create(token("mounted"))
    await cluster.client.create(token("by-hand"))
    volume = {"name": "v", "secret": {"secretName": "mounted"}}
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [volume]}
    await cluster.client.create(Pod.from_dict({"metadata": {"name": "p", "namespace": "default"}, "spec": spec}))
    (controller,) = await cluster.run(cleaner)

    async def rounds(count: int) -> None:
        for _ in range(count):
            done = controller.reconciles
            await eventually(lambda: clock.sleepers)
            await cluster.settled()
            await clock.advance(DAY)
            await eventually(lambda done=done: controller.reconciles > done)
        await cluster.settled()

    async def labelled() -> dict[str, bool]:
        found = (await cluster.client.list(Secret, "default")).items
        return {s.metadata.name: INVALID_SINCE in s.metadata.labels for s in found}

    await eventually(lambda: controller.reconciles)
    await rounds(10)
    assert not any((await labelled()).values()), "uses have not been noted for long enough"
    await rounds(2)
    names = ("by-hand", "mounted", "used")
    assert await labelled() == {"idle": True} | dict.fromkeys(names, False)
    await rounds(5)
    assert "idle" in await labelled()
    await rounds(7)
    assert await labelled() == {"by-hand": False, "mounted": False, "used": True}


def test_all_ways_to_refer_to_a_secret_are_seen() -> None:
    spec = {
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "all"}}]}],
        "initContainers": [
            {"name": "i", "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}]}
        ],
        "volumes": [
            {"name": "v", "secret": {"secretName": "volume"}},
            {"name": "w", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "c"}}]}},
            {"name": "x", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
        ],
    }
    found = set(secrets_of(Pod.from_dict({"metadata": {"name": "p"}, "spec": spec})))
    assert found == {"pull", "all", "one", "volume", "projected", "csi"}
