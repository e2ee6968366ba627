"""RuntimeClasses: the ways to run containers.  https://kubernetes.io/docs/concepts/containers/runtime-class/"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.core_v1 import ResourceRequirements, Toleration
from api.errors import FieldError, duplicate, invalid_value, required
from api.node_v1 import RuntimeClass, Scheduling
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.labels import validate_labels
from apiserver.registry.names import label
from apiserver.registry.pod_defaults import round_up
from apiserver.registry.pod_warnings import renamed_label
from apiserver.registry.resource_validation import validate_resources
from apiserver.registry.scheduling import validate_tolerations
from apiserver.registry.strategy import Column, Strategy


class RuntimeClasses(Strategy[RuntimeClass]):
    resource = resource_of(RuntimeClass)
    unconditional_update = False
    columns = (
        NAME,
        Column("Handler", lambda c, now: c.handler),
        AGE,
    )

    def default(self, obj: RuntimeClass) -> None:
        if obj.overhead is not None:
            round_up(obj.overhead.podFixed)

    def validate(self, new: RuntimeClass) -> Iterator[FieldError]:
        if new.overhead is not None:
            limits = ResourceRequirements(limits=new.overhead.podFixed)
            yield from validate_resources(limits, "overhead", frozenset())
        if new.scheduling is not None:
            yield from _validate_scheduling(new.scheduling, "scheduling")
        if not new.handler:
            yield required("handler")
        else:
            for complaint in label(new.handler):
                yield invalid_value("handler", new.handler, complaint)

    def warnings(self, new: RuntimeClass, old: RuntimeClass | None) -> Iterable[str]:
        labels = new.scheduling.nodeSelector if new.scheduling is not None else {}
        for message in filter(None, map(renamed_label, sorted(labels))):
            yield f"scheduling.nodeSelector: {message}"

    def validate_update(self, new: RuntimeClass, old: RuntimeClass) -> Iterator[FieldError]:
        if new.handler != old.handler:
            yield invalid_value("handler", new.handler, "field is immutable")


def _validate_scheduling(scheduling: Scheduling, path: str) -> Iterator[FieldError]:
    yield from validate_labels(scheduling.nodeSelector, f"{path}.nodeSelector")
    where = f"{path}.tolerations"
    yield from validate_tolerations(scheduling.tolerations, where)
    seen: list[Toleration] = []
    for index, toleration in enumerate(scheduling.tolerations):
        key = toleration.model_copy(update={"tolerationSeconds": None})
        if key in seen:
            yield duplicate(f"{where}[{index}]", internal(toleration))
        seen.append(key)
