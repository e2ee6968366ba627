"""What is done to pods by POST: binding to a node and eviction.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

from typing import Any

from api.core_v1 import Binding, Pod, PodCondition
from api.errors import BadRequest, Conflict, invalid, not_supported, required
from api.meta_v1 import DeleteOptions, StatusDetails
from api.policy_v1 import Eviction
from apiserver.handlers.delete import delete_object
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.registry.strategy import Subresource
from apiserver.stored import StoredObject


class Assignment(Subresource):
    """A binding changes what nobody else may: the rules of updates do not hold for it."""

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        """Everything stands: `bind` made it."""


async def bind(write: Write, name: str, binding: Binding) -> None:
    """Put a pod on the node the scheduler has chosen, once and for all.

    Raises Conflict when it has a node already or is being deleted, Invalid for a binding to something else.
    """
    if binding.metadata.name and binding.metadata.name != name:
        raise BadRequest("name in URL does not match name in Binding object")
    errors = []
    if binding.target is None or not binding.target.name:
        errors.append(required("target.name"))
    elif binding.target.kind not in ("", "Node"):
        errors.append(not_supported("target.kind", binding.target.kind, ["Node", "<empty>"]))
    if errors:
        raise invalid("", "Binding", binding.metadata.name, errors)
    node, now = binding.target.name, write.api.clock.now().replace(microsecond=0)

    def transform(old: Pod, stored: StoredObject | None) -> Any:
        details = StatusDetails(name=name, kind="pods/binding")
        if binding.metadata.uid and binding.metadata.uid != old.metadata.uid:
            why = (
                f"Precondition failed: UID in precondition: {binding.metadata.uid}, "
                f"UID in object meta: {old.metadata.uid}"
            )
            raise write.conflict(name, why)
        if old.metadata.deletionTimestamp is not None:
            raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host", details)
        if old.spec.nodeName:
            raise _refused(name, f'pod {name} is already assigned to node "{old.spec.nodeName}"', details)
        if old.spec.schedulingGates:
            raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates", details)
        # What a binding leaves alone is shared with the old pod: reading all of it again would cost more than this.
        metadata, given = old.metadata, binding.metadata
        conditions = [c for c in old.status.conditions if c.type != "PodScheduled"]
        conditions.append(PodCondition(type="PodScheduled", status="True", lastTransitionTime=now))
        marks = {
            "annotations": {**metadata.annotations, **given.annotations},
            "labels": {**metadata.labels, **given.labels},
        }
        return old.model_copy(
            update={
                "metadata": metadata.model_copy(update=marks),
                "spec": old.spec.model_copy(update={"nodeName": node}),
                "status": old.status.model_copy(update={"conditions": conditions}),
            }
        )

    write.part = Assignment("binding")
    await update_object(write, name, transform)


def _refused(name: str, why: str, details: StatusDetails) -> Conflict:
    return Conflict(f'Operation cannot be fulfilled on pods/binding "{name}": {why}', details)


async def evict(write: Write, name: str, eviction: Eviction) -> None:
    """Delete a pod on somebody's polite request, with the grace period it asks for."""
    if eviction.metadata.name and eviction.metadata.name != name:
        raise BadRequest("name in URL does not match name in Eviction object")
    await delete_object(write, name, eviction.deleteOptions or DeleteOptions())
