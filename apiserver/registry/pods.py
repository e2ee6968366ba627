"""Pods.  https://kubernetes.io/docs/concepts/workloads/pods/"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from api.core_v1 import Pod, PodAffinityTerm, PodCondition, PodStatus, TopologySpreadConstraint
from api.errors import FieldError, forbidden
from api.meta_v1 import DeleteOptions, LabelSelectorRequirement
from api.resources import quality_of_service
from api.scheme import resource_of
from apiserver.registry.containers import validate_pod_images
from apiserver.registry.names import label
from apiserver.registry.pod_annotations import validate_agreement
from apiserver.registry.pod_columns import COLUMNS, PodSummary, row_conditions
from apiserver.registry.pod_defaults import default_pod, default_pod_spec
from apiserver.registry.pod_spec import validate_pod_spec
from apiserver.registry.pod_status import PodStatus as PodStatusUpdate
from apiserver.registry.pod_status import synchronise_pod_ips
from apiserver.registry.pod_subresources import EphemeralContainers, Resize
from apiserver.registry.pod_update import validate_pod_update
from apiserver.registry.pod_warnings import pod_warnings
from apiserver.registry.strategy import Context, Options, Strategy
from apiserver.stored import LONGEST_REMEMBERED

_FINISHED = ("Succeeded", "Failed")
_Judged: TypeAlias = tuple[bytes, frozenset[tuple[str, str]]]
"""All that the rules of a new pod look at: its spec's JSON and its annotations."""
_REMEMBERED = 256
_DEFAULT_GRACE = 30


class Pods(Strategy[Pod]):
    resource = resource_of(Pod)
    returns_deleted = True
    subresources = (PodStatusUpdate(), EphemeralContainers(), Resize())
    columns = COLUMNS

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._judged: dict[_Judged, Sequence[str]] = {}
        """The warnings about specs that are known to be valid: most pods are one of many from the same template."""

    def default(self, obj: Pod) -> None:
        default_pod_spec(obj.spec)
        default_pod(obj.spec)
        synchronise_pod_ips(obj)

    def default_changed(self, new: Pod, old: Pod) -> None:
        if new.spec is not old.spec:
            self.default(new)
        else:
            synchronise_pod_ips(new)

    def prepare_for_create(self, new: Pod, context: Context) -> None:
        new.metadata.generation = 1
        new.status = PodStatus(phase="Pending", qosClass=quality_of_service(new.spec))
        if new.spec.schedulingGates:
            message = "Scheduling is blocked due to non-empty scheduling gates"
            condition = PodCondition(type="PodScheduled", status="False", reason="SchedulingGated", message=message)
            condition.lastTransitionTime = context.now.replace(microsecond=0)
            new.status.conditions = [condition]
        _apply_match_label_keys(new)

    def prepare_for_update(self, new: Pod, old: Pod, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: Pod) -> Iterator[FieldError]:
        spec = new.spec
        yield from validate_pod_spec(spec, "spec", new.metadata)
        if not spec.serviceAccountName:
            yield from _validate_no_tokens(new)
        yield from validate_pod_images(spec)
        if not new.metadata.resourceVersion:
            yield from _validate_new(new)

    def judge(self, new: Pod, spec: Callable[[Pod], bytes]) -> tuple[Sequence[FieldError], Iterable[str]]:
        if any(volume.ephemeral is not None for volume in new.spec.volumes):
            return super().judge(new, spec)  # the name of the pod is in the names of its claims
        key = spec(new), frozenset(new.metadata.annotations.items())
        warnings = self._judged.get(key)
        if warnings is None:
            errors = list(self.validate(new))
            if errors:
                return errors, ()
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            warnings = list(pod_warnings(new.spec, new.metadata))
            if len(key[0]) <= LONGEST_REMEMBERED:
                self._judged[key] = warnings
        return (), [*_about_name(new.metadata.name), *warnings]

    def validate_update(self, new: Pod, old: Pod) -> Iterator[FieldError]:
        return validate_pod_update(new, old)

    def validate_changed(self, new: Pod, old: Pod) -> Iterator[FieldError]:
        if new.spec is not old.spec or new.metadata.annotations != old.metadata.annotations:
            yield from super().validate_changed(new, old)

    def warnings(self, new: Pod, old: Pod | None) -> Iterable[str]:
        if old is not None:
            return ()
        return [*_about_name(new.metadata.name), *pod_warnings(new.spec, new.metadata)]

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        spec, status = document.get("spec") or {}, document.get("status") or {}
        return {
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.host": spec.get("nodeName", ""),  # what it was called before v1
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": status.get("podIP", ""),
            "status.podIPs": "",  # known as a name, but Kubernetes never fills it
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }

    def cells(self, obj: Pod, now: datetime) -> list[Any]:
        return PodSummary(obj).cells(now)

    def row_conditions(self, obj: Pod) -> list[dict[str, str]]:
        return row_conditions(obj)

    def grace_period(self, obj: Pod, options: DeleteOptions) -> int | None:
        """What the client asks for or else the pod says; nothing for a pod that does not run.

        See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination.
        """
        if not obj.spec.nodeName or obj.status.phase in _FINISHED:
            return 0
        seconds = options.gracePeriodSeconds
        if seconds is None:
            seconds = obj.spec.terminationGracePeriodSeconds
        if seconds is None:
            seconds = _DEFAULT_GRACE
        return 1 if seconds < 0 else seconds


def _about_name(name: str) -> Iterator[str]:
    complaints = label(name)
    if complaints:
        yield (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(complaints)}]"
        )


def _validate_new(pod: Pod) -> Iterator[FieldError]:
    if pod.spec.ephemeralContainers:
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if pod.spec.nodeName and pod.spec.schedulingGates:
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    if pod.metadata.annotations:
        yield from validate_agreement(pod.spec, pod.metadata, "spec")


def _validate_no_tokens(pod: Pod) -> Iterator[FieldError]:
    for index, volume in enumerate(pod.spec.volumes):
        if volume.projected is None:
            continue
        for position, source in enumerate(volume.projected.sources):
            if source.serviceAccountToken is not None:
                where = f"spec.volumes[{index}].projected.sources[{position}].serviceAccountToken"
                yield forbidden(where, "must not be specified when serviceAccountName is not set")


def _apply_match_label_keys(pod: Pod) -> None:
    """Turn matchLabelKeys into requirements on the values this pod has (KEP-3633, KEP-3243)."""
    affinity = pod.spec.affinity
    terms: list[PodAffinityTerm | TopologySpreadConstraint] = list(pod.spec.topologySpreadConstraints)
    if affinity is not None:
        for part in (affinity.podAffinity, affinity.podAntiAffinity):
            if part is not None:
                terms += part.requiredDuringSchedulingIgnoredDuringExecution
                terms += [each.podAffinityTerm for each in part.preferredDuringSchedulingIgnoredDuringExecution]
    labels = pod.metadata.labels
    for term in terms:
        selector = term.labelSelector
        if selector is None:
            continue
        wanted = [(key, "In") for key in term.matchLabelKeys]
        if isinstance(term, PodAffinityTerm):
            wanted += [(key, "NotIn") for key in term.mismatchLabelKeys]
        for key, operator in wanted:
            if key in labels:
                requirement = LabelSelectorRequirement(key=key, operator=operator, values=[labels[key]])
                selector.matchExpressions = [*selector.matchExpressions, requirement]
