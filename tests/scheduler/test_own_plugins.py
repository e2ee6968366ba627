"""Plugins that users write: the example of the documentation, and how plugins are found."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples import scheduler_plugin
from scheduler import profiles
from scheduler.server import load
from tests.scheduler.world import World, make_node, make_pod

DOCUMENT = Path(__file__).parents[2] / "docs" / "scheduler.md"


def configuration() -> dict[str, Any]:
    """The one that the example's docstring shows."""
    text = (scheduler_plugin.__doc__ or "").partition("arguments:")[2]
    document: dict[str, Any] = yaml.safe_load(text)
    return {"profiles": document["profiles"]}


async def test_the_example_does_what_it_says() -> None:
    name, factory = load("examples.scheduler_plugin:Racks")
    nodes = [make_node(f"n{i}", labels={"example.com/rack": f"r{i}"}) for i in range(4)]
    world = World(*nodes, make_node("b", labels={"broken": "true"}), config=configuration(), own={name: factory})
    liking = {"annotations": {"example.com/rack": "r2"}}
    assert await world.schedule(make_pod(schedulerName="rack-aware", metadata=liking)) == ["n2"]
    broken = make_pod(schedulerName="rack-aware", nodeSelector={"kubernetes.io/hostname": "b"})
    assert (await world.why(broken)).startswith("0/5 nodes are available: 1 node(s) were broken, ")


async def test_the_configuration_of_the_document_packs() -> None:
    block = DOCUMENT.read_text().split("```yaml\n")[1].split("```")[0]
    world = World(make_node("a"), make_node("b"), config={"profiles": yaml.safe_load(block)["profiles"]})
    world.add(make_pod(cpu="2", memory="4Gi", nodeName="b"))
    assert await world.schedule(make_pod(cpu="1", memory="2Gi", schedulerName="bin-packing")) == ["b"]


async def test_plugins_of_installed_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("Racks", "examples.scheduler_plugin:Racks", profiles.ENTRY_POINTS)
    monkeypatch.setattr(profiles, "entry_points", lambda **wanted: EntryPoints([entry]).select(**wanted))
    world = World(make_node("a", labels={"broken": "true"}), config=configuration())
    assert (await world.why(make_pod(schedulerName="rack-aware"))).startswith(
        "0/1 nodes are available: 1 node(s) were broken."
    )


def test_a_plugin_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"no plugin at 'no\.such\.module:Thing'"):
        load("no.such.module:Thing")
