"""Networking (networking.k8s.io/v1): ingresses, network policies, the addresses of services."""

from typing import Annotated

from pydantic import Field

from api.core_v1 import TypedLocalObjectReference
from api.meta_v1 import Condition, LabelSelector, ObjectMeta
from api.model import Enum, Int32, IntOrString, ListMap, Merge, Model, Required, atomic, struct


@atomic
class ServiceBackendPort(Model):
    """A port of a service, by name or by number.

    name: The port's name; not together with a number.
    number: The port's number; not together with a name.
    """

    name: str = ""
    number: Int32 = 0


class IngressServiceBackend(Model):
    """A service that requests are passed to.

    name: The service's name, in the ingress's namespace.
    port: Which of its ports.
    """

    name: str
    port: ServiceBackendPort = struct()


class IngressBackend(Model):
    """Where requests are passed to: a service or another object, not both.

    resource: An object in the same namespace, such as a storage bucket.
    service: A service.
    """

    resource: TypedLocalObjectReference | None = None
    service: IngressServiceBackend | None = None


class HTTPIngressPath(Model):
    """Which requests go to a backend, by their path.

    backend: Where they go.
    path: What the path of the URL is compared with; it begins with a slash.
    pathType: Exact, Prefix (element by element), or ImplementationSpecific for what the controller makes of it.
    """

    backend: Annotated[IngressBackend, Required()] = struct()
    path: str = ""
    pathType: Annotated[str | None, Required(), Enum("Exact", "ImplementationSpecific", "Prefix")] = None


class HTTPIngressRuleValue(Model):
    """Paths and their backends.

    paths: The paths; the longest that matches wins.
    """

    paths: list[HTTPIngressPath]


class IngressRule(Model):
    """The requests to one host.

    host: The host's name, whose first label may be a wildcard; every host when empty.
    http: The paths on that host.
    """

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Model):
    """The certificate for some hosts.

    hosts: The hosts it is for; must agree with the certificate.
    secretName: The secret that holds certificate and key.
    """

    hosts: list[str] = []
    secretName: str = ""


class IngressSpec(Model):
    """What an ingress is to route where.

    defaultBackend: Where requests go that no rule matches.
    ingressClassName: The IngressClass whose controller implements it.
    rules: The routes, by host and path.
    tls: The certificates, told apart by the host a client asks for (SNI).
    """

    defaultBackend: IngressBackend | None = None
    ingressClassName: str | None = None
    rules: list[IngressRule] = []
    tls: list[IngressTLS] = []


class IngressPortStatus(Model):
    """How one port of a load balancer does.

    error: What is wrong with it, as a word in CamelCase, with a domain before it when it is a provider's own.
    port: The port's number.
    protocol: TCP, UDP or SCTP.
    """

    error: str | None = None
    port: Int32
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP")]


class IngressLoadBalancerIngress(Model):
    """One address of an ingress.

    hostname: The name it is reached under.
    ip: The address it is reached at.
    ports: How its ports do.
    """

    hostname: str = ""
    ip: str = ""
    ports: list[IngressPortStatus] = []


class IngressLoadBalancerStatus(Model):
    """Where an ingress is reached.

    ingress: Its addresses.
    """

    ingress: list[IngressLoadBalancerIngress] = []


class IngressStatus(Model):
    """What was last observed of an ingress.

    loadBalancer: Where it is reached.
    """

    loadBalancer: IngressLoadBalancerStatus = struct()


class Ingress(Model):
    """Routes HTTP requests from outside to services by host and path."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: IngressSpec = struct()
    status: IngressStatus = struct()


class IngressClassParametersReference(Model):
    """An object with further settings of a class.

    apiGroup: The object's API group; the core group when unset.
    kind: The object's kind.
    name: The object's name.
    namespace: The object's namespace, when scope is Namespace.
    scope: Cluster or Namespace: where the object lives.
    """

    kind: str
    apiGroup: str | None = None
    name: str
    namespace: str | None = None
    scope: str | None = None


class IngressClassSpec(Model):
    """Who implements the ingresses of a class.

    controller: The controller's name, a domain with a path; it cannot change.
    parameters: An object with further settings for the controller.
    """

    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(Model):
    """A kind of ingress, for ingresses to choose by name."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: IngressClassSpec = struct()


