"""Services and the older Endpoints."""

from typing import Annotated

from api.core_v1.references import ObjectReference
from api.meta_v1 import Condition, ObjectMeta
from api.model import Atomic, Default, Enum, Int32, IntOrString, ListMap, Merge, Model, atomic, struct


class ServicePort(Model):
    appProtocol: str | None = None
    name: str = ""
    nodePort: Int32 = 0
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP"), Default("TCP")] = ""
    targetPort: IntOrString | None = None


class ClientIPConfig(Model):
    timeoutSeconds: Int32 | None = None


class SessionAffinityConfig(Model):
    clientIP: ClientIPConfig | None = None


class ServiceSpec(Model):
    allocateLoadBalancerNodePorts: bool | None = None
    clusterIP: str = ""
    clusterIPs: list[str] = []
    externalIPs: list[str] = []
    externalName: str = ""
    externalTrafficPolicy: Annotated[str, Enum("Cluster", "Local")] = ""
    healthCheckNodePort: Int32 = 0
    internalTrafficPolicy: Annotated[str | None, Enum("Cluster", "Local")] = None
    ipFamilies: list[Annotated[str, Enum("", "IPv4", "IPv6")]] = []
    ipFamilyPolicy: Annotated[str | None, Enum("PreferDualStack", "RequireDualStack", "SingleStack")] = None
    loadBalancerClass: str | None = None
    loadBalancerIP: str = ""
    loadBalancerSourceRanges: list[str] = []
    ports: Annotated[list[ServicePort], ListMap("port", "protocol"), Merge("port")] = []
    publishNotReadyAddresses: bool = False
    selector: Annotated[dict[str, str], Atomic()] = {}
    sessionAffinity: Annotated[str, Enum("ClientIP", "None")] = ""
    sessionAffinityConfig: SessionAffinityConfig | None = None
    trafficDistribution: str | None = None
    type: Annotated[str, Enum("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")] = ""


class PortStatus(Model):
    error: str | None = None
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP")]


class LoadBalancerIngress(Model):
    hostname: str = ""
    ip: str = ""
    ipMode: str | None = None
    ports: list[PortStatus] = []


class LoadBalancerStatus(Model):
    ingress: list[LoadBalancerIngress] = []


class ServiceStatus(Model):
    conditions: Annotated[list[Condition], ListMap("type"), Merge("type")] = []
    loadBalancer: LoadBalancerStatus = struct()


class Service(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ServiceSpec = struct()
    status: ServiceStatus = struct()


@atomic
class EndpointAddress(Model):
    hostname: str = ""
    ip: str
    nodeName: str | None = None
    targetRef: ObjectReference | None = None


@atomic
class EndpointPort(Model):
    appProtocol: str | None = None
    name: str = ""
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP")] = ""


class EndpointSubset(Model):
    addresses: list[EndpointAddress] = []
    notReadyAddresses: list[EndpointAddress] = []
    ports: list[EndpointPort] = []


class Endpoints(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    subsets: list[EndpointSubset] = []
