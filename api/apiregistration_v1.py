"""Who serves which group version (apiregistration.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Atomic, Base64, Int32, ListMap, Merge, Model, ZeroTime, null, struct


class ServiceReference(Model):
    """The service that serves a group version.

    name: Its name.
    namespace: Its namespace.
    port: Its port; 443 when unset.
    """

    name: str = ""
    namespace: str = ""
    port: Int32 | None = None


class APIServiceSpec(Model):
    """Who serves a group version.

    caBundle: The certificates that may have signed the server's own (PEM); the system's when unset.
    group: The API group.
    groupPriorityMinimum: The priority of the group; the highest that any of its versions names counts.
    insecureSkipTLSVerify: Whether the server's certificate goes unchecked.
    service: Who serves it; this API server itself when unset.
    version: The version of the group.
    versionPriority: Orders the versions of a group; between equals "v2" goes before "v1" before "v1beta1".
    """

    caBundle: Annotated[Base64, Atomic()] = ""
    group: str = ""
    groupPriorityMinimum: Int32
    insecureSkipTLSVerify: bool = False
    service: ServiceReference | None = None
    version: str = ""
    versionPriority: Int32


class APIServiceCondition(Model):
    """One aspect of the state of an APIService.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Available.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class APIServiceStatus(Model):
    """What was last observed of a server.

    conditions: Its state in several aspects.
    """

    conditions: Annotated[list[APIServiceCondition], ListMap("type"), Merge("type")] = []


class APIService(Model):
    """One version of an API group, and who serves it."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: APIServiceSpec = struct()
    status: APIServiceStatus = struct()
