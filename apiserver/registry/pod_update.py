"""What may change of a pod that exists: little, as its containers run already."""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import Container, NodeAffinity, Pod, PodSpec
from api.errors import FieldError, forbidden, invalid_value
from apiserver.registry.internal_form import difference, internal
from apiserver.registry.pod_annotations import validate_annotation_changes, validate_pod_annotations
from apiserver.registry.scheduling import validate_tolerations
from apiserver.registry.security_context import in_range

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: Pod, old: Pod) -> Iterator[FieldError]:
    """Complaints about a change through the pod itself, not through one of its subresources."""
    spec, former = new.spec, old.spec
    yield from validate_annotations_of_change(new, old)
    for kind in ("containers", "initContainers"):
        containers: list[Container] = getattr(spec, kind)
        if len(containers) != len(getattr(former, kind)):
            yield forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(containers):
            yield from _validate_image(container, f"spec.{kind}[{index}].image")
    deadline = list(_validate_deadline(spec, former))
    yield from deadline
    if deadline and spec.activeDeadlineSeconds is not None:
        return
    yield from _validate_tolerations(spec, former)
    yield from _validate_gates(spec, former)
    if spec == former:
        return
    allowed = _with_allowed_changes_undone(spec, former)
    gated = bool(former.schedulingGates)
    if gated:
        yield from _validate_gated(allowed, former)
    if allowed != former:
        yield forbidden("spec", f"{_MAY_CHANGE}\n{difference(former, allowed)}")


def validate_annotations_of_change(new: Pod, old: Pod) -> Iterator[FieldError]:
    """Complaints about the annotations of a pod that is changed through whatever URL."""
    if new.metadata.annotations or old.metadata.annotations:
        yield from validate_annotation_changes(new.metadata, old.metadata, "metadata.annotations")
        yield from validate_pod_annotations(new.spec, new.metadata, "metadata.annotations")


def _validate_image(container: Container, path: str) -> Iterator[FieldError]:
    if not container.image:
        yield FieldError("FieldValueRequired", path, "")
    elif container.image != container.image.strip():
        yield invalid_value(path, container.image, "must not have leading or trailing whitespace")


def _validate_deadline(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    path, seconds, former = "spec.activeDeadlineSeconds", new.activeDeadlineSeconds, old.activeDeadlineSeconds
    if seconds is not None:
        if not 0 <= seconds <= 2**31 - 1:
            yield from in_range(seconds, path)
        elif former is not None and former < seconds:
            yield invalid_value(path, seconds, "must be less than or equal to previous value")
    elif former is not None:
        yield invalid_value(path, None, "must not update from a positive integer to nil value")


def _validate_tolerations(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    def without_seconds(spec: PodSpec) -> list[tuple[str, str, str, str]]:
        return [(each.key, each.operator, each.value, each.effect) for each in spec.tolerations]

    kept = without_seconds(new)
    if any(toleration not in kept for toleration in without_seconds(old)):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
    else:
        yield from validate_tolerations(new.tolerations, "spec.tolerations")


def _validate_gates(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    former = {gate.name for gate in old.schedulingGates}
    for index, gate in enumerate(new.schedulingGates):
        if gate.name not in former:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", detail)


def _with_allowed_changes_undone(new: PodSpec, old: PodSpec) -> PodSpec:
    """The new spec with every field that may change put back: what differs still, may not."""

    def with_images(containers: list[Container], former: list[Container]) -> list[Container]:
        pairs = zip(containers, former, strict=True)
        return [c if c.image == f.image else c.model_copy(update={"image": f.image}) for c, f in pairs]

    changes = {
        "containers": with_images(new.containers, old.containers),
        "initContainers": with_images(new.initContainers, old.initContainers),
        "activeDeadlineSeconds": old.activeDeadlineSeconds,
        "schedulingGates": old.schedulingGates,
        "tolerations": old.tolerations,
    }
    grace = old.terminationGracePeriodSeconds
    if grace is not None and grace < 0 and new.terminationGracePeriodSeconds == 1:
        changes["terminationGracePeriodSeconds"] = grace
    return new.model_copy(update=changes)


def _validate_gated(spec: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    """Before scheduling, where a pod may run can still be narrowed (KEP-3838); undoes in `spec` what is allowed."""
    if spec.nodeSelector != old.nodeSelector:
        if any(spec.nodeSelector.get(key) != value for key, value in old.nodeSelector.items()):
            detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            yield invalid_value("spec.nodeSelector", dict(sorted(spec.nodeSelector.items())), detail)
        spec.nodeSelector = old.nodeSelector
    affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
    former = old.affinity.nodeAffinity if old.affinity is not None else None
    if affinity != former:
        if former is not None:
            yield from _validate_narrower(affinity, former)
        if old.affinity is None and _only_node_affinity(spec):
            spec.affinity = None
        elif spec.affinity is not None:
            spec.affinity = spec.affinity.model_copy(update={"nodeAffinity": former})
        else:
            spec.affinity = old.affinity


def _only_node_affinity(spec: PodSpec) -> bool:
    return spec.affinity is None or (spec.affinity.podAffinity is None and spec.affinity.podAntiAffinity is None)


def _validate_narrower(new: NodeAffinity | None, old: NodeAffinity) -> Iterator[FieldError]:
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    former = old.requiredDuringSchedulingIgnoredDuringExecution
    if former is None:
        return
    now = None if new is None else new.requiredDuringSchedulingIgnoredDuringExecution
    terms = [] if now is None else now.nodeSelectorTerms
    if len(terms) != len(former.nodeSelectorTerms):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield invalid_value(f"{path}.nodeSelectorTerms", internal(terms), detail)
        return
    for index, (term, before) in enumerate(zip(terms, former.nodeSelectorTerms, strict=True)):
        empty = not before.matchExpressions and not before.matchFields
        kept = (
            term.matchExpressions[: len(before.matchExpressions)] == before.matchExpressions
            and term.matchFields[: len(before.matchFields)] == before.matchFields
        )
        if term != before and (empty or not kept):
            detail = "only additions are allowed (no mutations or deletions)"
            yield invalid_value(f"{path}.nodeSelectorTerms[{index}]", internal(term), detail)