class IPBlock(Model):
    """A range of addresses, with holes.

    cidr: The range.
    except: Ranges inside it that do not belong.
    """

    cidr: str
    except_: list[str] = Field([], alias="except")


class NetworkPolicyPeer(Model):
    """The other side of allowed traffic.

    ipBlock: Addresses; not together with selectors.
    namespaceSelector: Pods in these namespaces; with podSelector only those of them that it selects.
    podSelector: Pods by their labels, in the policy's own namespace unless namespaceSelector is given.
    """

    ipBlock: IPBlock | None = None
    namespaceSelector: LabelSelector | None = None
    podSelector: LabelSelector | None = None


class NetworkPolicyPort(Model):
    """Ports that traffic is allowed on.

    endPort: With a numeric port: the end of a range that begins there.
    port: The port on the pod, as a number or a name; every port when unset.
    protocol: TCP, UDP or SCTP; TCP when unset.
    """

    endPort: Int32 | None = None
    port: IntOrString | None = None
    protocol: Annotated[str | None, Enum("SCTP", "TCP", "UDP")] = None


class NetworkPolicyIngressRule(Model):
    """Traffic that may come in: from any of the peers, to any of the ports.

    from: Who it may come from; everyone when empty.
    ports: Which ports it may go to; all when empty.
    """

    from_: list[NetworkPolicyPeer] = Field([], alias="from")
    ports: list[NetworkPolicyPort] = []


class NetworkPolicyEgressRule(Model):
    """Traffic that may go out: to any of the peers, on any of the ports.

    ports: Which ports it may go to; all when empty.
    to: Who it may go to; everyone when empty.
    """

    ports: list[NetworkPolicyPort] = []
    to: list[NetworkPolicyPeer] = []


class NetworkPolicySpec(Model):
    """Which traffic the selected pods may have.

    egress: What may go out; nothing when empty and Egress is among the policyTypes.
    ingress: What may come in; nothing when empty and Ingress is among the policyTypes.
    podSelector: The pods the policy is about; all of the namespace when empty.
    policyTypes: Which directions it restricts: Ingress, Egress or both.
    """

    egress: list[NetworkPolicyEgressRule] = []
    ingress: list[NetworkPolicyIngressRule] = []
    podSelector: LabelSelector = struct()
    policyTypes: list[Annotated[str, Enum("Egress", "Ingress")]] = []


class NetworkPolicy(Model):
    """Which traffic pods may have; without one they may have all."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: NetworkPolicySpec = struct()


class ParentReference(Model):
    """The object that uses an address.

    group: Its API group.
    name: Its name.
    namespace: Its namespace.
    resource: Its resource, such as services.
    """

    group: str = ""
    name: Annotated[str, Required()] = ""
    namespace: str = ""
    resource: Annotated[str, Required()] = ""


class IPAddressSpec(Model):
    """Who uses an address.

    parentRef: The object that uses it.
    """

    parentRef: Annotated[ParentReference | None, Required()] = None


class IPAddress(Model):
    """One address in use; its name is the address. Each can be there but once, so nobody gets it twice."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[IPAddressSpec, Required()] = struct()


class ServiceCIDRSpec(Model):
    """Where addresses of services come from.

    cidrs: One range, or one of each IP family.
    """

    cidrs: list[str] = []


class ServiceCIDRStatus(Model):
    """What was last observed of the ranges.

    conditions: Ready says whether addresses are taken from them.
    """

    conditions: Annotated[list[Condition], ListMap("type"), Merge("type")] = []


class ServiceCIDR(Model):
    """Ranges that addresses of services are taken from."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ServiceCIDRSpec = struct()
    status: ServiceCIDRStatus = struct()
