"""The templates that a workload has had: one revision each, numbered by when it was last the newest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from api.apps_v1 import ControllerRevision, StatefulSet
from api.core_v1 import Namespace
from api.meta_v1 import ObjectMeta
from controller_manager import revision_history
from controller_manager.pod_template import template_hash
from controller_manager.revision_history import History, by_number, is_known, patch_of, template_of, truncate
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, template
from tests.controllers.workloads import revisions_of, stateful_set, workloads

LABEL = "hash"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with workloads(server) as running:
        yield running


async def present(cluster: Cluster, owner: StatefulSet, revisions: list[ControllerRevision]) -> History:
    history = await revision_history.present(cluster.client, owner, revisions, LABEL)
    assert history is not None
    return history


async def with_image(cluster: Cluster, made: StatefulSet, image: str) -> StatefulSet:
    changed = made.copy_deep()
    changed.spec.template.spec.containers[0].image = image
    changed.metadata.resourceVersion = ""
    return await cluster.client.update(changed)


async def known(cluster: Cluster) -> list[ControllerRevision]:
    return (await cluster.client.list(ControllerRevision, "default")).items


async def test_a_template_that_comes_back_gets_the_next_number(cluster: Cluster) -> None:
    one = await cluster.client.create(stateful_set())
    one.metadata.annotations["why"] = "first"
    first = (await present(cluster, one, [])).newest
    assert (first.revision, first.metadata.annotations) == (1, {"why": "first"})
    assert first.metadata.name == f"db-{first.metadata.labels[LABEL]}"
    assert first.metadata.labels["app"] == "db"
    two = await with_image(cluster, one, "two")
    second = await present(cluster, two, await known(cluster))
    assert (second.newest.revision, [r.metadata.name for r in second.old]) == (2, [first.metadata.name])
    again = await present(cluster, one, await known(cluster))
    assert (again.newest.metadata.name, again.newest.revision) == (first.metadata.name, 3)
    assert await revisions_of(cluster, "db") == [2, 3]


async def test_repeating_it_on_an_old_copy_changes_nothing(cluster: Cluster) -> None:
    one = await cluster.client.create(stateful_set())
    first = await present(cluster, one, [])
    assert (await present(cluster, one, [])) == first
    two = await with_image(cluster, one, "two")
    await present(cluster, two, [first.newest])
    before = await known(cluster)
    for _ in range(2):
        back = await present(cluster, one, before)
        assert back.newest.revision == 3
    assert await revisions_of(cluster, "db") == [2, 3]


async def test_a_namespace_that_ends_gets_no_revision(cluster: Cluster) -> None:
    held = Namespace(metadata=ObjectMeta(name="ending", finalizers=["example.com/wait"]))
    await cluster.client.create(held)
    made = stateful_set()
    made.metadata.namespace = "ending"
    made = await cluster.client.create(made)
    await cluster.client.delete(Namespace, "ending")
    assert await revision_history.present(cluster.client, made, [], LABEL) is None


async def test_a_name_that_is_taken_is_counted_and_avoided(cluster: Cluster) -> None:
    one = await cluster.client.create(stateful_set())
    taken = ObjectMeta(name=f"db-{template_hash(one.spec.template, 0)}", namespace="default")
    await cluster.client.create(ControllerRevision(metadata=taken, data={"other": 1}, revision=1))
    history = await present(cluster, one, [])
    assert history.collisions == 1
    assert history.newest.metadata.name == f"db-{template_hash(one.spec.template, 1)}"


async def test_a_second_revision_of_a_template_is_a_duplicate(cluster: Cluster) -> None:
    one = await cluster.client.create(stateful_set())
    first = (await present(cluster, one, [])).newest
    twin = ControllerRevision(
        metadata=ObjectMeta(name="twin", namespace="default"), data=first.data, revision=first.revision + 1
    )
    history = await present(cluster, one, [twin, first])
    assert (history.newest.metadata.name, [r.metadata.name for r in history.duplicates]) == (
        "twin",
        [first.metadata.name],
    )


@pytest.mark.parametrize(
    ("unused", "count", "limit", "left"),
    [(3, 3, 2, 2), (3, 3, 3, 3), (2, 4, 2, 0), (2, 4, 0, 0), (3, 3, None, 3), (3, 3, -1, 3)],
)
async def test_the_oldest_unused_go_first(
    cluster: Cluster, unused: int, count: int, limit: int | None, left: int
) -> None:
    for number in range(1, unused + 1):
        meta = ObjectMeta(name=f"r{number}", namespace="default", labels={"app": "db"})
        await cluster.client.create(ControllerRevision(metadata=meta, data={}, revision=number))
    await truncate(cluster.client, by_number(await known(cluster)), count, limit)
    assert await revisions_of(cluster, "db") == list(range(1, unused + 1))[unused - left :]


def test_a_revision_holds_the_template_as_a_patch() -> None:
    wanted = template("one", "db")
    patch = patch_of(wanted)
    assert patch["spec"]["template"]["$patch"] == "replace"
    assert list(patch["spec"]["template"]) == ["$patch", "metadata", "spec"]
    revision = ControllerRevision(metadata=ObjectMeta(name="x"), data=patch, revision=1)
    assert template_of(revision) == wanted
    assert is_known(stateful_set(image="one"), [revision])
    assert not is_known(stateful_set(image="two"), [revision])
