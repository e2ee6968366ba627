"""What a user should know about a pod that is valid all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from api.core_v1 import (
    Affinity,
    Container,
    ContainerPort,
    EphemeralContainer,
    NodeSelector,
    NodeSelectorTerm,
    PodAffinityTerm,
    PodSpec,
    PodTemplateSpec,
    Volume,
)
from api.meta_v1 import ObjectMeta
from apiserver.registry.addresses import warn_of_spelling
from apiserver.registry.names import label_value
from apiserver.registry.overlapping_paths import overlapping_paths
from apiserver.registry.pod_annotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD, all_containers

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
_RETIRED_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_USE_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_IN_BYTES = ("memory", "ephemeral-storage")


def template_warnings(template: PodTemplateSpec, path: str = "spec.template") -> Iterator[str]:
    """Warnings about the template of a workload."""
    return pod_warnings(template.spec, template.metadata, f"{path}.")


def pod_warnings(spec: PodSpec, meta: ObjectMeta, prefix: str = "") -> Iterator[str]:
    """Warnings about the spec of a new pod, or of a template at the path `prefix`."""
    path = f"{prefix}spec"
    yield from _labels(spec.nodeSelector, f"{path}.nodeSelector")
    if spec.affinity is not None:
        yield from _affinity(spec.affinity, f"{path}.affinity")
    for index, constraint in enumerate(spec.topologySpreadConstraints):
        where = f"{path}.topologySpreadConstraints[{index}]"
        if message := renamed_label(constraint.topologyKey):
            yield f"{where}.topologyKey: {constraint.topologyKey} is {message}"
        if constraint.labelSelector is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"
    if meta.annotations:
        yield from _annotations(spec, meta.annotations, prefix)
    yield from _volumes(spec.volumes, f"{path}.volumes")
    yield from overlapping_paths(spec)
    addresses: set[str] = set()
    for index, alias in enumerate(spec.hostAliases):
        where = f"{path}.hostAliases[{index}].ip"
        if alias.ip in addresses:
            yield f'{where}: duplicate ip "{alias.ip}"'
        addresses.add(alias.ip)
        yield from warn_of_spelling(alias.ip, where)
    for index, server in enumerate(spec.dnsConfig.nameservers if spec.dnsConfig is not None else ()):
        yield from warn_of_spelling(server, f"{path}.dnsConfig.nameservers[{index}]")
    names: set[str] = set()
    for index, secret in enumerate(spec.imagePullSecrets):
        where = f"{path}.imagePullSecrets[{index}].name"
        if secret.name in names:
            yield f'{where}: duplicate name "{secret.name}"'
        if not secret.name:
            yield f'{where}: invalid empty name ""'
        names.add(secret.name)
    yield from _amounts(spec.overhead, f"{path}.overhead")
    for where, container in all_containers(spec, path):
        yield from _container(container, where)
    yield from _ports(spec, path)
    seconds = spec.terminationGracePeriodSeconds
    if seconds is not None and seconds < 0:
        where = f"{path}.terminationGracePeriodSeconds"
        yield f"{where}: must be >= 0; negative values are invalid and will be treated as 1"


def _annotations(spec: PodSpec, annotations: Mapping[str, str], prefix: str) -> Iterator[str]:
    where = f"{prefix}metadata.annotations"
    for key, message in _RETIRED_ANNOTATIONS.items():
        if key in annotations:
            yield f"{where}[{key}]: {message}"
    context = spec.securityContext
    has_app_armor = context is not None and context.appArmorProfile is not None
    if SECCOMP_POD in annotations and (context is None or context.seccompProfile is None):
        yield f"{where}[{SECCOMP_POD}]: {_USE_SECCOMP}"
    for _, container in all_containers(spec, ""):
        own = container.securityContext
        key = SECCOMP_CONTAINER + container.name
        if key in annotations and (own is None or own.seccompProfile is None):
            yield f"{where}[{key}]: {_USE_SECCOMP}"
        key = APP_ARMOR + container.name
        if key in annotations and not has_app_armor and (own is None or own.appArmorProfile is None):
            yield f'{where}[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _volumes(volumes: list[Volume], path: str) -> Iterator[str]:
    for index, volume in enumerate(volumes):
        # Nearly all volumes of pods are of three kinds.
        if volume.emptyDir is not None or volume.configMap is not None or volume.projected is not None:
            continue
        if volume.ephemeral is not None and volume.ephemeral.volumeClaimTemplate is not None:
            from apiserver.registry.claim_spec import claim_spec_warnings  # few pods have one

            where = f"{path}[{index}].ephemeral.volumeClaimTemplate.spec"
            yield from claim_spec_warnings(volume.ephemeral.volumeClaimTemplate.spec, where)
        for kind, message in RETIRED_VOLUMES.items():
            if getattr(volume, kind) is not None:
                yield f"{path}[{index}].{'storageOS' if kind == 'storageos' else kind}: {message}"


def renamed_label(label: str) -> str:
    """What to know of a label of nodes that has got another name; empty for others."""
    since, now = _RENAMED_LABELS.get(label, ("", ""))
    return f'deprecated since {since}; use "{now}" instead' if now else ""


def _labels(labels: Mapping[str, str], path: str) -> Iterator[str]:
    for name in sorted(labels):
        if message := renamed_label(name):
            yield f"{path}[{name}]: {message}"


def _affinity(affinity: Affinity, path: str) -> Iterator[str]:
    if affinity.nodeAffinity is not None:
        where, of_node = f"{path}.nodeAffinity", affinity.nodeAffinity
        must = of_node.requiredDuringSchedulingIgnoredDuringExecution
        if must is not None:
            yield from node_selector_warnings(must, f"{where}.requiredDuringSchedulingIgnoredDuringExecution")
        for index, choice in enumerate(of_node.preferredDuringSchedulingIgnoredDuringExecution):
            place = f"{where}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
            yield from _node_term(choice.preference, place)
            for i, requirement in enumerate(choice.preference.matchExpressions):
                for j, value in enumerate(requirement.values):
                    for complaint in label_value(value):
                        yield f"{place}.matchExpressions[{i}].values[{j}]: {value} is invalid, {complaint}"
    for kind in ("podAffinity", "podAntiAffinity"):
        part = getattr(affinity, kind)
        if part is None:
            continue
        for index, term in enumerate(part.requiredDuringSchedulingIgnoredDuringExecution):
            yield from _null_selector(term, f"{path}.{kind}.requiredDuringSchedulingIgnoredDuringExecution[{index}]")
        preferred = part.preferredDuringSchedulingIgnoredDuringExecution
        for index, weighted in enumerate(preferred):
            where = f"{path}.{kind}.preferredDuringSchedulingIgnoredDuringExecution[{index}].podAffinityTerm"
            yield from _null_selector(weighted.podAffinityTerm, where)


def node_selector_warnings(selector: NodeSelector, path: str) -> Iterator[str]:
    """Warnings about labels of nodes that have got other names."""
    for index, term in enumerate(selector.nodeSelectorTerms):
        yield from _node_term(term, f"{path}.nodeSelectorTerms[{index}]")


def _node_term(term: NodeSelectorTerm, path: str) -> Iterator[str]:
    for index, requirement in enumerate(term.matchExpressions):
        if message := renamed_label(requirement.key):
            yield f"{path}.matchExpressions[{index}].key: {requirement.key} is {message}"


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
    if container.resources.limits or container.resources.requests:
        yield from _amounts(container.resources.limits, f"{path}.resources.limits")
        yield from _amounts(container.resources.requests, f"{path}.resources.requests")


def _amounts(amounts: Mapping[str, str], path: str) -> Iterator[str]:
    """Bytes are whole: "100m" is a mistyped "100M"."""
    for name in _IN_BYTES if amounts else ():
        amount = amounts.get(name)
        if amount is not None and amount[-1] in "mun":
            yield f'{path}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _ports(spec: PodSpec, path: str) -> Iterator[str]:
    """Ports that get into each other's way, in whatever containers they are."""
    seen: dict[tuple[int, str], list[tuple[str, ContainerPort]]] = {}
    named: dict[str, str] = {}
    for place, container in all_containers(spec, path):
        for index, port in enumerate(container.ports):
            where = f"{place}.ports[{index}]"
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
            first = named.setdefault(port.name, where)
            if port.name and first != where:
                yield (
                    f'{where}: duplicate port name "{port.name}" with {first}, '
                    f"services and probes that select ports by name will use {first}"
                )


def _clash(port: ContainerPort, other: ContainerPort) -> str:
    if (port.hostIP, port.hostPort) == (other.hostIP, other.hostPort):
        return "duplicate"
    if not port.hostPort or not other.hostPort:
        return "overlapping"
    if port.hostPort == other.hostPort and bool(port.hostIP) != bool(other.hostIP):
        return "dangerously ambiguous"
    return ""
