"""What a namespace may use: quotas for all of it together, limit ranges for each object."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Enum, Model, NullWhenEmpty, Quantity, atomic, struct

_SCOPES = Enum(
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)


class ScopedResourceSelectorRequirement(Model):
    """A scope that an object must be in, or not.

    operator: In, NotIn, Exists or DoesNotExist.
    scopeName: The scope.
    values: Its values, for In and NotIn.
    """

    operator: Annotated[str, Enum("DoesNotExist", "Exists", "In", "NotIn")]
    scopeName: Annotated[str, _SCOPES]
    values: list[str] = []


@atomic
class ScopeSelector(Model):
    """Scopes that an object must all be in to be counted.

    matchExpressions: The scopes.
    """

    matchExpressions: list[ScopedResourceSelectorRequirement] = []


class ResourceQuotaSpec(Model):
    """What a namespace may use in all.

    hard: The most of each resource.
    scopeSelector: Only objects of these scopes are counted, with values.
    scopes: Only objects of all these scopes are counted.
    """

    hard: dict[str, Quantity] = {}
    scopeSelector: ScopeSelector | None = None
    scopes: list[Annotated[str, _SCOPES]] = []


class ResourceQuotaStatus(Model):
    """What a namespace uses.

    hard: The limits that are enforced.
    used: What is used of each.
    """

    hard: dict[str, Quantity] = {}
    used: dict[str, Quantity] = {}


class ResourceQuota(Model):
    """Limits what the objects of a namespace use together.

    spec: The limits.
    status: What is used.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ResourceQuotaSpec = struct()
    status: ResourceQuotaStatus = struct()


class LimitRangeItem(Model):
    """Limits for every object of one type.

    default: The limits of containers that say none.
    defaultRequest: The requests of containers that say none.
    max: The most of each resource.
    maxLimitRequestRatio: How many times its request a limit may be.
    min: The least of each resource.
    type: Pod, Container, PersistentVolumeClaim or a qualified name.
    """

    default: dict[str, Quantity] = {}
    defaultRequest: dict[str, Quantity] = {}
    max: dict[str, Quantity] = {}
    maxLimitRequestRatio: dict[str, Quantity] = {}
    min: dict[str, Quantity] = {}
    type: str


class LimitRangeSpec(Model):
    """Limits for the objects of a namespace.

    limits: The limits, by type.
    """

    limits: Annotated[list[LimitRangeItem], NullWhenEmpty]


class LimitRange(Model):
    """Limits what each object of a namespace may use, and says what it uses when it does not say.

    spec: The limits.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: LimitRangeSpec = struct()
