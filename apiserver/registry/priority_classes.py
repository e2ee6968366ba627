"""PriorityClasses: how important pods are.

https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, forbidden, invalid_value, not_supported
from api.scheduling_v1 import PriorityClass
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Column, Context, Strategy

HIGHEST_OF_USERS = 1_000_000_000
SYSTEM_PREFIX = "system-"
SYSTEM_CLASSES = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}
"""The classes that every cluster has: their values and what they are for."""
_POLICIES = ("PreemptLowerPriority", "Never")


class PriorityClasses(Strategy[PriorityClass]):
    resource = resource_of(PriorityClass)
    revalidates_metadata = False
    columns = (
        NAME,
        Column("Value", lambda c, now: c.value, type="integer", description="The higher, the more important."),
        Column(
            "Global-Default",
            lambda c, now: c.globalDefault,
            type="boolean",
            description="Whether pods that name no class are of this one.",
        ),
        AGE,
        Column(
            "PreemptionPolicy",
            lambda c, now: c.preemptionPolicy or "",
            description="Whether its pods may drive others out.",
        ),
    )

    def default(self, obj: PriorityClass) -> None:
        if obj.preemptionPolicy is None:
            obj.preemptionPolicy = "PreemptLowerPriority"

    def prepare_for_create(self, new: PriorityClass, context: Context) -> None:
        new.metadata.generation = 1

    def validate(self, new: PriorityClass) -> Iterator[FieldError]:
        if new.metadata.resourceVersion:
            return  # of an update only what it changes is looked at
        name = new.metadata.name
        if name.startswith(SYSTEM_PREFIX):
            flaw = _system_flaw(new)
            if flaw:
                detail = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: "
                yield forbidden("metadata.name", detail + flaw)
        elif new.value > HIGHEST_OF_USERS:
            yield forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}")
        if new.preemptionPolicy not in _POLICIES:
            yield not_supported("preemptionPolicy", new.preemptionPolicy, _POLICIES)

    def validate_update(self, new: PriorityClass, old: PriorityClass) -> Iterator[FieldError]:
        if new.value != old.value:
            yield forbidden("value", "may not be changed in an update.")
        if new.preemptionPolicy != old.preemptionPolicy:
            yield invalid_value("preemptionPolicy", new.preemptionPolicy, "field is immutable")


def _system_flaw(new: PriorityClass) -> str:
    name = new.metadata.name
    if name not in SYSTEM_CLASSES:
        return f"{name} is not a known system priority class"
    value = SYSTEM_CLASSES[name][0]
    if new.value != value:
        return f"value of {name} PriorityClass must be {value}"
    return f"globalDefault of {name} PriorityClass must be false" if new.globalDefault else ""
