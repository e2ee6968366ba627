"""StatefulSets: pods that have a name and storage of their own each.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetStatus,
    StatefulSetUpdateStrategy,
)
from api.core_v1 import PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.claim_spec import claim_spec_warnings, default_claim_spec, validate_claim_spec
from apiserver.registry.columns import AGE, NAME, template_columns
from apiserver.registry.internal_form import internal
from apiserver.registry.names import dns_label, label
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.strategy import Column, Context, Scale, Status, Strategy
from apiserver.registry.workloads import (
    is_usable,
    nonnegative,
    selects,
    unmatched,
    validate_collision_count,
    validate_counts,
    validate_pod_template,
    validate_runs_always,
    validate_workload_selector,
)

_ROLLING = "RollingUpdate"
_ON_DELETE = "OnDelete"
_IN_ORDER = "OrderedReady"
_RETAIN = "Retain"
_RETENTIONS = (_RETAIN, "Delete")
_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_IMMUTABLE = (
    "updates to statefulset spec for fields other than "
    + ", ".join(f"'{name}'" for name in _MUTABLE[:-1])
    + f" and '{_MUTABLE[-1]}' are forbidden"
)
_KEEPS_ALL = "a negative value retains all historical revisions; a value >= 0 is recommended"
_PARTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


@dataclass(frozen=True)
class StatefulSetStatusUpdate(Status):
    """`/status` of StatefulSets: what the controller counted."""

    def validate_update(self, new: StatefulSet, old: StatefulSet) -> Iterable[FieldError]:
        status = new.status
        yield from validate_counts(
            status,
            (
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "availableReplicas",
                "observedGeneration",
                "collisionCount",
            ),
        )
        for name in _PARTS:
            count = getattr(status, name)
            if count > status.replicas:
                yield invalid_value(f"status.{name}", count, "cannot be greater than status.replicas")
        if status.availableReplicas > status.readyReplicas:
            detail = "cannot be greater than status.readyReplicas"
            yield invalid_value("status.availableReplicas", status.availableReplicas, detail)
        yield from validate_collision_count(status.collisionCount, old.status.collisionCount)


class StatefulSets(Strategy[StatefulSet]):
    resource = resource_of(StatefulSet)
    subresources = (StatefulSetStatusUpdate(), Scale())
    revalidates_metadata = False
    columns = (
        NAME,
        Column(
            "Ready",
            lambda s, now: f"{s.status.readyReplicas}/{s.spec.replicas}",
            description="Pods that are ready, of those there should be.",
        ),
        AGE,
        *template_columns(),
    )

    def default(self, obj: StatefulSet) -> None:
        spec = obj.spec
        spec.podManagementPolicy = spec.podManagementPolicy or _IN_ORDER
        strategy = spec.updateStrategy
        strategy.type = strategy.type or _ROLLING
        if strategy.type == _ROLLING:
            if strategy.rollingUpdate is None:
                strategy.rollingUpdate = RollingUpdateStatefulSetStrategy()
            if strategy.rollingUpdate.partition is None:
                strategy.rollingUpdate.partition = 0
        if spec.persistentVolumeClaimRetentionPolicy is None:
            spec.persistentVolumeClaimRetentionPolicy = StatefulSetPersistentVolumeClaimRetentionPolicy()
        retention = spec.persistentVolumeClaimRetentionPolicy
        retention.whenDeleted = retention.whenDeleted or _RETAIN
        retention.whenScaled = retention.whenScaled or _RETAIN
        if spec.replicas is None:
            spec.replicas = 1
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = 10
        default_pod_spec(spec.template.spec)
        for claim in spec.volumeClaimTemplates:
            claim.kind, claim.apiVersion = "PersistentVolumeClaim", "v1"
            claim.status.phase = claim.status.phase or "Pending"
            default_claim_spec(claim.spec)

    def prepare_for_create(self, new: StatefulSet, context: Context) -> None:
        _drop_disabled(new)
        new.status = StatefulSetStatus(replicas=0, availableReplicas=0)
        new.metadata.generation = 1

    def prepare_for_update(self, new: StatefulSet, old: StatefulSet, context: Context) -> None:
        _drop_disabled(new)
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        return dns_label(name, prefix)

    def validate(self, new: StatefulSet) -> Iterator[FieldError]:
        return _validate_spec(new.spec, None)

    def validate_changed(self, new: StatefulSet, old: StatefulSet) -> Iterator[FieldError]:
        yield from _validate_spec(new.spec, old.spec)
        if any(getattr(new.spec, name) != getattr(old.spec, name) for name in _FIXED):
            yield forbidden("spec", _IMMUTABLE)

    def warnings(self, new: StatefulSet, old: StatefulSet | None) -> Iterable[str]:
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from template_warnings(new.spec.template)
        for i, claim in enumerate(new.spec.volumeClaimTemplates):
            # Kubernetes names the place as nobody else would, and differently in updates.
            where = f"spec.volumeClaimTemplates[{i}]"
            yield from claim_spec_warnings(claim.spec, where if old is None else f"{where}.Spec")
        limit = new.spec.revisionHistoryLimit
        if limit is not None and limit < 0:
            yield f"spec.revisionHistoryLimit: {_KEEPS_ALL}"


def _drop_disabled(obj: StatefulSet) -> None:
    """Take away what Kubernetes 1.36 knows but does not do by default: several pods less at a time (KEP-961)."""
    if obj.spec.updateStrategy.rollingUpdate is not None:
        obj.spec.updateStrategy.rollingUpdate.maxUnavailable = None


_FIXED = tuple(name for name in StatefulSetSpec.model_fields if name not in _MUTABLE)


def _validate_spec(spec: StatefulSetSpec, old: StatefulSetSpec | None) -> Iterator[FieldError]:
    """Complaints about a spec; of one that replaces `old`, about what can change."""
    if not spec.podManagementPolicy:
        yield required("spec.podManagementPolicy")
    elif spec.podManagementPolicy not in (_IN_ORDER, "Parallel"):
        policy = spec.podManagementPolicy
        yield invalid_value("spec.podManagementPolicy", policy, f"must be '{_IN_ORDER}' or 'Parallel'")
    yield from _validate_strategy(spec.updateStrategy, "spec.updateStrategy")
    if spec.persistentVolumeClaimRetentionPolicy is not None:
        for name in ("whenDeleted", "whenScaled"):
            value = getattr(spec.persistentVolumeClaimRetentionPolicy, name)
            if value not in _RETENTIONS:
                yield not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{name}", value, _RETENTIONS)
    if old is None:
        for i, claim in enumerate(spec.volumeClaimTemplates):
            yield from validate_claim_spec(claim.spec, f"spec.volumeClaimTemplates[{i}].spec")
    yield from nonnegative(spec.replicas, "spec.replicas")
    yield from nonnegative(spec.minReadySeconds, "spec.minReadySeconds")
    if spec.ordinals is not None:
        yield from nonnegative(spec.ordinals.start, "spec.ordinals.start")
    if old is None and spec.serviceName:
        for complaint in label(spec.serviceName):
            yield invalid_value("spec.serviceName", spec.serviceName, complaint)
    yield from validate_workload_selector(spec.selector, "spec.selector", "statefulset")
    if not is_usable(spec.selector):
        yield invalid_value("spec.selector", None if spec.selector is None else internal(spec.selector), "")
    elif old is None or not any(_validate_template(old)):
        yield from _validate_template(spec)
    yield from validate_runs_always(spec.template, "spec.template", "StatefulSet")


def _validate_strategy(strategy: StatefulSetUpdateStrategy, path: str) -> Iterator[FieldError]:
    rolling, where = strategy.rollingUpdate, f"{path}.rollingUpdate"
    if not strategy.type:
        yield required(path)
    elif strategy.type == _ON_DELETE:
        if rolling is not None:
            yield invalid_value(where, internal(rolling), f"only allowed for updateStrategy '{_ROLLING}'")
    elif strategy.type == _ROLLING:
        if rolling is not None:
            yield from nonnegative(rolling.partition, f"{where}.partition")
    else:
        yield invalid_value(path, internal(strategy), f"must be '{_ROLLING}' or '{_ON_DELETE}'")


def _validate_template(spec: StatefulSetSpec) -> Iterator[FieldError]:
    """The selector finds the pods, and these are valid with the claims mounted that the controller makes."""
    if not selects(spec.selector, spec.template.metadata.labels):
        yield unmatched(spec.template, "spec.template")
    yield from validate_pod_template(_with_claims(spec), "spec.template")


def _with_claims(spec: StatefulSetSpec) -> PodTemplateSpec:
    """The template with a volume for each claim, which comes before one of the template's own by that name."""
    if not spec.volumeClaimTemplates:
        return spec.template
    claims = {claim.metadata.name: claim for claim in spec.volumeClaimTemplates}
    volumes = [
        Volume(name=name, persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=name)) for name in claims
    ]
    others = [volume for volume in spec.template.spec.volumes if volume.name not in claims]
    pod = spec.template.spec.model_copy(update={"volumes": volumes + others})
    return spec.template.model_copy(update={"spec": pod})
