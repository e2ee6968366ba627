"""A write that leaves a member alone shares it with the stored object: no rule may change it in place."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.strategy import Strategy
from apiserver.registry.table import Registry
from apiserver.stored import shareable
from tests.malformed.resources import NAMED_BY_CONTENT, Resource
from tests.registry.builders import context

STRATEGIES = [strategy for strategy in Registry() if strategy.resource.kind not in NAMED_BY_CONTENT]


def stored(strategy: Strategy[Any]) -> Any:
    """An object as it is after its creation."""
    resource = strategy.resource
    namespace = "n" if resource.namespaced else ""
    served = Resource("", resource.plural, resource.kind, resource.api_version, namespace, frozenset())
    document = served.valid("a")
    del document["apiVersion"], document["kind"]
    made = resource.model.from_dict(document)
    strategy.default(made)
    strategy.prepare_for_create(made, context())
    return resource.model.decode(made.encode())


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
def test_an_update_of_metadata_leaves_the_stored_object_as_it_is(strategy: Strategy[Any]) -> None:
    old = stored(strategy)
    before = old.encode()
    new: Any = strategy.resource.model.from_dict({"metadata": {"name": "a", "labels": {"new": "label"}}})
    for name in shareable(strategy.resource.model):
        setattr(new, name, getattr(old, name))
    strategy.default_changed(new, old)
    strategy.prepare_for_update(new, old, context())
    list(strategy.validate_changed(new, old))
    strategy.warnings(new, old)
    assert old.encode() == before
    for name in shareable(strategy.resource.model):
        if getattr(new, name) is not getattr(old, name):
            assert getattr(new, name) == getattr(old, name), name
