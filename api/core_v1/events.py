"""Events in their first form; events.k8s.io/v1 shows the same objects."""

from typing import Annotated

from api.core_v1.references import ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Int32, Model, NotRequired, Required, ZeroMicroTime, ZeroTime, null, struct


class EventSeries(Model):
    count: Int32 = 0
    lastObservedTime: ZeroMicroTime = null()


class EventSource(Model):
    component: str = ""
    host: str = ""


class Event(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: Annotated[ObjectMeta, Required()] = struct()
    action: str = ""
    count: Int32 = 0
    eventTime: ZeroMicroTime = null()
    firstTimestamp: ZeroTime = null()
    involvedObject: Annotated[ObjectReference, Required()] = struct()
    lastTimestamp: ZeroTime = null()
    message: str = ""
    reason: str = ""
    related: ObjectReference | None = None
    reportingComponent: Annotated[str, NotRequired()]
    reportingInstance: Annotated[str, NotRequired()]
    series: EventSeries | None = None
    source: EventSource = struct()
    type: str = ""
