"""What happens when a generated name is taken (KEP-4420)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api.core_v1 import ConfigMap
from api.errors import AlreadyExists, already_exists
from api.meta_v1 import ObjectMeta
from api.scheme import resource_of
from apiserver.handlers import create
from apiserver.registry import object_meta


@pytest.fixture
def write() -> Any:
    return SimpleNamespace(
        namespace="ns", endpoint=SimpleNamespace(namespaced=True, strategy=None, resource=resource_of(ConfigMap))
    )


def read() -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(generateName="web-"), data={"k": "v"})


def taken(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[ConfigMap]:
    """Draws a, b, c, … one after another; these are taken.  The objects that were to be stored."""
    tried: list[ConfigMap] = []
    monkeypatch.setattr(object_meta, "generate_name", lambda prefix: f"{prefix}{'abcdefghij'[len(tried)]}")

    async def create_once(write: Any, new: ConfigMap, *, nameless: bool) -> ConfigMap:
        assert nameless
        tried.append(new)
        new.data["admitted"] = "yes"
        if new.metadata.name in names:
            raise already_exists("", "configmaps", new.metadata.name)
        return new

    monkeypatch.setattr(create, "_create_once", create_once)
    return tried


async def test_another_is_drawn_for_what_the_client_has_sent(monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    tried = taken(monkeypatch, "web-a", "web-b")
    made: Any = await create.create_object(write, read(), read)
    assert (made.metadata.name, made.metadata.namespace) == ("web-c", "ns")
    assert len({id(each) for each in tried}) == 3  # each anew: nothing that was done to one is in the next
    assert made.data == {"k": "v", "admitted": "yes"}


async def test_eight_times_at_most(monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    tried = taken(monkeypatch, *(f"web-{letter}" for letter in "abcdefghij"))
    with pytest.raises(AlreadyExists) as error:
        await create.create_object(write, read(), read)
    assert len(tried) == 8
    assert error.value.message == (
        'configmaps "web-h" already exists, the server was not able to generate a unique name for the object'
    )
    assert error.value.details is not None
    assert error.value.details.name == "web-"
