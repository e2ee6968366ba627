"""What can be special about a kind.

The verb handlers are the same for every resource; wherever kinds differ they ask the resource's
*strategy*.  A new kind is its types in `api/`, a strategy here, and a line in `registry.table`.
The order in which a handler asks is Kubernetes' own:

    create:  default → (field ownership, mutating admission) → authorize → prepare_for_create → begin_create → validate
             → canonicalize → companions → store
    update:  authorize → default → (field ownership, mutating admission) → prepare_for_update → begin_update
             → validate_changed → companions → store
    delete:  grace_period → store → companions → after_delete
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from api.errors import FieldError
from api.meta_v1 import DeleteOptions
from api.model import Model
from api.scheme import Resource
from apiserver.registry.names import dns_subdomain

if TYPE_CHECKING:
    from api.rbac_v1 import PolicyRule
    from apiserver.request import User


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
M = TypeVar("M", bound=Model)
Finish = Callable[[bool], None]
"""Called once after a write with whether it succeeded: keeps or gives back what was allocated for it."""


@dataclass(frozen=True)
class Column(Generic[M]):
    """One column of `kubectl get`.  Priority 0 is always shown, higher ones with `-o wide`.

    `value` computes the cell from the object and the present time.
    """

    name: str
    value: Callable[[M, datetime], Any]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True)
class Subresource:
    """A part of an object with a URL of its own that is read and written like an object.

    `name` is the last part of the URL.  Connecting subresources (log, exec, …) are not these: they are
    handlers of their own.
    """

    name: str
    verbs: ClassVar[tuple[str, ...]] = ("get", "patch", "update")

    def unowned(self, model: type[Model]) -> Mapping[str, Any] | None:
        """The fields that nobody comes to own by writing them here, as a FieldsV1 set, for they are put back.

        None: what is owned shows only once `prepare_for_update` has put the rest back.
        """
        return None

    def prepare_for_update(self, new: Any, old: Any) -> None:
        """Put back everything of `old` that this subresource may not change."""
        raise NotImplementedError

    def stamp(self, new: Any, old: Any, now: datetime) -> None:
        """Note the time of what this write changes, where the object says since when something is so, in seconds."""

    def validate_update(self, new: Any, old: Any) -> Iterable[FieldError]:
        return ()


_METADATA_OF_USERS = ("labels", "annotations", "ownerReferences", "finalizers")


@dataclass(frozen=True)
class Status(Subresource):
    """`/status`: writes status and leaves spec alone; the main resource does the reverse."""

    name: str = "status"
    depends_on_rest: ClassVar[bool] = False
    """Whether the defaults of status depend on what the client says of the rest, though that is not written."""
    writes_metadata: ClassVar[bool] = True
    """Whether labels, annotations, owners and finalizers can be written here, too, as they can be of most kinds."""

    def unowned(self, model: type[Model]) -> Mapping[str, Any] | None:
        kept = ("apiVersion", "kind", "metadata", "status")
        return {f"f:{field}": {} for field in model.model_fields if field not in kept}

    def prepare_for_update(self, new: Any, old: Any) -> None:
        for field in type(new).model_fields:
            if field not in ("apiVersion", "kind", "metadata", "status"):
                setattr(new, field, getattr(old, field))
        new.metadata.deletionTimestamp = old.metadata.deletionTimestamp
        if not self.writes_metadata:
            for field in _METADATA_OF_USERS:
                setattr(new.metadata, field, getattr(old.metadata, field))


@dataclass(frozen=True)
class Scale:
    """`/scale`: the object's replica count as an autoscaling/v1 Scale.  The fields are paths in the object;
    `selector` points at a LabelSelector or, in older kinds, a plain map."""

    replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"
    name: ClassVar[str] = "scale"
    is_custom: ClassVar[bool] = False
    """Whether a definition says the paths: there may be nothing at them, and at `selector` is text."""
    verbs: ClassVar[tuple[str, ...]] = ("get", "patch", "update")


@dataclass(frozen=True)
class Context:
    """What a strategy may know about the request and the server besides the object itself.

    `get` and `list` read other objects from the watch cache (never from disk): by model, namespace and
    name; they serve cross-object rules and allocation, and return independent copies.  `peek` and `peek_all` are `get`
    and `list` for those who only look: they cost nothing when an object has not changed since somebody last looked.
    `exists` does not even need the type.
    """

    now: datetime
    user: str
    get: Callable[[type[Model], str, str], Any | None]
    peek: Callable[[type[Model], str, str], Any | None]
    peek_all: Callable[[type[Model], str], Sequence[Any]]
    list: Callable[[type[Model], str], list[Any]]
    exists: Callable[[Resource, str, str], bool]
    requester: Requester | None = None
    """Who asks, for the rules that need more than a name; None where nobody does: the server may do everything."""

    def may(
        self, verb: str, group: str, resource: str, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bool:
        """Whether who asks may do something else, too."""
        return self.requester is None or self.requester.may(verb, group, resource, namespace, name, subresource)


class Requester(Protocol):
    """Who a request comes from, and what they may do (`apiserver.authorization`)."""

    @property
    def user(self) -> User: ...

    def may(
        self, verb: str, group: str, resource: str, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bool:
        """Whether they may do something else, too."""
        ...

    def grant(self, rules: Iterable[PolicyRule], namespace: str) -> str:
        """Why they may not give these rules to anybody in a namespace ("" for all); empty when they may."""
        ...


@dataclass(frozen=True)
class Options:
    """What the server's flags decide about the kinds."""

    service_cluster_ip_ranges: tuple[Network, ...] = (ipaddress.ip_network("10.0.0.0/24"),)
    """`--service-cluster-ip-range`: one network, or one of each family; the first is the primary."""
    service_node_ports: range = range(30000, 32768)
    """`--service-node-port-range`."""

    @property
    def is_local(self) -> bool:
        """Whether the cluster lives on the loopback of one machine, as one without root does."""
        return any(network.is_loopback for network in self.service_cluster_ip_ranges)


