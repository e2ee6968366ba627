"""A database under steady writing stays as large as it is after the first minutes."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from api.clock import ManualClock
from apiserver.storage.compactor import INTERVAL, compact_regularly
from apiserver.storage.sqlite import SqliteStore
from tests.storage.conftest import swept

LEASES = 40
HEARTBEAT = 10.0
HOURS = 2.0


async def test_hours_of_heartbeats_leave_no_more_than_minutes_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store, clock = SqliteStore(path), ManualClock()
    await store.open()
    compactor = asyncio.create_task(compact_regularly(store, clock))
    keys = [f"/leases.coordination.k8s.io/kube-node-lease/node-{number}" for number in range(LEASES)]
    value = b'{"metadata":{"name":"node"},"spec":{"renewTime":"%d","padding":"' + b"x" * 400 + b'"}}'
    revisions = await asyncio.gather(*(store.create(key, value % 0) for key in keys))
    sizes = []
    rounds = int(HOURS * 3600 / HEARTBEAT)
    for number in range(1, rounds + 1):
        await clock.advance(HEARTBEAT)
        renewals = zip(keys, revisions, strict=True)
        revisions = await asyncio.gather(
            *(store.update(key, value % number, if_revision=revision) for key, revision in renewals)
        )
        if number % (INTERVAL / HEARTBEAT) == 0:
            await swept(store, store._writer.compacted if store._writer else 0)  # the clock runs faster than the disk
            sizes.append(path.stat().st_size)
    rows = (await store._read(store._select, "SELECT COUNT(*) FROM log", ()))[0][0]
    compactor.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await compactor
    found = (await store.list("/")).items
    await store.close()
    assert [item.value for item in found] == [value % rounds] * LEASES
    history = LEASES * INTERVAL / HEARTBEAT
    assert store.stats.writes == LEASES * (rounds + 1)
    # Between one and two intervals of history are kept; a third may wait to be swept.
    assert rows <= LEASES + 3 * history
    # The file is as large as that history needs, and no larger after hours than in the first ones.
    assert max(sizes[8:]) <= 1.2 * max(sizes[2:8])
    assert path.stat().st_size <= 1.2 * max(sizes[2:8])
