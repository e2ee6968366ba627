"""What others write into a status meanwhile stays."""

from __future__ import annotations

import pytest

from api.apps_v1 import DaemonSet
from controller_manager.status_writer import write_status
from tests.controllers.cluster import Cluster

CONDITION = {"type": "Mine", "status": "True"}


@pytest.mark.parametrize(("of_others", "left"), [(("conditions",), ["Mine"]), ((), [])])
async def test_a_condition_written_meanwhile(cluster: Cluster, of_others: tuple[str, ...], left: list[str]) -> None:
    metadata = {"name": "agent", "namespace": "default"}
    read = await cluster.client.create(DaemonSet.from_dict({"metadata": metadata}))
    body = {"status": {"conditions": [CONDITION], "numberReady": 1}}
    await cluster.client.patch(DaemonSet, "agent", "default", body, subresource="status")
    status = read.status.model_copy(update={"numberReady": 2})
    written = await write_status(cluster.client, read, status, of_others=of_others)
    assert written.status.numberReady == 2
    assert [condition.type for condition in written.status.conditions] == left
