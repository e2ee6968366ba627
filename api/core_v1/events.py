"""Events in their first form; events.k8s.io/v1 shows the same objects."""

from typing import Annotated

from api.core_v1.references import ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Int32, MicroTime, Model, NotRequired, Required, Time, struct


class EventSeries(Model):
    count: Int32 = 0
    lastObservedTime: MicroTime | None = None


class EventSource(Model):
    component: str = ""
    host: str = ""


class Event(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: Annotated[ObjectMeta, Required()] = struct()
    action: str = ""
    count: Int32 = 0
    eventTime: MicroTime | None = None
    firstTimestamp: Time | None = None
    involvedObject: Annotated[ObjectReference, Required()] = struct()
    lastTimestamp: Time | None = None
    message: str = ""
    reason: str = ""
    related: ObjectReference | None = None
    reportingComponent: Annotated[str, NotRequired()]
    reportingInstance: Annotated[str, NotRequired()]
    series: EventSeries | None = None
    source: EventSource = struct()
    type: str = ""
