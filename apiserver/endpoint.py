"""One served resource, and the server's state that every handler works on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import pydantic

from api.clock import Clock
from api.errors import BadRequest, MethodNotAllowed, NotFound, not_found
from api.meta_v1 import StatusDetails
from api.model import Model
from api.quoting import quoted
from api.schema import Schema, schema_of
from api.scheme import Resource, resource_of
from apiserver.admission.dynamic import DynamicAdmission
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.arrivals import Arrivals
from apiserver.decoding import decode_request
from apiserver.patch.request import PatchRequest, decode_document
from apiserver.registry.names import path_segment
from apiserver.registry.strategy import Context, Requester, Scale, Strategy, Subresource
from apiserver.registry.table import STORED_AS, Registry
from apiserver.request import RequestInfo, User
from apiserver.uuid4 import uuid4

if TYPE_CHECKING:
    from apiserver.aggregation.aggregator import Aggregator
    from apiserver.authentication.service_account_tokens import ServiceAccountTokens
    from apiserver.authentication.tokens import BearerTokens
    from apiserver.authorization.authorizer import Union
    from apiserver.storage.entry import Entry
    from apiserver.storage.watch_cache import WatchCache
    from apiserver.stored import StoredObject
    from apiserver.webhook_client import WebhookClient

NOT_ALLOWED = "the server does not allow this method on the requested resource"
_REMEMBERED = 1000
"""Objects that are kept decoded for those who look at them again and again, such as every pod's namespace."""


def _stored_as(resource: Resource) -> str:
    """The name its objects have in the store, as in `Resource.group_resource`."""
    return STORED_AS.get((resource.group_version, resource.plural), resource.group_resource)


