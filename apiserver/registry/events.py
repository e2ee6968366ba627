"""Events, served in two groups: the same objects with other names for some fields.

They are stored in the form of core/v1; `_STORED_AS` says what a field of events.k8s.io/v1 is called there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from api import core_v1, events_v1
from api.errors import FieldError, invalid_value, required
from api.rfc3339 import to_microsecond
from api.scheme import resource_of
from apiserver.registry.human_duration import since
from apiserver.registry.names import qualified, subdomain
from apiserver.registry.strategy import Column, Strategy

AnyEvent = core_v1.Event | events_v1.Event

_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_TYPES = ("Normal", "Warning")
_CORE_FIELDS = frozenset(
    {"reason", "reportingComponent", "source", "type", *(f"involvedObject.{name}" for name in _REFERENCE)}
)
_NEW_FIELDS = frozenset({"reason", "reportingController", "type", *(f"regarding.{name}" for name in _REFERENCE)})
_STORED_AS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_SHOWN_AS = {stored: shown for shown, stored in _STORED_AS.items()}


class CoreEvents(Strategy[core_v1.Event]):
    resource = resource_of(core_v1.Event)
    create_on_update = True
    revalidates_metadata = False

    def validate(self, new: core_v1.Event) -> Iterator[FieldError]:
        yield from _validate_common(_View(new), "reportingComponent")

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        """Under the names of both groups: the watch cache keeps the fields of an object once."""
        subject = document.get("involvedObject") or {}
        component = document.get("reportingComponent", "")
        fields = {
            "reason": document.get("reason", ""),
            "reportingComponent": component,
            "reportingController": component,
            "source": (document.get("source") or {}).get("component") or component,
            "type": document.get("type", ""),
        }
        for name in _REFERENCE:
            fields[f"involvedObject.{name}"] = fields[f"regarding.{name}"] = subject.get(name, "")
        return fields

    def selectable_field_names(self) -> frozenset[str]:
        return _CORE_FIELDS


class Events(Strategy[events_v1.Event]):
    resource = resource_of(events_v1.Event)
    create_on_update = True
    revalidates_metadata = False

    def to_stored(self, document: dict[str, Any]) -> dict[str, Any]:
        stored = core_v1.Event.from_dict({_STORED_AS.get(name, name): value for name, value in document.items()})
        return {**stored.to_dict(), "metadata": document["metadata"]}

    def from_stored(self, document: dict[str, Any]) -> dict[str, Any]:
        return {_SHOWN_AS.get(name, name): value for name, value in document.items()}

    def validate(self, new: events_v1.Event) -> Iterator[FieldError]:
        yield from _validate_common(_View(new), "reportingController")
        yield from _validate_new(new)

    def validate_update(self, new: events_v1.Event, old: events_v1.Event) -> Iterator[FieldError]:
        for name in _IMMUTABLE:
            value = getattr(new, name)
            if value != getattr(old, name):
                shown = to_microsecond(value) if isinstance(value, datetime) else value
                yield invalid_value(_INTERNAL_NAMES.get(name, name), shown, "field is immutable")

    def selectable_field_names(self) -> frozenset[str]:
        return _NEW_FIELDS


# Errors name the fields as the internal form of Kubernetes does.
_INTERNAL_NAMES = {**_STORED_AS, "reportingController": "reportingController"}
_IMMUTABLE = (
    "regarding",
    "reason",
    "note",
    "reportingController",
    "reportingInstance",
    "action",
    "related",
    "type",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
    "deprecatedSource",
    "eventTime",
)


class _View:
    """One way to read both forms."""

    def __init__(self, event: AnyEvent) -> None:
        self.event = event
        self.namespace = event.metadata.namespace
        if isinstance(event, core_v1.Event):
            self.subject, self.message, self.controller = event.involvedObject, event.message, event.reportingComponent
            self.first, self.last, self.count = event.firstTimestamp, event.lastTimestamp, event.count
            self.source = event.source
        else:
            self.subject, self.message, self.controller = event.regarding, event.note, event.reportingController
            self.first, self.last = event.deprecatedFirstTimestamp, event.deprecatedLastTimestamp
            self.count, self.source = event.deprecatedCount, event.deprecatedSource


def _validate_common(event: _View, controller: str) -> Iterator[FieldError]:
    about = event.subject.namespace
    path, mismatch = "involvedObject.namespace", "does not match event.namespace"
    if event.event.eventTime is None:
        if event.namespace != about if about else event.namespace not in ("", "default"):
            yield invalid_value(path, about, mismatch)
        return
    if not about and event.namespace not in ("default", "kube-system"):
        yield invalid_value(path, about, mismatch)
    if not event.controller:
        yield required(controller)
    for complaint in qualified(event.controller):
        yield invalid_value(controller, event.controller, complaint)
    for name, most in (("reportingInstance", 128), ("action", 128), ("reason", 128)):
        value = getattr(event.event, name)
        if not value:
            yield required(name)
        if len(value.encode()) > most:
            yield invalid_value(name, "", f"can have at most {most} characters")
    if len(event.message.encode()) > 1024:
        yield invalid_value("message", "", "can have at most 1024 characters")
    for complaint in subdomain(event.namespace):
        yield invalid_value("namespace", event.namespace, complaint)


def _validate_new(event: events_v1.Event) -> Iterator[FieldError]:
    series = event.series
    if series is not None:
        if series.count < 2:
            yield invalid_value("series.count", "", "should be at least 2")
        if series.lastObservedTime is None:
            yield required("series.lastObservedTime")
    if event.eventTime is None:
        yield required("eventTime")
    if event.type not in _TYPES:
        yield invalid_value("type", "", f"has invalid value: {event.type}")
    if event.deprecatedFirstTimestamp is not None:
        yield invalid_value("firstTimestamp", "", "needs to be unset")
    if event.deprecatedLastTimestamp is not None:
        yield invalid_value("lastTimestamp", "", "needs to be unset")
    if event.deprecatedCount:
        yield invalid_value("count", "", "needs to be unset")
    if event.deprecatedSource.component or event.deprecatedSource.host:
        yield invalid_value("source", "", "needs to be unset")


def _first_seen(event: AnyEvent, now: datetime) -> str:
    return since(_View(event).first or event.eventTime, now)


def _last_seen(event: AnyEvent, now: datetime) -> str:
    if event.series is not None:
        return since(event.series.lastObservedTime, now)
    view = _View(event)
    return since(view.last or view.first or event.eventTime, now)


def _object(event: AnyEvent) -> str:
    subject = _View(event).subject
    kind = subject.kind.lower()
    return f"{kind}/{subject.name}" if subject.name else kind


def _source(event: AnyEvent) -> str:
    view = _View(event)
    component, instance = view.source.component or view.controller, view.source.host or event.reportingInstance
    return f"{component}, {instance}" if instance else component


def _count(event: AnyEvent) -> int:
    return event.series.count if event.series is not None else _View(event).count or 1


_COLUMNS: tuple[Column[Any], ...] = (
    Column("Last Seen", _last_seen, description="When it happened last."),
    Column("Type", lambda e, now: e.type, description="Normal or Warning."),
    Column("Reason", lambda e, now: e.reason, description="What happened, in one word."),
    Column("Object", lambda e, now: _object(e), description="What it happened to."),
    Column("Subobject", lambda e, now: _View(e).subject.fieldPath, description="Which part of it.", priority=1),
    Column("Source", lambda e, now: _source(e), description="Who reported it.", priority=1),
    Column("Message", lambda e, now: _View(e).message.strip(), description="What happened, in words."),
    Column("First Seen", _first_seen, description="When it happened first.", priority=1),
    Column("Count", lambda e, now: _count(e), description="How often it happened.", priority=1),
    Column("Name", lambda e, now: e.metadata.name, format="name", description="The event's own name.", priority=1),
)
CoreEvents.columns = _COLUMNS
Events.columns = _COLUMNS
