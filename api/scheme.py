"""Which resource serves which kind: the table that joins URLs, kinds and types.

A *resource* is a collection at a URL (`deployments` in `apps/v1`); a *kind* is the type of the objects
in it (`Deployment`).  See https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from api import apps_v1, coordination_v1, core_v1, discovery_v1, events_v1
from api.model import Model


@dataclass(frozen=True)
class GroupVersion:
    group: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def parse(cls, text: str) -> GroupVersion:
        """Read an object's `apiVersion`: "v1", "apps/v1"."""
        group, _, version = text.rpartition("/")
        return cls(group, version)


@dataclass(frozen=True)
class Resource:
    """One served collection.  `model` is the Python type of its kind."""

    group_version: GroupVersion
    plural: str
    model: type[Model]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    kind: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.kind or self.model.__name__)
        object.__setattr__(self, "singular", self.singular or self.kind.lower())

    @property
    def group(self) -> str:
        return self.group_version.group

    @cached_property
    def group_resource(self) -> str:
        """As error messages name it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def api_version(self) -> str:
        return str(self.group_version)

    @cached_property
    def root(self) -> str:
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (all namespaces when none is given), an object or a subresource."""
        parts = [self.root]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


CORE_V1 = GroupVersion("", "v1")
APPS_V1 = GroupVersion("apps", "v1")
COORDINATION_V1 = GroupVersion("coordination.k8s.io", "v1")
DISCOVERY_V1 = GroupVersion("discovery.k8s.io", "v1")
EVENTS_V1 = GroupVersion("events.k8s.io", "v1")

RESOURCES: tuple[Resource, ...] = (
    Resource(CORE_V1, "configmaps", core_v1.ConfigMap, short_names=("cm",)),
    Resource(CORE_V1, "endpoints", core_v1.Endpoints, short_names=("ep",)),
    Resource(CORE_V1, "events", core_v1.Event, short_names=("ev",)),
    Resource(CORE_V1, "namespaces", core_v1.Namespace, namespaced=False, short_names=("ns",)),
    Resource(CORE_V1, "nodes", core_v1.Node, namespaced=False, short_names=("no",)),
    Resource(CORE_V1, "pods", core_v1.Pod, short_names=("po",), categories=("all",)),
    Resource(CORE_V1, "secrets", core_v1.Secret),
    Resource(CORE_V1, "serviceaccounts", core_v1.ServiceAccount, short_names=("sa",)),
    Resource(CORE_V1, "services", core_v1.Service, short_names=("svc",), categories=("all",)),
    Resource(APPS_V1, "deployments", apps_v1.Deployment, short_names=("deploy",), categories=("all",)),
    Resource(APPS_V1, "replicasets", apps_v1.ReplicaSet, short_names=("rs",), categories=("all",)),
    Resource(COORDINATION_V1, "leases", coordination_v1.Lease),
    Resource(DISCOVERY_V1, "endpointslices", discovery_v1.EndpointSlice),
    Resource(EVENTS_V1, "events", events_v1.Event, short_names=("ev",)),
)

_BY_MODEL = {resource.model: resource for resource in RESOURCES}
_BY_KIND = {(resource.group_version, resource.kind): resource for resource in RESOURCES}


def resource_of(model: type[Model]) -> Resource:
    """The resource that serves a type.  Raises KeyError for types that are not served."""
    return _BY_MODEL[model]


def resource_of_kind(api_version: str, kind: str) -> Resource | None:
    """The built-in resource of an object's `apiVersion` and `kind`, if there is one."""
    return _BY_KIND.get((GroupVersion.parse(api_version), kind))