class Endpoint:
    """A resource as it is served: its strategy, its keys in the store, its bytes on the wire."""

    custom: ClassVar[bool] = False
    """Whether a CustomResourceDefinition defines it (`apiserver.custom_resources.endpoint`)."""
    converts: bool = False
    """Whether stored objects may have to be converted by a webhook before they are shown, and after they were made."""

    def __init__(self, resource: Resource, registry: Registry, cache: WatchCache) -> None:
        self.resource = resource
        self._registry = registry
        self.cache = cache
        self.namespaced = resource.namespaced
        stored_as = _stored_as(resource)
        self.prefix = f"/{stored_as}/"
        self.group = stored_as.partition(".")[2]
        """Refusals are in the words of the group that owns the objects."""
        self.owns_storage = (resource.group_version, resource.plural) not in STORED_AS
        """False where another resource's objects are shown in another form."""
        self.head = b'{"kind":"%s","apiVersion":"%s",' % (
            self.resource.kind.encode(),
            self.resource.api_version.encode(),
        )

    @cached_property
    def strategy(self) -> Strategy[Any]:
        """The rules of the kind, loaded when somebody first asks for it."""
        return self._registry.load(self.resource)

    @cached_property
    def model(self) -> type[Any]:
        return self.resource.model

    def load(self) -> None:
        """Import and build what the first request for the kind would have to wait for."""
        self.model.model_rebuild()
        _ = self.strategy, self.schema

    @cached_property
    def subresources(self) -> dict[str, Subresource | Scale]:
        return {part.name: part for part in self.strategy.subresources}

    def field_problem(self, name: str) -> str:
        """Why a field selector cannot ask for a field, as the answer says it; "" where it can.

        Kinds of the whole cluster that name fields of their own know no metadata.namespace, nor do custom ones.
        """
        own = self.strategy.selectable_field_names()
        in_namespace = name == "metadata.namespace" and (self.namespaced or not (own or self.custom))
        known = name in own or name == "metadata.name" or in_namespace
        return "" if known else self.strategy.unknown_field(name)

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        """What field selectors can ask for, from a stored document."""
        return self.strategy.selectable_fields(document)

    @property
    def schema(self) -> Schema:
        model: type[Model] = self.model
        return schema_of(model)

    def check(self, info: RequestInfo) -> None:
        """Raises NotFound for a path that leads nowhere here, MethodNotAllowed for what none can do all over,
        BadRequest for a name that no object can have."""
        if self.namespaced:
            misplaced = bool(info.name) and not info.namespace
        else:
            misplaced = bool(info.namespace) and info.resource != "namespaces"
        if misplaced or (len(info.parts) > 3 and info.subresource != "proxy"):
            raise NotFound("the server could not find the requested resource", StatusDetails())
        if self.namespaced and not info.namespace and info.verb not in ("list", "watch"):
            raise MethodNotAllowed(NOT_ALLOWED, StatusDetails())
        self.check_name(info.name)

    @staticmethod
    def check_name(name: str) -> None:
        """Raises BadRequest for what can be no part of a path to an object."""
        if complaints := path_segment(name):
            raise BadRequest(f"Name parameter invalid: {quoted(name)}: {';'.join(complaints)}")

    async def prepare(self, entries: Sequence[Entry]) -> None:
        """Convert stored objects that are to be looked at.  Raises StatusError."""

    async def in_storage_version(self, document: dict[str, Any]) -> dict[str, Any]:
        """An object that is to be stored, converted.  Raises StatusError."""
        return document

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else self.prefix + name

    def find(self, namespace: str, name: str) -> Entry:
        """The object of that name.  Raises NotFound; BadRequest for the empty name."""
        entry = self.cache.get(self.key(namespace, name))
        if entry is None:
            if not name:
                raise BadRequest("Name parameter required.")
            raise not_found(self.resource.group, self.resource.plural, name)
        return entry

    def read(self, body: bytes, content_type: str, field_validation: str) -> tuple[Any, list[str]]:
        """An object that a client sent, and the warnings about it.  Raises BadRequest, UnsupportedMediaType."""
        resource = self.resource
        return decode_request(
            self.model, body, content_type, field_validation, kind=resource.kind, version=resource.group_version.version
        )

    def read_patched(
        self, request: PatchRequest, document: Any, stored: StoredObject, unread: Sequence[str]
    ) -> tuple[Any, list[str]]:
        """What a patch made of an object, and the warnings about it; see `PatchRequest.decode`.  Raises Invalid."""
        return request.decode(self.model, document, managers=stored.managers, unread=unread)

    def read_applied(self, document: dict[str, Any], stored: StoredObject | None) -> Any:
        """What server-side apply made of an object, or of none.  Raises Invalid."""
        return decode_document(self.model, document)

    def decode(self, entry: Entry) -> Any:
        """A typed, independent copy of a stored object; kind and apiVersion are left empty, as in the store."""
        return self.model.decode(self.body(entry))

    def read_stored(self, encoded: bytes, entry: Entry) -> Any:
        """The typed object of an entry, from its JSON without managedFields."""
        return self.model.decode(encoded)

    def members(self, entry: Entry) -> bytes:
        """A stored object as `Entry.members`, in the form this resource shows."""
        if self.owns_storage:
            return entry.members
        shown: bytes = self.model.from_dict(self.strategy.from_stored(entry.document)).encode()
        return shown[1:]

    def body(self, entry: Entry) -> bytes:
        """A stored object without kind and apiVersion."""
        return b"{" + self.members(entry)

    def document(self, entry: Entry) -> dict[str, Any]:
        """The same, parsed."""
        document: dict[str, Any] = orjson.loads(self.body(entry))
        return document

    def wire(self, entry: Entry) -> bytes:
        """A stored object as a client reads it."""
        return self.head + self.members(entry)

    def items(self, entries: Sequence[Entry]) -> bytes:
        """Stored objects as items of a list, with commas between."""
        return b"{" + b",{".join(self._all_members(entries))

    def _all_members(self, entries: Sequence[Entry]) -> list[bytes]:
        if self.owns_storage:
            return [entry.members for entry in entries]
        return [self.members(entry) for entry in entries]

    def in_version(self, api_version: str, document: dict[str, Any]) -> tuple[Schema, dict[str, Any]] | None:
        """An object of this resource as the resource of another version shows the same objects, and its schema there;
        None when there is no such resource, or when the document is no object of the kind, which its decoding will
        tell.  The document, which may be of a part of an object, stays as it is."""
        stored_as = _stored_as(self.resource)
        for other in self._registry.resources:
            if other.api_version == api_version and _stored_as(other) == stored_as:
                copy = orjson.loads(orjson.dumps(document))
                stored = copy if self.owns_storage else self.strategy.to_stored(copy)
                form = self._registry.load(other).from_stored(stored)
                try:
                    return schema_of(other.model), other.model.from_dict(form).to_dict()
                except pydantic.ValidationError:
                    return None
        return None

    def converted(self, api_version: str, document: dict[str, Any]) -> dict[str, Any] | None:
        """An object of this resource, known to be good, as the resource of another version shows it; None when there is
        no such resource.  The document stays as it is."""
        shown = self.in_version(api_version, document)
        return None if shown is None else shown[1]

    async def convert(self, api_version: str, document: dict[str, Any]) -> dict[str, Any] | None:
        """The same for those who can wait for a webhook.  Raises StatusError when it fails."""
        return self.converted(api_version, document)

    def equivalents(self) -> list[Resource]:
        """The resources that show the same objects in other groups and versions."""
        return self._equivalents

    @cached_property
    def _equivalents(self) -> list[Resource]:
        mine = self.resource
        stored_as = _stored_as(mine)
        return [other for other in self._registry.resources if other is not mine and _stored_as(other) == stored_as]

    def stored_form(self, document: dict[str, Any], obj: Any) -> dict[str, Any]:
        """An object as the store keeps it: metadata first, without kind, apiVersion and resourceVersion.

        The document, which is `obj`'s, is used up.
        """
        metadata = document["metadata"]
        metadata.pop("resourceVersion", None)
        form = document if self.owns_storage else self.strategy.to_stored(document)
        return {
            "metadata": form["metadata"],
            **{name: value for name, value in form.items() if name not in ("metadata", "kind", "apiVersion")},
        }

    def spelled_alike(self, new: Any, old: Any) -> bool:
        """Whether two objects that say the same are the same to the byte, where that counts."""
        return True


