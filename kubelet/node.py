"""The Node object: registered at start, kept true while the kubelet lives.

See https://kubernetes.io/docs/concepts/architecture/nodes/.  Status is written when something changed, and
every five minutes; that the node lives is told by its Lease.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.clock import Clock
from api.core_v1 import (
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
    Taint,
)
from api.errors import AlreadyExists, StatusError
from api.meta_v1 import ObjectMeta
from api.resources import is_extended
from client.rest import RestClient, Unreachable
from kubelet.machine import Pressure, architecture

log = logging.getLogger(__name__)

_REPORT_EVERY = 300.0
_LIMITS = "nanokube.io/runtime-limits"


@dataclass(frozen=True)
class NodeFacts:
    """What does not change while the kubelet runs; `limits` (what the runtime cannot do) once it has started."""

    name: str
    ips: tuple[str, ...]
    pod_cidr: str
    port: int
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]
    info: NodeSystemInfo
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    limits: Callable[[], Sequence[str]] = tuple


def new_node(facts: NodeFacts, conditions: list[NodeCondition]) -> Node:
    """The object to register."""
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    limits = facts.limits()
    if limits:
        annotations[_LIMITS] = "; ".join(limits)
    spec = NodeSpec(taints=[*facts.taints])
    if facts.pod_cidr:
        spec.podCIDR, spec.podCIDRs = facts.pod_cidr, [facts.pod_cidr]
    return Node(
        metadata=ObjectMeta(name=facts.name, labels=node_labels(facts), annotations=annotations),
        spec=spec,
        status=node_status(facts, conditions),
    )


def node_labels(facts: NodeFacts) -> dict[str, str]:
    """https://kubernetes.io/docs/reference/labels-annotations-taints/, and those the user asked for."""
    arch, system = architecture(), facts.info.operatingSystem
    return {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": system,
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": system,
        **facts.labels,
    }


def node_status(facts: NodeFacts, conditions: list[NodeCondition]) -> NodeStatus:
    addresses = [NodeAddress(type="InternalIP", address=ip) for ip in facts.ips]
    return NodeStatus(
        addresses=[*addresses, NodeAddress(type="Hostname", address=facts.name)],
        capacity=dict(facts.capacity),
        allocatable=dict(facts.allocatable),
        nodeInfo=facts.info,
        daemonEndpoints=NodeDaemonEndpoints(kubeletEndpoint=DaemonEndpoint(Port=facts.port)),
        conditions=conditions,
    )


def _extended(quantities: Mapping[str, str]) -> dict[str, str]:
    """Resources that no kubelet measures: https://kubernetes.io/docs/tasks/administer-cluster/extended-resource-node/."""
    return {name: quantity for name, quantity in quantities.items() if is_extended(name)}


def node_conditions(
    pressure: Pressure, healthy: bool, limits: Sequence[str], before: Sequence[NodeCondition], now: datetime
) -> list[NodeCondition]:
    """The four conditions; times of unchanged ones are taken over."""
    ready = "kubelet is posting ready status" + "".join(f"; {limit}" for limit in limits)
    found = [
        _condition(
            "MemoryPressure",
            pressure.memory,
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ),
        _condition(
            "DiskPressure",
            pressure.disk,
            ("KubeletHasDiskPressure", "kubelet has disk pressure"),
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ),
        _condition(
            "PIDPressure",
            pressure.processes,
            ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ),
        _condition(
            "Ready",
            healthy,
            ("KubeletReady", ready),
            ("KubeletNotReady", "container runtime is down"),
        ),
    ]
    known = {condition.type: condition for condition in before}
    for condition in found:
        old = known.get(condition.type)
        same = old is not None and old.status == condition.status
        condition.lastTransitionTime = old.lastTransitionTime if same and old is not None else now
        condition.lastHeartbeatTime = now
    return found


def _condition(kind: str, value: bool, if_true: tuple[str, str], if_false: tuple[str, str]) -> NodeCondition:
    reason, message = if_true if value else if_false
    return NodeCondition(type=kind, status="True" if value else "False", reason=reason, message=message)


def _is_newer(node: Node, than: Node) -> bool:
    new, old = node.metadata.resourceVersion, than.metadata.resourceVersion
    return int(new) > int(old) if new.isdigit() and old.isdigit() else new != old


