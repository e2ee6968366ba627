"""The encrypting store keeps every promise of a store, and lets nothing readable through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.secret import SecretBox

from api.clock import ManualClock
from apiserver.configuration_file import ConfigurationError
from apiserver.encryption.store import EncryptedStore
from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import Compacted, StoreError
from apiserver.storage.sqlite import SqliteStore
from tests.client.waiting import eventually
from tests.encryption.configurations import IDENTITY, KEY_1, KEY_2, OTHER_KEY_1, provider, write_configuration

SECRET = "/secrets/ns/a"
PROVIDERS = ("aescbc", "aesgcm", "secretbox")


@pytest.fixture
async def inner() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


async def raw(inner: MemoryStore, key: str = SECRET) -> bytes:
    """What is stored, as it is."""
    return next(item.value for item in (await inner.list(key)).items if item.key == key)


async def plain(store: EncryptedStore, key: str = SECRET) -> bytes:
    return next(item.value for item in (await store.list(key)).items if item.key == key)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_values_are_unreadable_below_and_as_before_above(inner: MemoryStore, tmp_path: Path, name: str) -> None:
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider(name, KEY_1)))
    first = await store.create(SECRET, b'{"data":"hunter2"}')
    second = await store.update(SECRET, b'{"data":"hunter3"}', if_revision=first)
    await store.delete(SECRET, if_revision=second, last_value=b'{"data":"hunter4"}')
    async with aclosing(inner.watch("/", 1, until=store.revision)) as events:
        below = [event async for event in events]
    async with aclosing(store.watch("/", 1, until=store.revision)) as events:
        above = [event async for event in events]
    assert all(event.value.startswith(f"k8s:enc:{name}:v1:key1:".encode()) for event in below)
    assert not any(b"hunter" in event.value for event in below)
    assert [event.value for event in above] == [b'{"data":"hunter%d"}' % number for number in (2, 3, 4)]
    assert [event.previous and event.previous.value for event in above] == [
        None, b'{"data":"hunter2"}', b'{"data":"hunter3"}',
    ]  # fmt: skip


async def test_the_same_value_is_never_stored_in_the_same_bytes(inner: MemoryStore, tmp_path: Path) -> None:
    for name in PROVIDERS:
        store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider(name, KEY_1)))
        await store.create(f"/secrets/{name}/a", b"{}")
        await store.create(f"/secrets/{name}/b", b"{}")
        assert await raw(inner, f"/secrets/{name}/a") != await raw(inner, f"/secrets/{name}/b")


async def test_others_with_the_key_can_read_what_is_stored(inner: MemoryStore, tmp_path: Path) -> None:
    """The forms are Kubernetes' own: a nonce, then what the libraries make."""
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider("aesgcm", KEY_1)))
    await store.create(SECRET, b"{}")
    stored = (await raw(inner)).removeprefix(b"k8s:enc:aesgcm:v1:key1:")
    assert AESGCM(b"1" * 32).decrypt(stored[:12], stored[12:], SECRET.encode()) == b"{}"
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider("secretbox", KEY_1)))
    await store.create("/secrets/ns/b", b"{}")
    stored = (await raw(inner, "/secrets/ns/b")).removeprefix(b"k8s:enc:secretbox:v1:key1:")
    assert SecretBox(b"1" * 32).decrypt(stored[24:], stored[:24]) == b"{}"


async def test_aesgcm_binds_a_value_to_its_key_in_the_store(inner: MemoryStore, tmp_path: Path) -> None:
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider("aesgcm", KEY_1)))
    await store.create(SECRET, b"{}")
    await inner.create("/secrets/ns/moved", await raw(inner))
    with pytest.raises(StoreError, match="/secrets/ns/moved cannot be decrypted"):
        await store.list("/secrets/ns/moved")


@pytest.mark.parametrize("name", ["aesgcm", "secretbox"])
async def test_a_changed_value_is_noticed(inner: MemoryStore, tmp_path: Path, name: str) -> None:
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider(name, KEY_1)))
    revision = await store.create(SECRET, b'{"data":"x"}')
    value = await raw(inner)
    await inner.update(SECRET, value[:-1] + bytes([value[-1] ^ 1]), if_revision=revision)
    with pytest.raises(StoreError, match="cannot be decrypted"):
        await store.list("/")


