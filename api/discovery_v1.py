"""EndpointSlices: where a service is served from (discovery.k8s.io/v1)."""

from typing import Annotated

from api.core_v1 import ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Enum, Int32, ListSet, Model, NotRequired, NullWhenEmpty, atomic, struct


class EndpointConditions(Model):
    """Whether an endpoint takes traffic.

    ready: Whether it takes new connections; true when unset.
    serving: Whether it works, also while it is ending.
    terminating: Whether it is ending.
    """

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForNode(Model):
    """A node whose clients should use an endpoint.

    name: The node's name.
    """

    name: str


class ForZone(Model):
    """A zone whose clients should use an endpoint.

    name: The zone's name.
    """

    name: str


class EndpointHints(Model):
    """Who should use an endpoint.

    forNodes: Clients on these nodes.
    forZones: Clients in these zones.
    """

    forNodes: list[ForNode] = []
    forZones: list[ForZone] = []


class Endpoint(Model):
    """One thing that answers for a service.

    addresses: Its addresses, all of one kind; clients may use only the first.
    conditions: Whether it takes traffic.
    deprecatedTopology: Labels from before v1.
    hints: Who should use it.
    hostname: Its host name.
    nodeName: The node it is on.
    targetRef: The pod it is.
    zone: The zone it is in.
    """

    addresses: Annotated[list[str], ListSet()]
    conditions: EndpointConditions = struct()
    deprecatedTopology: dict[str, str] = {}
    hints: EndpointHints | None = None
    hostname: str | None = None
    nodeName: str | None = None
    targetRef: ObjectReference | None = None
    zone: str | None = None


@atomic
class EndpointPort(Model):
    """A port that answers for a service.

    appProtocol: What is spoken on it, as a hint.
    name: The service port's name.
    port: The port's number.
    protocol: TCP, UDP or SCTP.
    """

    appProtocol: str | None = None
    name: str | None = None
    port: Int32 | None = None
    protocol: Annotated[str | None, Enum("SCTP", "TCP", "UDP")] = None


class EndpointSlice(Model):
    """A part of what answers for a service.

    addressType: IPv4, IPv6 or FQDN.
    endpoints: What answers.
    ports: The ports of every endpoint.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    addressType: Annotated[str, Enum("FQDN", "IPv4", "IPv6")]
    endpoints: Annotated[list[Endpoint], NullWhenEmpty(), NotRequired()]
    ports: Annotated[list[EndpointPort], NullWhenEmpty(), NotRequired()]
