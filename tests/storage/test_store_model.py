"""Random writes, restarts and compactions against a model: every watcher's replay equals the list at every revision."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import Compacted, Event, KeyExists, KeyMissing, RevisionMismatch, Store, StoreError
from apiserver.storage.sqlite import SqliteStore

KEYS = st.sampled_from(["/a/1", "/a/2", "/b/1", "/b/é"])
VALUES = st.binary(max_size=4)
BATCHES = st.lists(st.tuples(st.sampled_from(["create", "update", "delete"]), KEYS, VALUES), min_size=1, max_size=6)


class Watcher:
    """Follows the store from one revision on and keeps what it was told."""

    def __init__(self, store: Store, since: int) -> None:
        self.since = since
        self.events: list[Event] = []
        self.task = asyncio.ensure_future(self._follow(store))

    async def _follow(self, store: Store) -> None:
        async with aclosing(store.watch("/", self.since)) as events:
            async for event in events:
                self.events.append(event)


class StoreMachine(RuleBasedStateMachine):
    """Drives one driver; `self.states` is the model: what every key held at every revision."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self.loop = asyncio.new_event_loop()
        self.store = self.make()
        self.run(self.store.open())
        self.states: list[dict[str, tuple[bytes, int]]] = [{}, {}]
        self.compacted = 0
        self.watchers = [self.run(self._watcher(1))]

    def make(self) -> Store:
        return MemoryStore()

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    async def _watcher(self, since: int) -> Watcher:
        return Watcher(self.store, since)

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    @rule(batch=BATCHES)
    def write_at_once(self, batch: list[tuple[str, str, bytes]]) -> None:
        """Concurrent writers, each with the revision it saw before: of those for one key at most one wins."""
        seen = dict(self.states[-1])

        async def write(verb: str, key: str, value: bytes) -> int:
            revision = seen.get(key, (b"", 1_000_000))[1]
            if verb == "create":
                return await self.store.create(key, value)
            if verb == "update":
                return await self.store.update(key, value, if_revision=revision)
            return await self.store.delete(key, if_revision=revision)

        async def write_all() -> list[Any]:
            return await asyncio.gather(*(write(*one) for one in batch), return_exceptions=True)

        won = []
        for (verb, key, value), outcome in zip(batch, self.run(write_all()), strict=True):
            if isinstance(outcome, int):
                won.append((outcome, verb, key, value))
            else:
                assert isinstance(outcome, KeyExists | KeyMissing | RevisionMismatch), outcome
        for revision, verb, key, value in sorted(won):
            state = dict(self.states[-1])
            assert revision == len(self.states)
            assert (key in state) is (verb != "create")
            if verb != "create":
                assert state[key] == seen[key]
            state.pop(key, None)
            if verb != "delete":
                state[key] = (value, revision)
            self.states.append(state)

    @rule(back=st.integers(0, 20))
    def watch(self, back: int) -> None:
        since = max(self.compacted, 1, self.revision - back)
        self.watchers.append(self.run(self._watcher(since)))

    @rule(back=st.integers(0, 20))
    def compact(self, back: int) -> None:
        self.run(self._settled())  # a watcher that is still reading the past would rightly be refused
        self.run(self.store.compact(self.revision - back))
        self.compacted = max(self.compacted, self.revision - back)

    @rule(at=st.integers(1, 60))
    def list_the_past(self, at: int) -> None:
        if at > self.revision:
            return
        try:
            snapshot = self.run(self.store.list("/", at=at))
        except Compacted:
            assert at < self.compacted
            return
        assert at >= self.compacted
        assert {item.key: (item.value, item.revision) for item in snapshot.items} == self.states[at]
        assert [item.key for item in snapshot.items] == sorted(self.states[at])

    async def _settled(self) -> None:
        async with asyncio.timeout(60):
            for watcher in self.watchers:
                while self.revision > watcher.since and (
                    not watcher.events or watcher.events[-1].revision < self.revision
                ):
                    assert not watcher.task.done(), watcher.task
                    await asyncio.sleep(0)

    @invariant()
    def the_store_is_what_the_model_is(self) -> None:
        assert self.store.revision == self.revision
        snapshot = self.run(self.store.list("/"))
        assert {item.key: (item.value, item.revision) for item in snapshot.items} == self.states[-1]

    @invariant()
    def every_watcher_can_replay_every_revision(self) -> None:
        self.run(self._settled())
        for watcher in self.watchers:
            assert [event.revision for event in watcher.events] == list(range(watcher.since + 1, self.revision + 1))
            for event in watcher.events:
                before, after = self.states[event.revision - 1], dict(self.states[event.revision - 1])
                previous = before.get(event.key)
                told = None if event.previous is None else (event.previous.value, event.previous.revision)
                assert told == previous
                after.pop(event.key, None)
                if not event.deleted:
                    after[event.key] = (event.value, event.revision)
                assert after == self.states[event.revision]

    def teardown(self) -> None:
        self.run(self.store.close())

        async def watchers_end() -> None:
            await asyncio.gather(*(watcher.task for watcher in self.watchers))

        self.run(watchers_end())
        self.loop.close()
        shutil.rmtree(self.folder)


class SqliteMachine(StoreMachine):
    def make(self) -> Store:
        return SqliteStore(self.folder / "state.db")

    @rule()
    def restart(self) -> None:
        """Watchers end with their store, having been told everything; new ones go on from the past."""
        self.run(self._settled())
        self.run(self.store.close())

        async def end() -> None:
            await asyncio.gather(*(watcher.task for watcher in self.watchers))

        self.run(end())
        self.store = self.make()
        self.run(self.store.open())
        self.watchers = [self.run(self._watcher(max(self.compacted, 1)))]

    @rule()
    def a_second_server_is_refused(self) -> None:
        try:
            self.run(SqliteStore(self.folder / "state.db").open())
        except StoreError:
            return
        raise AssertionError("two servers opened one database")


_SETTINGS = settings(
    deadline=None,
    derandomize=True,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # explaining a failure traces every line: minutes
)
TestMemory = StoreMachine.TestCase
TestMemory.settings = settings(_SETTINGS, max_examples=60)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(_SETTINGS, max_examples=25)