@dataclass
class API:
    """What the handlers share."""

    cache: WatchCache
    clock: Clock
    endpoints: Mapping[tuple[str, str, str], Endpoint]
    admission: Sequence[AdmissionPlugin]
    bearers: BearerTokens
    authorizer: Union
    requester: Callable[[User], Requester]
    tokens: ServiceAccountTokens
    max_request_bytes: int
    disabled: frozenset[str] = frozenset()
    """Admission plugins that the server was told to do without."""
    custom: dict[tuple[str, str, str], Endpoint] = field(default_factory=dict)
    """The endpoints of custom resources, which come and go."""
    custom_changes: int = 0
    """How often they have changed: what is made of them all is made anew when this has grown."""
    watch_events: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many events watchers have been told, by group, version and resource."""
    random: random.Random = field(default_factory=random.Random)
    arrivals: Arrivals = field(default_factory=Arrivals)
    aggregator: Aggregator | None = None
    """Who knows the group versions that other servers serve; None as long as there are none."""
    _seen: dict[str, tuple[Entry, Any]] = field(default_factory=dict)

    @cached_property
    def dynamic_admission(self) -> DynamicAdmission:
        return DynamicAdmission(self)

    @cached_property
    def webhook_client(self) -> WebhookClient:
        """How webhooks are called, those that are services of the cluster included."""
        from apiserver.service_target import service_target
        from apiserver.webhook_client import WebhookClient

        def resolve(namespace: str, name: str, port: int) -> tuple[str, int]:
            target = service_target(self, namespace, name, port)
            return target.host, target.port

        return WebhookClient(resolve)

    @cached_property
    def preparing(self) -> list[AdmissionPlugin]:
        """The plugins that have something to do before others."""
        return [plugin for plugin in self.admission if plugin.prepares]

    @cached_property
    def mutating(self) -> list[Callable[[AdmissionRequest], None]]:
        """What plugins do that change objects, in their order; every write goes through it."""
        return [plugin.mutate for plugin in self.admission if type(plugin).mutate is not AdmissionPlugin.mutate]

    @cached_property
    def validating(self) -> list[Callable[[AdmissionRequest], None]]:
        """The same of plugins that may refuse them."""
        return [plugin.validate for plugin in self.admission if type(plugin).validate is not AdmissionPlugin.validate]

    @cached_property
    def reserving(self) -> list[AdmissionPlugin]:
        """The plugins that have something to do when all have agreed."""
        return [plugin for plugin in self.admission if plugin.reserves]

    def new_uid(self) -> str:
        return uuid4(self.random)

    def endpoint(self, group: str, version: str, plural: str) -> Endpoint | None:
        key = group, version, plural
        return self.endpoints.get(key) or self.custom.get(key)

    def endpoint_of(self, model: type[Model]) -> Endpoint:
        """The resource that serves a type.  Raises KeyError for types that are not served."""
        resource = resource_of(model)
        return self.endpoints[resource.group, resource.group_version.version, resource.plural]

    def context(self, user: User) -> Context:
        return Context(
            now=self.clock.now(),
            user=user.name,
            get=self.get_object,
            peek=self.peek,
            peek_all=self.peek_all,
            list=self.list_objects,
            exists=self.exists,
            requester=self.requester(user),
        )

    def exists(self, resource: Resource, namespace: str, name: str) -> bool:
        """Whether there is an object of that name."""
        endpoint = self.endpoints[resource.group, resource.group_version.version, resource.plural]
        return self.cache.get(endpoint.key(namespace, name)) is not None

    def get_object(self, model: type[Model], namespace: str, name: str) -> Any | None:
        """An independent copy of an object, or None; for rules that look at other objects."""
        endpoint = self.endpoint_of(model)
        entry = self.cache.get(endpoint.key(namespace, name))
        return None if entry is None else endpoint.decode(entry)

    def peek(self, model: type[Model], namespace: str, name: str) -> Any | None:
        """The same, shared with everybody who looks at the object: nobody changes it."""
        endpoint = self.endpoint_of(model)
        entry = self.cache.get(endpoint.key(namespace, name))
        return None if entry is None else self._look(endpoint, entry)

    def peek_all(self, model: type[Model], namespace: str) -> Sequence[Any]:
        """The same of all objects of a kind, of one namespace or ("") of all: for kinds there are few of."""
        endpoint = self.endpoint_of(model)
        return [self._look(endpoint, entry) for entry in self.cache.list(endpoint.prefix, namespace)]

    def _look(self, endpoint: Endpoint, entry: Entry) -> Any:
        seen = self._seen.get(entry.key)
        if seen is None or seen[0] is not entry:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            seen = self._seen[entry.key] = (entry, endpoint.decode(entry))
        return seen[1]

    def list_objects(self, model: type[Model], namespace: str) -> list[Any]:
        """Independent copies of all objects of a kind, of one namespace or ("") of all."""
        endpoint = self.endpoint_of(model)
        return [endpoint.decode(entry) for entry in self.cache.list(endpoint.prefix, namespace)]
