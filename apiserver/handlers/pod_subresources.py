"""What is done to pods by POST: here, binding to a node."""

from __future__ import annotations

from typing import Any, TypeVar

from api.core_v1 import Binding, Node, Pod, PodCondition
from api.errors import BadRequest, Conflict, invalid, not_supported, required
from api.meta_v1 import Condition, StatusDetails
from apiserver.admission.pod_topology_labels import topology_labels
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.registry.strategy import Subresource
from apiserver.stored import StoredObject

C = TypeVar("C", Condition, PodCondition)


class Action(Subresource):
    """Changes what nobody else may: the rules of updates do not hold for it, and the changed fields are nobody's."""

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        """Everything stands: the server made it."""


def with_condition(conditions: list[C], condition: C) -> list[C]:
    """Conditions with one added or, where there is one of its type, replaced.  When it has not changed, it keeps the
    time of its last transition."""
    result = list(conditions)
    for index, former in enumerate(conditions):
        if former.type == condition.type:
            if former.status == condition.status:
                condition = condition.model_copy(update={"lastTransitionTime": former.lastTransitionTime})
            result[index] = condition
            return result
    result.append(condition)
    return result


async def bind(write: Write, name: str, binding: Binding) -> None:
    """Put a pod on the node the scheduler has chosen, once and for all.

    Raises Conflict when it has a node already or is being deleted, Invalid for a binding to something else.
    """
    if binding.metadata.name != name:
        raise BadRequest("name in URL does not match name in Binding object")
    errors = []
    if binding.target.kind not in ("", "Node"):
        errors.append(not_supported("target.kind", binding.target.kind, ["Node", "<empty>"]))
    if not binding.target.name:
        errors.append(required("target.name"))
    if errors:
        raise invalid("", "Binding", binding.metadata.name, errors)
    await write.admit_action(binding, name)
    if not name:
        raise BadRequest("Name parameter required.")
    node, now = binding.target.name, write.api.clock.now().replace(microsecond=0)
    host = write.api.cache.get(write.api.endpoint_of(Node).key("", node)) if binding.target.kind == "Node" else None
    places = {} if host is None else topology_labels(host.labels)

    def transform(old: Pod, stored: StoredObject | None) -> Any:
        details = StatusDetails(name=name, kind="pods/binding")
        for field, what in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            asked, is_ = getattr(binding.metadata, field), getattr(old.metadata, field)
            if asked and asked != is_:
                key = write.endpoint.key(write.namespace, name)
                raise write.conflict(
                    name,
                    f"StorageError: invalid object, Code: 4, Key: /registry{key}, ResourceVersion: 0, "
                    f"AdditionalErrorMsg: Precondition failed: {what} in precondition: {asked}, "
                    f"{what} in object meta: {is_}",
                )
        if old.metadata.deletionTimestamp is not None:
            raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host", details)
        if old.spec.nodeName:
            raise _refused(name, f'pod {name} is already assigned to node "{old.spec.nodeName}"', details)
        if old.spec.schedulingGates:
            raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates", details)
        # What a binding leaves alone is shared with the old pod: reading all of it again would cost more than this.
        metadata, given = old.metadata, binding.metadata
        scheduled = PodCondition(type="PodScheduled", status="True", lastTransitionTime=now)
        marks = {
            "annotations": {**metadata.annotations, **given.annotations},
            "labels": {**places, **given.labels, **metadata.labels},
        }
        status = {"conditions": with_condition(old.status.conditions, scheduled), "nominatedNodeName": ""}
        return old.model_copy(
            update={
                "metadata": metadata.model_copy(update=marks),
                "spec": old.spec.model_copy(update={"nodeName": node}),
                "status": old.status.model_copy(update=status),
            }
        )

    write.part = Action("binding")
    await update_object(write, name, transform)


def _refused(name: str, why: str, details: StatusDetails) -> Conflict:
    return Conflict(f'Operation cannot be fulfilled on pods/binding "{name}": {why}', details)