class Strategy(Generic[M]):
    """The rules of one kind.  Every method has a default that suits a kind with nothing special."""

    resource: ClassVar[Resource]
    subresources: ClassVar[tuple[Subresource | Scale, ...]] = ()
    columns: ClassVar[tuple[Column[Any], ...]] = ()
    create_on_update: ClassVar[bool] = False
    """Whether PUT of a name that does not exist creates it."""
    revalidates_metadata: ClassVar[bool] = True
    """Whether an update looks at the whole metadata twice, as the validation of most kinds does."""
    known_finalizers: ClassVar[bool] = True
    """Whether finalizers that are not qualified by somebody's domain must be Kubernetes' own."""
    unconditional_update: ClassVar[bool] = True
    """Whether an update without resourceVersion overwrites."""
    returns_deleted: ClassVar[bool] = False
    """Whether DELETE answers with the object that is gone instead of a Status."""
    orphans_dependents: ClassVar[bool] = False
    """Whether what the object owns outlives it when DELETE says nothing of the dependents."""
    orphaning_warning: ClassVar[str] = ""
    """What such a DELETE is answered with in a `Warning`."""
    tracks_owners: ClassVar[bool] = True
    """Whether managedFields say who owns which field."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    @cached_property
    def unowned(self) -> Mapping[str, Any]:
        """The fields that nobody comes to own by writing the object itself, as a FieldsV1 set: status, where it has
        a URL of its own."""
        return {"f:status": {}} if any(isinstance(part, Status) for part in self.subresources) else {}

    def to_stored(self, document: dict[str, Any]) -> dict[str, Any]:
        """The form in which the object is kept, where its resource shows the objects of another
        (`registry.table.STORED_AS`): made from its JSON, which is used up."""
        return document

    def from_stored(self, document: dict[str, Any]) -> dict[str, Any]:
        """The reverse; the stored document is used up."""
        return document

    def default(self, obj: M) -> None:
        """Fill in what the client left out, as Kubernetes' defaulting functions do.  Runs on every decode of a
        client's object, also inside templates; must be idempotent."""

    def default_changed(self, new: M, old: M) -> None:
        """The same for an update, whose members may be `old`'s own: those have their defaults."""
        self.default(new)

    def prepare_for_create(self, new: M, context: Context) -> None:
        """Drop what a client may not set (status) and set what the server owns (generation)."""

    def prepare_for_update(self, new: M, old: M, context: Context) -> None:
        """Put back status; bump metadata.generation when the desired state changed."""

    def authorize(self, new: M, old: M | None, context: Context) -> None:
        """Refuse what this user may not do with an object, although they may write it: roles and bindings give
        nobody more than whoever writes them has.  `new` is what the client sent.  Raises Forbidden, NotFound."""

    def validate(self, new: M) -> Iterator[FieldError]:
        """Every broken rule, in the order of Kubernetes' own validation, metadata excepted."""
        yield from ()

    def judge(self, new: M, spec: Callable[[M], bytes]) -> tuple[Sequence[FieldError], Iterable[str]]:
        """What `validate` and `warnings` say of an object to be created, its warnings only when no rule is broken.

        To be overridden where many objects have the same spec: `spec` tells its JSON, and it stays as it is from then.
        """
        errors = list(self.validate(new))
        return errors, () if errors else self.warnings(new, None)

    def validate_update(self, new: M, old: M) -> Iterator[FieldError]:
        """Broken rules about the change: immutable fields and the like."""
        yield from ()

    def validate_changed(self, new: M, old: M) -> Iterator[FieldError]:
        """All that an update is judged by, in the order of Kubernetes' own validation.

        To be overridden where that is another, or where much can be left out: members of `new` that the request leaves
        alone are `old`'s own objects, and those were valid when they were stored.
        """
        yield from self.validate(new)
        yield from self.validate_update(new, old)

    async def compute(self) -> list[M]:
        """The objects there are, of a kind that is not stored."""
        return []

    def warnings(self, new: M, old: M | None) -> Iterable[str]:
        """Sent to the client in `Warning` headers."""
        return ()

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        """Complaints about metadata.name (`prefix`: about generateName); a DNS subdomain unless overridden."""
        return dns_subdomain(name, prefix)

    def name_of_nameless(self) -> str:
        """What an object is called that is created with neither name nor generateName; empty where it needs one."""
        return ""

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        """What `fieldSelector` can ask for, from the stored JSON.  metadata.name and metadata.namespace are always
        selectable and need not be listed."""
        return {}

    def selectable_field_names(self) -> frozenset[str]:
        """The names `selectable_fields` returns; any other is refused with 400."""
        return frozenset(self.selectable_fields({}))

    def unknown_field(self, name: str) -> str:
        """The refusal of a `fieldSelector` that asks for something else (400)."""
        if self.selectable_field_names() or type(self).selectable_fields is not Strategy.selectable_fields:
            return f"field label not supported: {name}"
        return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    def begin_create(self, new: M, context: Context) -> Finish | None:
        """Allocate what the object needs (addresses, ports); called before validation."""
        return None

    def canonicalize(self, new: M) -> None:
        """Change what a new object shows once it has been judged."""

    def begin_update(self, new: M, old: M, context: Context) -> Finish | None:
        return None

    def after_delete(self, old: M) -> None:
        """Give back what was allocated; the object is gone from the store."""

    def companions(self, obj: M) -> list[Any]:
        """Objects that are in the store as long as this one is, such as the IPAddresses of a Service."""
        return []

    def cells(self, obj: M, now: datetime) -> list[Any]:
        """One row of the table: the value of each of `columns`."""
        return [column.value(obj, now) for column in self.columns]

    def row_conditions(self, obj: M) -> list[dict[str, str]]:
        """Conditions of the object's row in a table (TableRowCondition); few kinds have any."""
        return []

    def prepare_for_delete(self, obj: M) -> None:
        """Show that deletion has begun, on an object that stays for its finalizers or its grace period."""

    def grace_period(self, obj: M, options: DeleteOptions) -> int | None:
        """Seconds the object lives on after DELETE with a deletionTimestamp; None or 0 deletes at once."""
        return None

    def pending_finalizers(self, obj: M) -> list[str]:
        """What must finish before the object may go, besides metadata.finalizers (namespaces have spec.finalizers)."""
        return []