async def test_all_keys_read_and_the_first_writes(inner: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "c"
    await inner.create("/secrets/ns/plain", b'"plain"')
    await EncryptedStore(inner, write_configuration(path, provider("aescbc", KEY_1))).create(SECRET, b'"one"')
    providers = (provider("secretbox", KEY_2), provider("aescbc", KEY_1), IDENTITY)
    store = EncryptedStore(inner, write_configuration(path, *providers))
    assert [item.value for item in (await store.list("/")).items] == [b'"one"', b'"plain"']
    await store.create("/secrets/ns/new", b'"two"')
    assert (await raw(inner, "/secrets/ns/new")).startswith(b"k8s:enc:secretbox:v1:key2:")
    assert [await store.is_stale(f"/secrets/ns/{name}") for name in ("a", "plain", "new", "none")] == [
        True, True, False, False,
    ]  # fmt: skip


async def test_what_is_plain_again_is_stale_while_it_is_encrypted(inner: MemoryStore, tmp_path: Path) -> None:
    await EncryptedStore(inner, write_configuration(tmp_path / "c", provider("aesgcm", KEY_1))).create(SECRET, b"{}")
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", IDENTITY, provider("aesgcm", KEY_1)))
    assert await plain(store) == b"{}"
    assert await store.is_stale(SECRET)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_another_key_of_the_same_name_reads_nothing(inner: MemoryStore, tmp_path: Path, name: str) -> None:
    for number in range(20):  # without authentication one in 256 is taken for padding
        key = f"/secrets/ns/{number}"
        await EncryptedStore(inner, write_configuration(tmp_path / "c", provider(name, KEY_1))).create(key, b"{}")
    store = EncryptedStore(inner, write_configuration(tmp_path / "c", provider(name, OTHER_KEY_1)))
    with pytest.raises(StoreError, match="cannot be decrypted"):
        await store.list("/")


async def test_history_of_a_key_that_is_gone_is_as_good_as_compacted(inner: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "c"
    before = EncryptedStore(inner, write_configuration(path, provider("aesgcm", KEY_1)))
    first = await before.create(SECRET, b"{}")
    both = EncryptedStore(inner, write_configuration(path, provider("aesgcm", KEY_2), provider("aesgcm", KEY_1)))
    second = await both.update(SECRET, b'{"a":1}', if_revision=first)
    store = EncryptedStore(inner, write_configuration(path, provider("aesgcm", KEY_2)))
    assert await plain(store) == b'{"a":1}'
    with pytest.raises(Compacted):
        await store.list("/", at=first)
    with pytest.raises(Compacted):
        async with aclosing(store.watch("/", 1, until=second)) as events:
            [event async for event in events]


async def test_a_changed_file_is_in_force_when_it_is_good(inner: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "c"
    store = EncryptedStore(inner, write_configuration(path, provider("aesgcm", KEY_1)))
    first = await store.create(SECRET, b"{}")
    assert not await store.reload()
    write_configuration(path, provider("secretbox", KEY_2), provider("aesgcm", KEY_1))
    assert await store.reload()
    assert await store.is_stale(SECRET)
    await store.update(SECRET, b"{}", if_revision=first)
    assert (await raw(inner)).startswith(b"k8s:enc:secretbox:v1:key2:")


async def test_a_file_that_is_wrong_or_lacks_a_key_in_use_changes_nothing(inner: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "c"
    store = EncryptedStore(inner, write_configuration(path, provider("aesgcm", KEY_1)))
    await store.create(SECRET, b"{}")
    for content in ("no yaml: [", "{}"):
        path.write_text(content)
        assert not await store.reload()
    write_configuration(path, provider("aesgcm", KEY_2))
    assert not await store.reload()
    path.unlink()
    assert not await store.reload()
    await store.create("/secrets/ns/b", b"{}")
    assert (await raw(inner, "/secrets/ns/b")).startswith(b"k8s:enc:aesgcm:v1:key1:")


async def test_a_change_before_anybody_follows_the_file_is_not_lost(inner: MemoryStore, tmp_path: Path) -> None:
    path, clock = tmp_path / "c", ManualClock()
    store = EncryptedStore(inner, write_configuration(path, provider("aesgcm", KEY_1)))
    await store.create(SECRET, b"{}")
    write_configuration(path, provider("secretbox", KEY_2), provider("aesgcm", KEY_1))
    following = asyncio.create_task(store.reload_regularly(clock))
    await eventually(lambda: clock.sleepers)
    await clock.advance(10)
    await eventually(lambda: store.is_stale(SECRET))
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        EncryptedStore(MemoryStore(), tmp_path / "none")


async def test_what_was_plain_is_erased_when_its_history_is(tmp_path: Path) -> None:
    path, file = tmp_path / "c", tmp_path / "state.db"
    plain_text = b'"correct horse battery staple"' * 300
    before = SqliteStore(file)
    await before.open()
    first = await before.create(SECRET, plain_text)
    await before.close()
    assert plain_text[:100] in file.read_bytes()
    store = EncryptedStore(
        SqliteStore(file, erases=True), write_configuration(path, provider("aesgcm", KEY_1), IDENTITY)
    )
    await store.open()
    await store.compact(await store.update(SECRET, plain_text, if_revision=first))
    async with asyncio.timeout(60):
        while not store.stats.compaction_chunks:
            await store.create(f"/secrets/ns/{store.revision}", b"{}")
    assert await plain(store) == plain_text
    await store.close()
    assert b"horse battery" not in file.read_bytes()
