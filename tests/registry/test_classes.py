"""Priority classes and runtime classes."""

from __future__ import annotations

from typing import Any

import pytest

from api.node_v1 import RuntimeClass
from api.scheduling_v1 import PriorityClass
from apiserver.registry.priority_classes import PriorityClasses
from apiserver.registry.runtime_classes import RuntimeClasses
from tests.registry.builders import NOW, complaints, created, update_complaints

RESERVED = (
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
)


def priority(name: str = "x", value: int = 1, **fields: Any) -> PriorityClass:
    return PriorityClass.from_dict({"metadata": {"name": name}, "value": value, **fields})


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (priority(), []),
        (
            priority(value=1_000_000_001),
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
        ),
        (priority("system-x"), [RESERVED + "system-x is not a known system priority class"]),
        (priority("system-node-critical", 2_000_001_000), []),
        (
            priority("system-node-critical"),
            [RESERVED + "value of system-node-critical PriorityClass must be 2000001000"],
        ),
        (
            priority("system-node-critical", 2_000_001_000, globalDefault=True),
            [RESERVED + "globalDefault of system-node-critical PriorityClass must be false"],
        ),
    ],
)  # fmt: skip
def test_priority_classes(obj: PriorityClass, expected: list[str]) -> None:
    assert complaints(PriorityClasses(), obj) == expected


def test_of_an_update_only_the_change_is_looked_at() -> None:
    def change(new: PriorityClass) -> None:
        new.preemptionPolicy = "Sometimes"

    assert update_complaints(PriorityClasses(), priority(), change) == [
        'preemptionPolicy: Invalid value: "Sometimes": field is immutable'
    ]


def test_a_priority_class_in_a_table() -> None:
    obj = created(PriorityClasses(), priority())
    assert PriorityClasses().cells(obj, NOW) == ["x", 1, False, "<unknown>", "PreemptLowerPriority"]


def test_runtime_classes() -> None:
    obj = RuntimeClass.from_dict(
        {
            "metadata": {"name": "x"},
            "handler": "",
            "overhead": {"podFixed": {"cpu": "-1"}},
            "scheduling": {"tolerations": [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "Exists"}]},
        }
    )
    assert complaints(RuntimeClasses(), obj) == [
        'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        "scheduling.tolerations[1]: Duplicate value: "
        '{"Key":"a","Operator":"Exists","Value":"","Effect":"","TolerationSeconds":null}',
        "handler: Required value",
    ]
