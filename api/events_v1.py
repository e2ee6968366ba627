"""Events in their second form (events.k8s.io/v1)."""

from typing import Annotated

from api.core_v1 import EventSource, ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Int32, Model, Required, ZeroMicroTime, ZeroTime, null, struct


class EventSeries(Model):
    """How often an event happened again.

    count: How often it happened.
    lastObservedTime: When it last did.
    """

    count: Int32
    lastObservedTime: Annotated[ZeroMicroTime, Required()] = null()


class Event(Model):
    """Something that happened to an object; kept for an hour or so, and never sure to be there.

    action: What was done or tried.
    deprecatedCount: How often it happened, in the older form.
    deprecatedFirstTimestamp: When it first happened, in the older form.
    deprecatedLastTimestamp: When it last happened, in the older form.
    deprecatedSource: What reported it, in the older form.
    eventTime: When it first happened.
    note: What happened, for people.
    reason: What happened, in one CamelCase word for programs.
    regarding: The object it happened to.
    related: Another object that has to do with it.
    reportingController: The controller that reported it.
    reportingInstance: The instance of that controller.
    series: How often it happened again.
    type: Normal or Warning.
    """

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
