"""Services and the older Endpoints."""

from typing import Annotated

from api.core_v1.references import ObjectReference
from api.meta_v1 import Condition, ObjectMeta
from api.model import Atomic, Default, Enum, Int32, IntOrString, ListMap, Merge, Model, atomic, struct


class ServicePort(Model):
    """A port of a service.

    appProtocol: What is spoken on it, as a hint.
    name: The port's name; needed when there are several.
    nodePort: The port of every node that leads here; chosen when unset.
    port: The port's number.
    protocol: TCP, UDP or SCTP; TCP when unset.
    targetPort: The pods' port, by number or by name; the same number when unset.
    """

    appProtocol: str | None = None
    name: str = ""
    nodePort: Int32 = 0
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP"), Default("TCP")] = ""
    targetPort: IntOrString | None = None


class ClientIPConfig(Model):
    """Session affinity by client address.

    timeoutSeconds: Seconds after which a client may get another pod; three hours when unset.
    """

    timeoutSeconds: Int32 | None = None


class SessionAffinityConfig(Model):
    """Settings of session affinity.

    clientIP: For affinity by client address.
    """

    clientIP: ClientIPConfig | None = None


class ServiceSpec(Model):
    """How a service is reached, and what answers.

    allocateLoadBalancerNodePorts: Whether a load balancer's ports get node ports; true when unset.
    clusterIP: The service's address in the cluster; None for a service without one.
    clusterIPs: The service's addresses, one of each family.
    externalIPs: Further addresses at which nodes take traffic for the service.
    externalName: The name that the service is an alias of, for type ExternalName.
    externalTrafficPolicy: Whether traffic from outside may go to another node's pods: Cluster or Local.
    healthCheckNodePort: The port at which nodes tell load balancers whether they have pods.
    internalTrafficPolicy: Whether traffic from pods may go to another node's pods: Cluster or Local.
    ipFamilies: The families of its addresses.
    ipFamilyPolicy: SingleStack, PreferDualStack or RequireDualStack.
    loadBalancerClass: The implementation of load balancers that is wanted.
    loadBalancerIP: Deprecated; the load balancer's wanted address.
    loadBalancerSourceRanges: Networks that may use the load balancer.
    ports: The service's ports.
    publishNotReadyAddresses: Whether pods that are not ready are found too.
    selector: Labels of the pods that answer; without it endpoints are somebody else's to write.
    sessionAffinity: Whether a client always gets the same pod: None or ClientIP.
    sessionAffinityConfig: Settings of session affinity.
    trafficDistribution: Where traffic should rather go: PreferClose, PreferSameZone or PreferSameNode.
    type: ClusterIP, NodePort, LoadBalancer or ExternalName.
    """

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
    """The state of a load balancer's port.

    error: What is wrong with it.
    port: The port's number.
    protocol: TCP, UDP or SCTP.
    """

    error: str | None = None
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP")]


class LoadBalancerIngress(Model):
    """A way into a load balancer.

    hostname: Its name.
    ip: Its address.
    ipMode: Whether traffic arrives with its address (VIP) or with the node's (Proxy).
    ports: The state of its ports.
    """

    hostname: str = ""
    ip: str = ""
    ipMode: str | None = None
    ports: list[PortStatus] = []


class LoadBalancerStatus(Model):
    """The state of a load balancer.

    ingress: Ways into it.
    """

    ingress: list[LoadBalancerIngress] = []


class ServiceStatus(Model):
    """What became of a service.

    conditions: Its state in several aspects.
    loadBalancer: The state of its load balancer.
    """

    conditions: Annotated[list[Condition], ListMap("type"), Merge("type")] = []
    loadBalancer: LoadBalancerStatus = struct()


class Service(Model):
    """One name and address for a changing set of pods."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ServiceSpec = struct()
    status: ServiceStatus = struct()


@atomic
class EndpointAddress(Model):
    """An address that answers for a service.

    hostname: Its host name.
    ip: The address.
    nodeName: The node it is on.
    targetRef: The pod it is of.
    """

    hostname: str = ""
    ip: str
    nodeName: str | None = None
    targetRef: ObjectReference | None = None


@atomic
class EndpointPort(Model):
    """A port that answers for a service.

    appProtocol: What is spoken on it, as a hint.
    name: The service port's name.
    port: The port's number.
    protocol: TCP, UDP or SCTP.
    """

    appProtocol: str | None = None
    name: str = ""
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP")] = ""


class EndpointSubset(Model):
    """Addresses that answer on the same ports.

    addresses: Addresses that are ready.
    notReadyAddresses: Addresses that are not.
    ports: The ports.
    """

    addresses: list[EndpointAddress] = []
    notReadyAddresses: list[EndpointAddress] = []
    ports: list[EndpointPort] = []


class Endpoints(Model):
    """What answers for a service, in the older form; EndpointSlices have replaced it.

    subsets: Addresses and ports.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    subsets: list[EndpointSubset] = []
