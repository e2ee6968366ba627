"""What a user should know about a pod that is valid all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from api.core_v1 import (
    Container,
    ContainerPort,
    EphemeralContainer,
    NodeSelector,
    PodAffinityTerm,
    PodSpec,
    PodTemplateSpec,
)
from api.quantity import parse

_RENAMED_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
RETIRED_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_IN_BYTES = ("memory", "ephemeral-storage")


def template_warnings(
    template: PodTemplateSpec, old: PodTemplateSpec | None, path: str = "spec.template"
) -> Iterable[str]:
    """Warnings about the template of a workload; none when it did not change."""
    if old is not None and old.spec == template.spec:
        return ()
    return pod_warnings(template.spec, f"{path}.spec")


def pod_warnings(spec: PodSpec, path: str = "spec") -> Iterator[str]:
    """Warnings about a new or changed pod spec."""
    yield from _labels(spec.nodeSelector, f"{path}.nodeSelector")
    if spec.affinity is not None:
        yield from _affinity(spec, f"{path}.affinity")
    for index, constraint in enumerate(spec.topologySpreadConstraints):
        where = f"{path}.topologySpreadConstraints[{index}]"
        if message := renamed_label(constraint.topologyKey):
            yield f"{where}.topologyKey: {constraint.topologyKey} is {message}"
        if constraint.labelSelector is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"
    for index, volume in enumerate(spec.volumes):
        for kind, message in RETIRED_VOLUMES.items() if volume.emptyDir is None else ():
            if getattr(volume, kind) is not None:
                yield f"{path}.volumes[{index}].{kind}: {message}"
    addresses: set[str] = set()
    for index, alias in enumerate(spec.hostAliases):
        if alias.ip in addresses:
            yield f'{path}.hostAliases[{index}].ip: duplicate ip "{alias.ip}"'
        addresses.add(alias.ip)
    names: set[str] = set()
    for index, secret in enumerate(spec.imagePullSecrets):
        where = f"{path}.imagePullSecrets[{index}].name"
        if not secret.name:
            yield f'{where}: invalid empty name ""'
        elif secret.name in names:
            yield f'{where}: duplicate name "{secret.name}"'
        names.add(secret.name)
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, kind)):
            yield from _container(container, f"{path}.{kind}[{index}]")
    yield from _ports(spec, path)
    seconds = spec.terminationGracePeriodSeconds
    if seconds is not None and seconds < 0:
        where = f"{path}.terminationGracePeriodSeconds"
        yield f"{where}: must be >= 0; negative values are invalid and will be treated as 1"


def renamed_label(label: str) -> str:
    """What to know of a label of nodes that has got another name; empty for others."""
    since, now = _RENAMED_LABELS.get(label, ("", ""))
    return f'deprecated since {since}; use "{now}" instead' if now else ""


def _labels(labels: Mapping[str, str], path: str) -> Iterator[str]:
    for name in sorted(labels):
        if message := renamed_label(name):
            yield f"{path}[{name}]: {message}"


def node_selector_warnings(selector: NodeSelector, path: str) -> Iterator[str]:
    """Warnings about labels of nodes that have got other names."""
    for index, term in enumerate(selector.nodeSelectorTerms):
        for position, requirement in enumerate(term.matchExpressions):
            if message := renamed_label(requirement.key):
                where = f"{path}.nodeSelectorTerms[{index}].matchExpressions[{position}].key"
                yield f"{where}: {requirement.key} is {message}"


def _affinity(spec: PodSpec, path: str) -> Iterator[str]:
    affinity = spec.affinity
    assert affinity is not None
    for kind in ("podAffinity", "podAntiAffinity"):
        part = getattr(affinity, kind)
        if part is None:
            continue
        must = part.requiredDuringSchedulingIgnoredDuringExecution
        for index, term in enumerate(must):
            yield from _null_selector(term, f"{path}.{kind}.requiredDuringSchedulingIgnoredDuringExecution[{index}]")
        preferred = part.preferredDuringSchedulingIgnoredDuringExecution
        for index, weighted in enumerate(preferred):
            where = f"{path}.{kind}.preferredDuringSchedulingIgnoredDuringExecution[{index}].podAffinityTerm"
            yield from _null_selector(weighted.podAffinityTerm, where)


def _null_selector(term: PodAffinityTerm, path: str) -> Iterator[str]:
    if term.labelSelector is None:
        yield f"{path}.labelSelector: a null labelSelector results in matching no pod"


def _container(container: Container | EphemeralContainer, path: str) -> Iterator[str]:
    variables: set[str] = set()
    for index, variable in enumerate(container.env):
        # A value that builds on the former one of its name is meant to.
        own = f"$({variable.name})"
        extends = variable.valueFrom is None and own in variable.value and variable.value != own
        if variable.name in variables and not extends:
            yield (
                f'{path}.env[{index}]: hides previous definition of "{variable.name}", '
                "which may be dropped when using apply"
            )
        variables.add(variable.name)
    for part, amounts in (("limits", container.resources.limits), ("requests", container.resources.requests)):
        for name in _IN_BYTES if amounts else ():
            amount = amounts.get(name)
            if amount is not None and amount[-1] == "m" and parse(amount) % 1:
                where = f"{path}.resources.{part}[{name}]"
                yield f'{where}: fractional byte value "{amount}" is invalid, must be an integer'


def _ports(spec: PodSpec, path: str) -> Iterator[str]:
    """Ports that get into each other's way, in whatever containers they are."""
    seen: dict[tuple[int, str], list[tuple[str, ContainerPort]]] = {}
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for number, container in enumerate(getattr(spec, kind)):
            for index, port in enumerate(container.ports):
                where = f"{path}.{kind}[{number}].ports[{index}]"
                if port.hostIP and not port.hostPort:
                    shown = (
                        f"{{Name:{port.name} HostPort:{port.hostPort} ContainerPort:{port.containerPort} "
                        f"Protocol:{port.protocol} HostIP:{port.hostIP}}}"
                    )
                    yield f"{where}: hostIP set without hostPort: {shown}"
                others = seen.setdefault((port.containerPort, port.protocol), [])
                for other, former in others:
                    clash = _clash(port, former)
                    if clash:
                        yield f"{where}: {clash} port definition with {other}"
                others.append((where, port))


def _clash(port: ContainerPort, other: ContainerPort) -> str:
    if (port.hostIP, port.hostPort) == (other.hostIP, other.hostPort):
        return "duplicate"
    if not port.hostPort or not other.hostPort:
        return "overlapping"
    if port.hostPort == other.hostPort and bool(port.hostIP) != bool(other.hostIP):
        return "dangerously ambiguous"
    return ""
