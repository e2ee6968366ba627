"""Events in their second form (events.k8s.io/v1)."""

from typing import Annotated

from api.core_v1 import EventSource, ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Int32, Model, Required, ZeroMicroTime, ZeroTime, null, struct


class EventSeries(Model):
    count: Int32
    lastObservedTime: Annotated[ZeroMicroTime, Required()] = null()


class Event(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    action: str = ""
    deprecatedCount: Int32 = 0
    deprecatedFirstTimestamp: ZeroTime = null()
    deprecatedLastTimestamp: ZeroTime = null()
    deprecatedSource: EventSource = struct()
    eventTime: Annotated[ZeroMicroTime, Required()] = null()
    note: str = ""
    reason: str = ""
    regarding: ObjectReference = struct()
    related: ObjectReference | None = None
    reportingController: str = ""
    reportingInstance: str = ""
    series: EventSeries | None = None
    type: str = ""