class NodeReporter:
    """Registers one node and keeps its status true."""

    def __init__(
        self,
        client: RestClient,
        clock: Clock,
        facts: NodeFacts,
        pressure: Callable[[], Pressure],
        healthy: Callable[[], bool],
        *,
        register: bool = True,
    ) -> None:
        self._client, self._clock, self.facts = client, clock, facts
        self._pressure, self._healthy = pressure, healthy
        self._register = register
        self._conditions: list[NodeCondition] = []
        self._reported = float("-inf")
        self.node: Node | None = None

    async def register(self) -> None:
        """Create the node, or bring one that exists up to date; tries until it worked."""
        wait = 0.1
        while True:
            try:
                await self._register_once()
            except (StatusError, Unreachable) as error:
                log.info("registering node %s: %s", self.facts.name, error)
                await self._clock.sleep(wait)
                wait = min(wait * 2, 7.0)
            else:
                log.info("node %s is registered", self.facts.name)
                return

    async def _register_once(self) -> None:
        self._conditions = self._now_conditions([])
        node = new_node(self.facts, self._conditions)
        if self._register:
            try:
                self.node = await self._client.create(node)
                self._reported = self._clock.monotonic()
                return
            except AlreadyExists:
                pass
        existing = await self._client.get(Node, self.facts.name)
        self._conditions = self._now_conditions(existing.status.conditions)
        patch: dict[str, Any] = {"metadata": {"labels": node.metadata.labels, "annotations": node.metadata.annotations}}
        if not self.facts.limits():
            patch["metadata"]["annotations"] = node.metadata.annotations | {_LIMITS: None}
        if self.facts.pod_cidr and not existing.spec.podCIDR:
            patch["spec"] = {"podCIDR": self.facts.pod_cidr, "podCIDRs": [self.facts.pod_cidr]}
        await self._client.patch(Node, self.facts.name, "", patch, type="strategic")
        await self._write()

    def observe(self, node: Node) -> bool:
        """Take note of the object as the API has it; whether something in it asks for an answer of ours."""
        known = self.node
        if known is not None and known.metadata.uid == node.metadata.uid and not _is_newer(node, known):
            return False
        had_range = known is not None and bool(known.spec.podCIDR)
        self.node = node
        return self.is_wrong() or bool(node.spec.podCIDR) != had_range

    def is_wrong(self) -> bool:
        """Whether the API's conditions are not those that were last reported, or a resource that somebody gave the node
        is not offered to pods yet."""
        if self.node is None or not self._conditions:
            return False
        if _extended(self.node.status.capacity) != _extended(self.node.status.allocatable):
            return True
        shown = {c.type: c.status for c in self.node.status.conditions}
        return any(shown.get(c.type) != c.status for c in self._conditions)

    async def report(self, *, force: bool = False) -> None:
        """Write the status if it changed, if it was not written for five minutes, or if told to.

        Raises StatusError, Unreachable.
        """
        before = {(c.type, c.status, c.reason, c.message) for c in self._conditions}
        self._conditions = self._now_conditions(self._conditions)
        after = {(c.type, c.status, c.reason, c.message) for c in self._conditions}
        due = self._clock.monotonic() - self._reported >= _REPORT_EVERY
        if force or due or before != after:
            await self._write()

    def allocatable(self) -> dict[str, str]:
        """What pods can have: what the machine has, and all of what others gave the node beside."""
        given = _extended(self.node.status.capacity) if self.node is not None else {}
        return {**self.facts.allocatable, **given}

    def _now_conditions(self, before: Sequence[NodeCondition]) -> list[NodeCondition]:
        return node_conditions(self._pressure(), self._healthy(), self.facts.limits(), before, self._clock.now())

    async def _write(self) -> None:
        self._reported = float("-inf")
        status = node_status(self.facts, self._conditions).to_dict()
        status["addresses"] = [{"$patch": "replace"}, *status["addresses"]]
        shown = _extended(self.node.status.allocatable) if self.node is not None else {}
        status["allocatable"] = {**dict.fromkeys(shown), **self.allocatable()}
        self.node = await self._client.patch(
            Node, self.facts.name, "", {"status": status}, type="strategic", subresource="status"
        )
        self._reported = self._clock.monotonic()
