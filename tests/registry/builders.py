"""Objects for the tests of the registry, and the way of an object through its strategy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from api.core_v1 import Namespace, Pod, Service, ServiceAccount
from api.meta_v1 import ObjectMeta
from api.model import Model
from api.scheme import Resource
from apiserver.registry.strategy import Context, Strategy

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def context(*objects: Model) -> Context:
    """A context whose cache holds these objects."""
    found: list[Any] = list(objects)

    def get(model: type[Model], namespace: str, name: str) -> Any | None:
        for obj in found:
            if type(obj) is model and (obj.metadata.namespace, obj.metadata.name) == (namespace, name):
                return obj
        return None

    def list_(model: type[Model], namespace: str) -> list[Any]:
        return [obj for obj in found if type(obj) is model and namespace in ("", obj.metadata.namespace)]

    def exists(resource: Resource, namespace: str, name: str) -> bool:
        return get(resource.model, namespace, name) is not None

    return Context(now=NOW, user="someone", get=get, peek=get, peek_all=list_, list=list_, exists=exists)


def pod(**spec: Any) -> Pod:
    """A pod of one container, as a client sends it."""
    spec.setdefault("containers", [{"name": "c", "image": "i"}])
    return Pod.from_dict({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})


def service(**spec: Any) -> Service:
    spec.setdefault("ports", [{"port": 80}])
    return Service.from_dict({"metadata": {"name": "s", "namespace": "n"}, "spec": spec})


def account(name: str = "default", **fields: Any) -> ServiceAccount:
    return ServiceAccount.from_dict({"metadata": {"name": name, "namespace": "n"}, **fields})


def namespace(name: str = "n", phase: str = "Active") -> Namespace:
    found = Namespace(metadata=ObjectMeta(name=name))
    found.status.phase = phase
    return found


def created(strategy: Strategy[Any], obj: Any) -> Any:
    """The object as it is after defaults and preparation."""
    strategy.default(obj)
    strategy.prepare_for_create(obj, context())
    return obj


def complaints(strategy: Strategy[Any], obj: Any) -> list[str]:
    """What validation says of a new object."""
    return [str(error) for error in strategy.validate(created(strategy, obj))]


def update_complaints(strategy: Strategy[Any], obj: Any, change: Callable[[Any], None]) -> list[str]:
    """What validation says of a change to a stored object."""
    old = created(strategy, obj)
    old.metadata.resourceVersion = "1"
    new = old.copy_deep()
    change(new)
    strategy.default(new)
    strategy.prepare_for_update(new, old, context())
    return [str(error) for error in strategy.validate_changed(new, old)]
