"""PodTemplates: what pods can be made from, as objects of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.core_v1 import PodTemplate
from api.errors import FieldError
from api.scheme import resource_of
from apiserver.registry.columns import NAME, template_columns
from apiserver.registry.labels import format_labels
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.strategy import Column, Context, Strategy
from apiserver.registry.workloads import validate_pod_template


class PodTemplates(Strategy[PodTemplate]):
    resource = resource_of(PodTemplate)
    revalidates_metadata = False
    returns_deleted = True
    columns = (
        NAME,
        *template_columns(lambda obj: obj.template, priority=0),
        Column(
            "Pod Labels",
            lambda obj, now: format_labels(obj.template.metadata.labels),
            description="The labels its pods get.",
        ),
    )

    def default(self, obj: PodTemplate) -> None:
        default_pod_spec(obj.template.spec)

    def prepare_for_create(self, new: PodTemplate, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(self, new: PodTemplate, old: PodTemplate, context: Context) -> None:
        new.metadata.generation = old.metadata.generation + (new.template != old.template)

    def validate(self, new: PodTemplate) -> Iterator[FieldError]:
        yield from validate_pod_template(new.template, "template")

    def warnings(self, new: PodTemplate, old: PodTemplate | None) -> Iterable[str]:
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from template_warnings(new.template, "template")
