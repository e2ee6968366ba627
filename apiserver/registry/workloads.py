"""What controllers of pods have in common: a selector and a pod template, replicas, status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.core_v1 import PodTemplateSpec
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.meta_v1 import LabelSelector
from apiserver.registry.internal_form import selector_form
from apiserver.registry.labels import matches, validate_labels, validate_selector
from apiserver.registry.names import label
from apiserver.registry.object_meta import validate_annotations
from apiserver.registry.pod_annotations import validate_agreement
from apiserver.registry.pod_spec import validate_pod_spec

_PERCENT = re.compile("[0-9]+%").fullmatch
_BAD_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def nonnegative(value: int | None, path: str) -> Iterator[FieldError]:
    if value is not None and value < 0:
        yield invalid_value(path, value, "must be greater than or equal to 0")


def selector_shown(selector: LabelSelector | None) -> dict[str, Any] | None:
    """A selector as error messages quote it."""
    return None if selector is None else selector_form(selector)


def is_usable(selector: LabelSelector | None) -> bool:
    """Whether a selector can be applied at all; no selector can, and matches nothing."""
    return not any(validate_selector(selector, ""))


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    return selector is not None and matches(selector, labels)


def unmatched(template: PodTemplateSpec, path: str) -> FieldError:
    """The selector does not find the pods made from the template."""
    labels = dict(sorted(template.metadata.labels.items())) or None
    return invalid_value(f"{path}.metadata.labels", labels, "`selector` does not match template `labels`")


def validate_workload_selector(
    selector: LabelSelector | None, path: str, kind: str = "deployment"
) -> Iterator[FieldError]:
    """A selector that must choose something: an empty one would claim every pod."""
    if selector is None:
        yield required(path)
        return
    yield from validate_selector(selector, path)
    if not selector.matchLabels and not selector.matchExpressions:
        yield invalid_value(path, selector_shown(selector), f"empty selector is invalid for {kind}")


def validate_pod_template(template: PodTemplateSpec, path: str) -> Iterator[FieldError]:
    meta = template.metadata
    yield from validate_labels(meta.labels, f"{path}.labels")
    yield from validate_annotations(meta.annotations, f"{path}.annotations")
    yield from validate_pod_spec(template.spec, f"{path}.spec", meta)
    if meta.annotations:
        yield from validate_agreement(template.spec, meta, f"{path}.spec")
    if template.spec.ephemeralContainers:
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def validate_runs_always(template: PodTemplateSpec, path: str, kind: str) -> Iterator[FieldError]:
    """Pods that are kept running restart always, and have no end."""
    if template.spec.restartPolicy != "Always":
        yield not_supported(f"{path}.spec.restartPolicy", template.spec.restartPolicy, ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", detail)


def validate_replicated_template(
    template: PodTemplateSpec, selector: LabelSelector | None, path: str
) -> Iterator[FieldError]:
    """The template of a ReplicaSet's pods: they restart always, and the selector finds them."""
    if not is_usable(selector):
        where = path.removesuffix("template") + "selector"
        yield invalid_value(where, selector_shown(selector), "invalid label selector")
        return
    if not selects(selector, template.metadata.labels):
        yield unmatched(template, path)
    yield from validate_pod_template(template, path)
    yield from validate_runs_always(template, path, "ReplicaSet")


def validate_int_or_percent(value: int | str | None, path: str) -> Iterator[FieldError]:
    if isinstance(value, str):
        if not _PERCENT(value):
            yield invalid_value(path, value, _BAD_PERCENT)
    else:
        yield from nonnegative(value, path)


def validate_at_most_all(value: int | str | None, path: str) -> Iterator[FieldError]:
    if isinstance(value, str) and as_number(value) > 100:
        yield invalid_value(path, value, "must not be greater than 100%")


def as_number(value: int | str | None) -> int:
    """The number in a count or a percentage."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT(value) else 0
    return value or 0


def validate_counts(status: Any, names: Iterable[str], path: str = "status") -> Iterator[FieldError]:
    """Counts of a status are not negative."""
    for name in names:
        yield from nonnegative(getattr(status, name), f"{path}.{name}")


def validate_collision_count(new: int | None, old: int | None) -> Iterator[FieldError]:
    if old is not None and (new is None or new < old):
        yield invalid_value("status.collisionCount", new or 0, "cannot be decremented")


def warn_of_name(name: str) -> Iterator[str]:
    """A workload's name that is no DNS label makes host names of pods that are none either."""
    complaints = label(name)
    if complaints:
        yield (
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(complaints)}]"
        )


def validate_replica_counts(status: Any, counts: tuple[str, ...], path: str = "status") -> Iterator[FieldError]:
    """Counts of a subset of the replicas cannot exceed them all, nor available ones the ready ones."""
    for name in counts:
        if getattr(status, name) > status.replicas:
            yield invalid_value(f"{path}.{name}", getattr(status, name), "cannot be greater than status.replicas")
    if status.availableReplicas > status.readyReplicas:
        detail = "cannot be greater than readyReplicas"
        yield invalid_value(f"{path}.availableReplicas", status.availableReplicas, detail)
