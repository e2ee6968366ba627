"""DefaultBinder: writes the decision through the pod's `binding` subresource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from api.core_v1 import Binding, ObjectReference
from api.meta_v1 import ObjectMeta
from scheduler.framework import CycleState, Status
from scheduler.pod_info import PodInfo

Bind = Callable[[Binding], Awaitable[None]]


class DefaultBinder:
    name = "DefaultBinder"

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Raises StatusError when the API server refuses."""
        await self._bind(binding(pod, node_name))
        return None


def binding(pod: PodInfo, node_name: str) -> Binding:
    """The uid makes sure that a pod of the same name made meanwhile is not bound by mistake."""
    return Binding(
        apiVersion="v1",
        kind="Binding",
        metadata=ObjectMeta(namespace=pod.namespace, name=pod.name, uid=pod.uid),
        target=ObjectReference(apiVersion="v1", kind="Node", name=node_name),
    )
