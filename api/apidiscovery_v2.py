"""What a server serves, all in one document (apidiscovery.k8s.io/v2)."""

from api.meta_v1 import ListMeta, ObjectMeta
from api.model import Model, struct


class ResponseKind(Model):
    """A kind; group and version are those of the group version it is found in when empty.

    group: Its group.
    kind: Its name.
    version: Its version.
    """

    group: str
    version: str
    kind: str


class APISubresourceDiscovery(Model):
    """A part of a resource.

    acceptedTypes: The kinds that it takes.
    responseKind: The kind that it answers with.
    subresource: Its name.
    verbs: What can be done with it.
    """

    subresource: str
    responseKind: ResponseKind | None = None
    acceptedTypes: list[ResponseKind] = []
    verbs: list[str]


class APIResourceDiscovery(Model):
    """A resource.

    categories: The groups of resources that it is in.
    resource: Its plural name.
    responseKind: The kind that it answers with.
    scope: Namespaced or Cluster.
    shortNames: What else it is called.
    singularResource: Its singular name.
    subresources: Its parts.
    verbs: What can be done with it.
    """

    resource: str
    responseKind: ResponseKind | None = None
    scope: str
    singularResource: str
    verbs: list[str]
    shortNames: list[str] = []
    categories: list[str] = []
    subresources: list[APISubresourceDiscovery] = []


class APIVersionDiscovery(Model):
    """A version of a group.

    freshness: Current, or Stale where its server did not answer.
    resources: What is in it.
    version: Its name.
    """

    version: str
    resources: list[APIResourceDiscovery] = []
    freshness: str = ""


class APIGroupDiscovery(Model):
    """A group; its name is in the metadata.

    versions: Its versions, the preferred one first.
    """

    metadata: ObjectMeta = struct()
    versions: list[APIVersionDiscovery] = []


class APIGroupDiscoveryList(Model):
    """All groups."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ListMeta = struct()
    items: list[APIGroupDiscovery]
