"""The schema form of the API types."""

from __future__ import annotations

from typing import Any

import pytest

import api.apps_v1
import api.core_v1
from api.core_v1 import ConfigMap, Container, Pod, Service
from api.meta_v1 import ManagedFieldsEntry
from api.model import Model
from api.schema import MISSING, Schema, schema_of


def at(model: type[Model], path: str) -> Schema:
    schema = schema_of(model)
    for name in path.split("."):
        found = (schema.items or schema).child(name)
        assert found is not None, f"{path}: no {name}"
        schema = found
    return schema


def test_lists_say_how_they_merge() -> None:
    ports = at(Pod, "spec.containers.ports")
    assert (ports.list_type, ports.list_keys) == ("map", ("containerPort", "protocol"))
    assert (ports.patch_strategy, ports.patch_merge_key) == ("merge", "containerPort")
    assert at(Pod, "spec.containers.ports.protocol").default == "TCP"
    assert at(Pod, "spec.containers.ports.containerPort").default == 0
    assert at(Pod, "metadata.finalizers").list_type == "set"
    assert at(Pod, "spec.tolerations").list_type == "atomic"


def test_scalars_and_maps() -> None:
    assert (at(Service, "spec.ports.targetPort").scalar, at(Pod, "spec.overhead.cpu").scalar) == (
        "IntOrString",
        "Quantity",
    )
    assert (at(ConfigMap, "binaryData.x").format, at(ConfigMap, "data.x").type) == ("byte", "string")
    assert (at(Pod, "spec.priority").format, at(Pod, "metadata.generation").format) == ("int32", "int64")
    assert at(Pod, "status.startTime").scalar == at(Pod, "status.conditions.lastProbeTime").scalar == "Time"
    assert at(Service, "spec.selector").atomic
    assert at(Service, "spec.ipFamilies").items is not None


def test_objects() -> None:
    assert schema_of(Container).required == ("name",)
    assert at(Pod, "spec.containers.resources").default == {}
    assert at(Pod, "spec.containers.lifecycle").default is MISSING
    assert at(Pod, "spec.volumes.configMap").model is api.core_v1.ConfigMapVolumeSource
    assert at(api.apps_v1.Deployment, "spec.selector").atomic
    assert schema_of(Pod).child("nope") is None


def test_values_of_any_type_are_told_apart() -> None:
    assert schema_of(Container).exact
    assert schema_of(ConfigMap).properties["data"].exact
    assert not schema_of(ManagedFieldsEntry).exact


def models(module: Any) -> list[type[Model]]:
    return [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Model)]


@pytest.mark.parametrize("model", models(api.core_v1) + models(api.apps_v1), ids=lambda model: model.__name__)
def test_every_type_has_a_schema(model: type[Model]) -> None:
    assert set(schema_of(model).properties) == {field.alias or name for name, field in model.model_fields.items()}
