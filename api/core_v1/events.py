"""Events in their first form; events.k8s.io/v1 shows the same objects."""

from typing import Annotated

from api.core_v1.references import ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Int32, Model, NotRequired, Required, ZeroMicroTime, ZeroTime, null, struct


class EventSeries(Model):
    """How often an event happened again.

    count: How often it happened.
    lastObservedTime: When it last did.
    """

    count: Int32 = 0
    lastObservedTime: ZeroMicroTime = null()


class EventSource(Model):
    """What reported an event.

    component: The program.
    host: The node it runs on.
    """

    component: str = ""
    host: str = ""


class Event(Model):
    """Something that happened to an object; kept for an hour or so, and never sure to be there.

    action: What was done or tried.
    count: How often it happened.
    eventTime: When it first happened.
    firstTimestamp: When it first happened, to the second.
    involvedObject: The object it happened to.
    lastTimestamp: When it last happened, to the second.
    message: What happened, for people.
    reason: What happened, in one CamelCase word for programs.
    related: Another object that has to do with it.
    reportingComponent: The controller that reported it.
    reportingInstance: The instance of that controller.
    series: How often it happened again.
    source: What reported it.
    type: Normal or Warning.
    """

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
