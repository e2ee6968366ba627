"""EndpointSlices: where a service is served from (discovery.k8s.io/v1)."""

from typing import Annotated

from api.core_v1 import ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Enum, Int32, ListSet, Model, atomic, struct


class EndpointConditions(Model):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForNode(Model):
    name: str


class ForZone(Model):
    name: str


class EndpointHints(Model):
    forNodes: list[ForNode] = []
    forZones: list[ForZone] = []


class Endpoint(Model):
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
    appProtocol: str | None = None
    name: str | None = None
    port: Int32 | None = None
    protocol: Annotated[str | None, Enum("SCTP", "TCP", "UDP")] = None


class EndpointSlice(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    addressType: Annotated[str, Enum("FQDN", "IPv4", "IPv6")]
    endpoints: list[Endpoint] = []
    ports: list[EndpointPort] = []
