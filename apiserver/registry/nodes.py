"""Nodes: the machines that pods run on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.core_v1 import Node, NodeConfigSource, Taint
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.quantity import parse
from api.resources import is_whole
from api.rfc3339 import to_second
from api.scheme import resource_of
from apiserver.registry.addresses import network, parse_network, warn_of_spelling
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.names import config_key, label, label_value, qualified, subdomain
from apiserver.registry.strategy import Column, Context, Status, Strategy

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"
_is_feature = re.compile("[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*").fullmatch
_LONGEST_FEATURE = 253
_BAD_FEATURE = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' "
    "(e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class NodeStatus(Status):
    """`/status` of nodes: what the kubelet reports."""

    def prepare_for_update(self, new: Node, old: Node) -> None:
        super().prepare_for_update(new, old)
        default_allocatable(new)

    def validate_update(self, new: Node, old: Node) -> Iterable[FieldError]:
        yield from _validate_resources(new)
        yield from _validate_features(new.status.declaredFeatures, "status.declaredFeatures")
        yield from _validate_report(new)


def default_allocatable(node: Node) -> None:
    """A node that does not say what pods may use lets them use everything."""
    if not node.status.allocatable and node.status.capacity:
        node.status.allocatable = dict(node.status.capacity)


class Nodes(Strategy[Node]):
    resource = resource_of(Node)
    subresources = (NodeStatus(),)

    def default(self, obj: Node) -> None:
        # podCIDR is the older field for the first of podCIDRs, and wins.
        spec = obj.spec
        if spec.podCIDR and (not spec.podCIDRs or spec.podCIDRs[0] != spec.podCIDR):
            spec.podCIDRs = [spec.podCIDR]
        elif spec.podCIDRs and not spec.podCIDR:
            spec.podCIDR = spec.podCIDRs[0]
        default_allocatable(obj)

    def prepare_for_update(self, new: Node, old: Node, context: Context) -> None:
        new.status = old.status

    def validate(self, new: Node) -> Iterator[FieldError]:
        yield from validate_taints(new.spec.taints, "metadata.taints")
        yield from _validate_resources(new)
        swap = new.status.nodeInfo.swap
        if swap is not None and swap.capacity is not None and swap.capacity <= 0:
            yield invalid_value("metadata.nodeSwapStatus.capacity", swap.capacity, "must be greater than zero")
        yield from _validate_features(new.status.declaredFeatures, "status.declaredFeatures")
        cidrs = new.spec.podCIDRs
        for index, cidr in enumerate(cidrs):
            for complaint in network(cidr):
                yield invalid_value(f"spec.podCIDRs[{index}]", cidr, complaint)
        if len(cidrs) > 1:
            families = [found.version for found in map(parse_network, cidrs) if found is not None]
            if len(cidrs) > 2 or len(set(families)) != len(families):
                detail = "may specify no more than one CIDR for each IP family"
                yield invalid_value("spec.podCIDRs", list(cidrs), detail)

    def validate_update(self, new: Node, old: Node) -> Iterator[FieldError]:
        # As Kubernetes does, much is looked at once more as part of the change: clients see both causes.
        yield from _validate_resources(new)
        now, before = new.spec.podCIDRs, old.spec.podCIDRs
        changes = sum(a != b for a, b in zip(now, before, strict=True)) if len(now) == len(before) else bool(before)
        for _ in range(changes):
            yield forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
        if old.spec.providerID and new.spec.providerID != old.spec.providerID:
            yield forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')
        if new.spec.configSource is not None:
            yield from _validate_source(new.spec.configSource, "spec.configSource", in_status=False)
        yield from validate_taints(new.spec.taints, "metadata.taints")
        if new.spec.externalID != old.spec.externalID:
            yield forbidden("spec.externalID", "may not be updated")

    def warnings(self, new: Node, old: Node | None) -> Iterable[str]:
        if new.spec.configSource is not None:
            yield "spec.configSource: the feature is removed"
        if new.spec.externalID:
            yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
        for index, cidr in enumerate(new.spec.podCIDRs):
            yield from warn_of_spelling(cidr, f"spec.podCIDRs[{index}]")

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        unschedulable = (document.get("spec") or {}).get("unschedulable", False)
        return {"spec.unschedulable": "true" if unschedulable else "false"}

    columns = (
        NAME,
        Column("Status", lambda n, now: _status(n), description="Whether it is ready, and takes new pods."),
        Column("Roles", lambda n, now: _roles(n), description="The roles its labels give it."),
        AGE,
        Column("Version", lambda n, now: n.status.nodeInfo.kubeletVersion, description="The kubelet's version."),
        Column("Internal-IP", lambda n, now: _address(n, "InternalIP"), description="Its address inside.", priority=1),
        Column("External-IP", lambda n, now: _address(n, "ExternalIP"), description="Its address outside.", priority=1),
        Column(
            "OS-Image",
            lambda n, now: n.status.nodeInfo.osImage or "<unknown>",
            description="The operating system.",
            priority=1,
        ),
        Column(
            "Kernel-Version",
            lambda n, now: n.status.nodeInfo.kernelVersion or "<unknown>",
            description="The kernel.",
            priority=1,
        ),
        Column(
            "Container-Runtime",
            lambda n, now: n.status.nodeInfo.containerRuntimeVersion or "<unknown>",
            description="What runs the containers.",
            priority=1,
        ),
    )


def validate_taints(taints: list[Taint], path: str) -> Iterator[FieldError]:
    """Complaints about taints, each unique by key and effect."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        where = f"{path}[{index}]"
        for complaint in qualified(taint.key):
            yield invalid_value(f"{where}.key", taint.key, complaint)
        complaints = label_value(taint.value)
        if complaints:
            yield invalid_value(f"{where}.value", taint.value, ";".join(complaints))
        if not taint.effect:
            yield required(f"{where}.effect")
        elif taint.effect not in _EFFECTS:
            yield not_supported(f"{where}.effect", taint.effect, _EFFECTS)
        if (taint.key, taint.effect) in seen:
            shown = {
                "Key": taint.key,
                "Value": taint.value,
                "Effect": taint.effect,
                "TimeAdded": _time(taint.timeAdded),
            }
            yield duplicate(where, shown, "taints must be unique by key and effect pair")
        seen.add((taint.key, taint.effect))


