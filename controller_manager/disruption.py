"""The condition that says a pod ended because the cluster wanted it to.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

from datetime import datetime

from api.core_v1 import Pod, PodCondition
from api.errors import Conflict, NotFound
from client.rest import RestClient


def disrupted(pod: Pod, reason: str, message: str, now: datetime) -> list[PodCondition]:
    """The pod's conditions with DisruptionTarget set."""
    others = [c for c in pod.status.conditions if c.type != "DisruptionTarget"]
    added = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason=reason,
        message=message,
        lastTransitionTime=now.replace(microsecond=0),
        observedGeneration=pod.metadata.generation,
    )
    return [*others, added]


async def evict(client: RestClient, pod: Pod, reason: str, message: str, now: datetime) -> None:
    """Mark a pod with DisruptionTarget, then delete it, as long as it is the one that was seen."""
    meta, marked = pod.metadata, pod.copy_deep()
    marked.status.conditions = disrupted(pod, reason, message, now)
    try:
        try:
            await client.update(marked, subresource="status")
        except Conflict:
            live = await client.get(Pod, meta.name, meta.namespace)
            live.status.conditions = disrupted(live, reason, message, now)
            await client.update(live, subresource="status")
        await client.delete(Pod, meta.name, meta.namespace, uid=meta.uid)
    except NotFound:
        return
