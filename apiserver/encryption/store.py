"""A store in front of another that gets nothing to see but encrypted values.

Whoever uses it sees plain ones: the watch cache, and with it everything else, is as without encryption.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from api.clock import Clock
from apiserver.configuration_file import ConfigurationError
from apiserver.encryption.configuration import Transformers, read_encryption
from apiserver.encryption.providers import DecryptionError
from apiserver.followed_file import follow, signature
from apiserver.storage.protocol import Compacted, Event, KeyValue, Revision, Snapshot, Store, StoreError, StoreStats

log = logging.getLogger(__name__)


class EncryptedStore:
    """The Store protocol over `inner`, with the keys of the EncryptionConfiguration at `path`."""

    def __init__(self, inner: Store, path: Path) -> None:
        """Raises ConfigurationError."""
        self._inner = inner
        self._path = path
        self._read = signature(path)
        self._content, self._transformers = read_encryption(path)
        self._former: Transformers | None = None
        """What was in force before: it still reads what was being written meanwhile, and history."""

    @property
    def stats(self) -> StoreStats:
        return self._inner.stats

    @stats.setter
    def stats(self, stats: StoreStats) -> None:
        self._inner.stats = stats

    @property
    def revision(self) -> Revision:
        return self._inner.revision

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def create(self, key: str, value: bytes) -> Revision:
        return await self._inner.create(key, self._encrypted(key, value))

    async def update(self, key: str, value: bytes, *, if_revision: Revision) -> Revision:
        return await self._inner.update(key, self._encrypted(key, value), if_revision=if_revision)

    async def delete(self, key: str, *, if_revision: Revision, last_value: bytes | None = None) -> Revision:
        last = None if last_value is None else self._encrypted(key, last_value)
        return await self._inner.delete(key, if_revision=if_revision, last_value=last)

    async def list(self, prefix: str, *, at: Revision | None = None) -> Snapshot:
        """Raises StoreError when a present value cannot be read, and Compacted when a former one cannot."""
        snapshot = await self._inner.list(prefix, at=at)
        try:
            return Snapshot(snapshot.revision, [self._plain(item) for item in snapshot.items])
        except DecryptionError as error:
            if at is not None and at < self._inner.revision:
                raise Compacted(at) from None
            raise StoreError(f"{error}; the keys are those of {self._path}") from None

    async def watch(
        self, prefix: str, since: Revision, *, until: Revision | None = None
    ) -> AsyncGenerator[Event, None]:
        """History that was written with a key which has gone since is as good as compacted."""
        async with aclosing(self._inner.watch(prefix, since, until=until)) as events:
            async for event in events:
                previous = event.previous
                try:
                    value = self._plain(KeyValue(event.key, event.value, event.revision)).value
                    previous = None if previous is None else self._plain(previous)
                except DecryptionError:
                    raise Compacted(event.revision) from None
                yield event._replace(value=value, previous=previous)

    async def compact(self, before: Revision) -> None:
        await self._inner.compact(before)

    async def is_stale(self, key: str) -> bool:
        """Whether an object should be written again although nothing in it changes: with the present key."""
        transformer = self._transformers.of(key)
        found = next((item for item in (await self._inner.list(key)).items if item.key == key), None)
        return found is not None and transformer.is_stale(found.value, key)

    def _encrypted(self, key: str, value: bytes) -> bytes:
        return self._transformers.of(key).encrypt(value, key)

    def _plain(self, item: KeyValue) -> KeyValue:
        try:
            return _decrypted(item, self._transformers)
        except DecryptionError:
            if self._former is None:
                raise
            return _decrypted(item, self._former)

    # --- the file changes

    async def reload_regularly(self, clock: Clock) -> None:
        """Take over what the file says whenever that changes; for ever.  A file that is wrong, or lacks a key that
        stored objects need, changes nothing."""
        await follow(self._path, clock, self.reload, since=self._read)

    async def reload(self) -> bool:
        """Whether the file says something else than before and is in force now."""
        try:
            content, transformers = read_encryption(self._path)
            if content == self._content:
                return False
            for item in (await self._inner.list("/")).items:
                _decrypted(item, transformers)
        except (ConfigurationError, StoreError, DecryptionError) as error:
            log.error("the encryption configuration stays as it was: %s", error)
            return False
        self._former = self._transformers
        self._content, self._transformers = content, transformers
        log.info("the encryption configuration of %s is in force", self._path)
        return True


def _decrypted(item: KeyValue, transformers: Transformers) -> KeyValue:
    try:
        return item._replace(value=transformers.of(item.key).decrypt(item.value, item.key))
    except DecryptionError as error:
        raise DecryptionError(f"{item.key} cannot be decrypted: {error}") from None