def _time(time: datetime | None) -> str | None:
    return None if time is None else to_second(time)


def _validate_report(node: Node) -> Iterator[FieldError]:
    """Complaints about what the kubelet says of its node."""
    seen: set[tuple[str, str]] = set()
    for index, address in enumerate(node.status.addresses):
        if (address.type, address.address) in seen:
            shown = {"Type": address.type, "Address": address.address}
            yield duplicate(f"status.addresses[{index}]", shown)
        seen.add((address.type, address.address))
    config = node.status.config
    for name in ("assigned", "active", "lastKnownGood"):
        source = getattr(config, name, None)
        if source is not None:
            yield from _validate_source(source, f"status.config.{name}", in_status=True)


def _validate_source(source: NodeConfigSource, path: str, *, in_status: bool) -> Iterator[FieldError]:
    """The ConfigMap of a kubelet's configuration, a feature that is gone; what is stored still has to be sound."""
    reference, where = source.configMap, f"{path}.configMap"
    if reference is None:
        yield invalid_value(path, internal(source), "exactly one reference subfield must be non-nil")
        return
    for field in ("uid", "resourceVersion"):
        if in_status and not getattr(reference, field):
            yield required(f"{where}.{field}")
        elif getattr(reference, field) and not in_status:
            yield forbidden(f"{where}.{field}", f"{field} must not be set in spec")
    for field, rule in (("namespace", label), ("name", subdomain), ("kubeletConfigKey", config_key)):
        value = getattr(reference, field)
        if not value:
            yield required(f"{where}.{field}")
        for complaint in rule(value) if value else ():
            yield invalid_value(f"{where}.{field}", value, complaint)


def _validate_resources(node: Node) -> Iterator[FieldError]:
    for part in ("capacity", "allocatable"):
        for name, amount in sorted(getattr(node.status, part).items()):
            where = f"status.{part}.{name}"
            value = parse(amount)
            if value < 0:
                yield invalid_value(where, amount, "must be greater than or equal to 0")
            if is_whole(name) and value != value.to_integral_value():
                yield invalid_value(where, amount, "must be an integer")


def _validate_features(names: list[str], path: str) -> Iterator[FieldError]:
    """Complaints about the features a node declares (KEP-5328): well-formed names, in order, each once."""
    for index, name in enumerate(names):
        flaw = f"must be no more than {_LONGEST_FEATURE} characters" if len(name) > _LONGEST_FEATURE else ""
        if not flaw and not _is_feature(name):
            flaw = _BAD_FEATURE
        if flaw:
            yield invalid_value(f"{path}[{index}]", name, f'invalid feature name "{name}": {flaw}')
        after = names[index + 1 : index + 2]
        if after == [name]:
            yield duplicate(f"{path}[{index + 1}]", name)
        elif after and after < [name]:
            yield invalid_value(f"{path}[{index + 1}]", after[0], "list must be sorted alphabetically")


def _status(node: Node) -> str:
    words = []
    for condition in node.status.conditions:
        if condition.type == "Ready":
            words.append("Ready" if condition.status == "True" else "NotReady")
    words = words or ["Unknown"]
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Node) -> str:
    roles = set()
    for key, value in node.metadata.labels.items():
        if key.startswith(_ROLE_PREFIX) and len(key) > len(_ROLE_PREFIX):
            roles.add(key.removeprefix(_ROLE_PREFIX))
        elif key == _ROLE and value:
            roles.add(value)
    return ",".join(sorted(roles)) or "<none>"


def _address(node: Node, kind: str) -> str:
    return next((a.address for a in node.status.addresses if a.type == kind), "<none>")
