"""Finds the handler of a resource request: a dictionary look-up on the parsed path, then one function per verb."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

import orjson

from api.core_v1 import Binding, Pod, ServiceAccount
from api.errors import MethodNotAllowed, NotAcceptable, NotFound, conflict, invalid, invalid_value
from api.meta_v1 import DeleteOptions, StatusDetails
from api.model import Model
from api.scheme import RESOURCES
from apiserver import tables
from apiserver.answer import Answer, PageNotFound
from apiserver.authorization.authorizer import begun_anew
from apiserver.decoding import decode_request
from apiserver.endpoint import API, NOT_ALLOWED, Endpoint
from apiserver.handlers import pod_subresources
from apiserver.handlers.computed import computed_object, computed_page
from apiserver.handlers.connect import KubeletClient, relay_websocket, stream_logs, upgrade_target
from apiserver.handlers.connect_options import admit_connection
from apiserver.handlers.create import create_object
from apiserver.handlers.delete import delete_object, delete_options
from apiserver.handlers.delete_collection import delete_objects
from apiserver.handlers.list import Page, list_page
from apiserver.handlers.list_options import check_read_version, list_options
from apiserver.handlers.options import WriteOptions, write_options
from apiserver.handlers.patch import APPLY_PATCH, patch_type, transformer
from apiserver.handlers.proxy import relay_upgrade, serve_proxy
from apiserver.handlers.stream import serve_watch
from apiserver.handlers.update import Transform, update_object
from apiserver.handlers.write import Write, check_names, unnamed
from apiserver.negotiation import NOT_SERVED, MediaType, negotiate
from apiserver.registry.strategy import Scale, Subresource
from apiserver.request import Receive, Request, Scope, Send, request_of
from apiserver.storage.entry import Entry

Handler = Callable[["Dispatcher", Request, Endpoint, MediaType], Awaitable[Answer]]
_CREATED, _OK = 201, 200
_PIECE = 64 * 1024
"""Bytes of a list that are put together and sent at once."""
_CONNECT = ("exec", "attach", "portforward")
_REVIEWS = {(resource.group, resource.plural): resource for resource in RESOURCES if resource.verbs == ("create",)}
"""What is answered and not stored.  Their handlers, as those of scales, tokens and evictions, are imported with the
first request for them, for the types that they bring: a server's start is the sum of such."""


class Dispatcher:
    """Serves every URL below /api/VERSION and /apis/GROUP/VERSION that names a resource."""

    def __init__(self, api: API, kubelet: KubeletClient) -> None:
        self.api = api
        self._kubelet = kubelet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        info = request.info
        if request.method == "HEAD" and info.subresource != "proxy":  # no resource answers it, though get allows it
            raise _not_allowed()
        asked = None if info.name else _REVIEWS.get((info.group, info.resource))
        if asked is not None:
            from apiserver.handlers.reviews import review

            media = _media(request, model=asked.model)
            answer = await begun_anew(lambda: review(self.api, request, asked), request.warnings)
            await answer.send(send, request, media)
            return
        if self.api.arrivals.pending:
            await self.api.arrivals.awaited(info)
        endpoint = self.api.endpoint(info.group, info.version, info.resource)
        if endpoint is None and not self._is_built_in(info.group):
            raise PageNotFound()
        if endpoint is None:
            raise NotFound("the server could not find the requested resource", StatusDetails())
        endpoint.check(info)
        if info.subresource in _CONNECT and endpoint.model is Pod:
            await self._connect(endpoint, request, scope, receive, send)
            return
        if info.subresource == "proxy" and any(part.name == "proxy" for part in endpoint.resource.parts):
            await serve_proxy(self.api, endpoint, self._kubelet, request, receive, send)
            return
        if endpoint.resource.deprecation:
            request.warnings.append(endpoint.resource.deprecation)
            request.annotations["k8s.io/deprecated"] = "true"
        media = _media(request, endpoint)
        if info.subresource == "log" and endpoint.model is Pod:
            if info.verb != "get":
                raise _not_allowed()
            pod = endpoint.decode(endpoint.find(info.namespace, info.name))
            await stream_logs(self.api, self._kubelet, pod, request, receive, send)
            return
        if info.verb == "watch" and request.method != "GET":  # of a /watch/ path
            raise _not_allowed()
        if info.verb == "watch" and endpoint.resource.is_stored:
            await serve_watch(self.api, endpoint, request, media, receive, send)
            return
        answer = await begun_anew(lambda: self._handle(endpoint, request, media), request.warnings)
        await answer.send(send, request, media)

    def _is_built_in(self, group: str) -> bool:
        return any(key[0] == group for keys in (self.api.endpoints, _REVIEWS) for key in keys)

    async def _connect(self, endpoint: Endpoint, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        info = request.info
        await admit_connection(self.api, endpoint, request)
        pod = endpoint.decode(endpoint.find(info.namespace, info.name))
        url = upgrade_target(self.api, self._kubelet, pod, request)
        if scope["type"] != "websocket":
            await relay_upgrade(url, self._kubelet, request, receive, send)
        else:
            await relay_websocket(url, self._kubelet.context, request, receive, send)

    async def _handle(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        info = request.info
        if info.subresource:
            return await self._subresource(endpoint, request, media)
        handlers: dict[str, Callable[[Endpoint, Request, MediaType], Awaitable[Answer]]] = {
            "get": self._get,
            "list": self._list,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }
        fits = bool(info.name) == (info.verb in ("get", "update", "patch", "delete"))
        if not (fits or endpoint.custom) or info.verb not in handlers or info.verb not in endpoint.resource.verbs:
            raise _not_allowed()
        return await handlers[info.verb](endpoint, request, media)

    # --- reading ---------------------------------------------------------------------------------

    async def _get(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        info = request.info
        if version := request.query.get("resourceVersion"):
            check_read_version(version, self.api.cache.revision)
        if not endpoint.resource.is_stored:
            return await self._object(endpoint, await computed_object(endpoint, info.name), request, media)
        return await self._object(endpoint, endpoint.find(info.namespace, info.name), request, media)

    async def _list(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        info = request.info
        options = list_options(request.query, endpoint.field_problem)
        if not endpoint.resource.is_stored:
            return await self._page(endpoint, await computed_page(endpoint, options), request, media)
        page = await list_page(self.api.cache, endpoint.prefix, info.namespace if endpoint.namespaced else "", options)
        return await self._page(endpoint, page, request, media)

    async def _page(self, endpoint: Endpoint, page: Page, request: Request, media: MediaType) -> Answer:
        metadata: dict[str, Any] = {"resourceVersion": str(page.revision)} if page.revision else {}
        if page.continue_ or (endpoint.custom and not media.transform):
            metadata["continue"] = page.continue_
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        if endpoint.converts:
            await endpoint.prepare(page.entries)
        if media.transform:
            now = self.api.clock.now()
            return Answer(document=tables.transformed_list(endpoint, page.entries, metadata, media, request, now))
        resource = endpoint.resource
        kind = {"kind": resource.list_kind, "apiVersion": resource.api_version}
        head = orjson.dumps({**kind, "metadata": metadata})
        return Answer(parts=_list_parts(head, endpoint, page.entries))

    async def _object(
        self, endpoint: Endpoint, entry: Entry, request: Request, media: MediaType, status: int = _OK
    ) -> Answer:
        if endpoint.converts:
            await endpoint.prepare([entry])
        if media.transform:
            document = tables.transformed_object(endpoint, entry, media, request, self.api.clock.now())
            return Answer(status, document=document)
        return Answer(status, body=b"%b\n" % endpoint.wire(entry))

    # --- writing ---------------------------------------------------------------------------------

    def _begin(self, endpoint: Endpoint, request: Request, options: WriteOptions) -> Write:
        info = request.info
        namespace = info.namespace if endpoint.namespaced else ""
        return Write(
            self.api, endpoint, request.user, options, namespace, request.warnings, info.subresource,
            audit_annotations=request.annotations,
        )  # fmt: skip

    async def _decoded(self, model: type[Any], endpoint: Endpoint, request: Request, options: WriteOptions) -> Any:
        """What is posted to do something to an object.  Raises BadRequest."""
        body = await request.body(self.api.max_request_bytes)
        asked = self._read(model, endpoint, request, options, body)
        check_names(asked, request.info.namespace, "", endpoint.namespaced)
        return asked

    @staticmethod
    def _read(model: type[Any], endpoint: Endpoint, request: Request, options: WriteOptions, body: bytes) -> Any:
        media, strictness = request.header("content-type"), options.field_validation
        if model is endpoint.model:
            obj, warnings = endpoint.read(body, media, strictness)
        else:
            obj, warnings = decode_request(model, body, media, strictness, kind=model.__name__)
        request.warnings += warnings
        return obj

    async def _create(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        options = write_options(request, "CreateOptions")
        write = self._begin(endpoint, request, options)
        body = await request.body(self.api.max_request_bytes)
        new = self._read(endpoint.model, endpoint, request, options, body)
        media_type, strictness = request.header("content-type"), options.field_validation
        entry = await create_object(write, new, lambda: endpoint.read(body, media_type, strictness)[0])
        return await self._object(endpoint, entry, request, media, _CREATED)

    async def _update(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        options = write_options(request, "UpdateOptions")
        write = self._begin(endpoint, request, options)
        body = await request.body(self.api.max_request_bytes)

        def read() -> Any:
            new, name = self._read(endpoint.model, endpoint, request, options, body), request.info.name
            check_names(new, write.namespace, name, endpoint.namespaced)
            if not new.metadata.name:
                raise unnamed(name)
            return new

        create = endpoint.strategy.create_on_update and not write.subresource
        entry, created = await update_object(write, request.info.name, _each_time(read), create=create)
        return await self._object(endpoint, entry, request, media, _CREATED if created else _OK)

    async def _patch(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        kind = patch_type(request.header("content-type"), endpoint.custom)
        options = write_options(request, "PatchOptions", apply=kind == APPLY_PATCH)
        write = self._begin(endpoint, request, options)
        body = await request.body(self.api.max_request_bytes)
        create = kind == APPLY_PATCH and not write.subresource
        entry, created = await update_object(
            write, request.info.name, transformer(write, kind, body), create=create, uid_is_condition=False
        )
        return await self._object(endpoint, entry, request, media, _CREATED if created else _OK)

    async def _delete_options(self, request: Request) -> DeleteOptions:
        body = await request.body(self.api.max_request_bytes)
        if not body.strip():
            return delete_options(None, request)
        options, _ = decode_request(
            DeleteOptions, body, request.header("content-type"), "Ignore", kind="DeleteOptions", version="v1"
        )
        return delete_options(options, request)

    async def _delete(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        options = await self._delete_options(request)
        dry_run = bool(options.dryRun) or "All" in request.query_list.get("dryRun", [])
        write = self._begin(endpoint, request, WriteOptions(dry_run=dry_run))
        entry, gone = await delete_object(write, request.info.name, options)
        if not gone or endpoint.strategy.returns_deleted:
            return await self._object(endpoint, entry, request, media)
        resource = endpoint.resource
        uid = entry.document["metadata"]["uid"]
        details: dict[str, Any] = {
            "name": request.info.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": uid,
        }
        return Answer(document=_success({k: v for k, v in details.items() if v}))

    async def _delete_collection(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        options = await self._delete_options(request)
        selection = list_options(request.query, endpoint.field_problem)
        write = self._begin(endpoint, request, WriteOptions(dry_run=bool(options.dryRun)))
        page = await list_page(self.api.cache, endpoint.prefix, write.namespace, selection)
        await delete_objects(write, page.entries, options)
        return await self._page(endpoint, page, request, media)

    # --- subresources ----------------------------------------------------------------------------

    async def _subresource(self, endpoint: Endpoint, request: Request, media: MediaType) -> Answer:
        info = request.info
        part = endpoint.subresources.get(info.subresource)
        if part is None:
            action = _ACTIONS.get((endpoint.model, info.subresource))
            if action is None:
                raise NotFound("the server could not find the requested resource", StatusDetails())
            if info.verb != "create":
                raise _not_allowed()
            return await action(self, endpoint, request)
        if info.verb not in part.verbs:
            raise _not_allowed()
        if isinstance(part, Subresource):
            handlers = {"get": self._get, "update": self._update, "patch": self._patch}
            return await handlers[info.verb](endpoint, request, media)
        return await self._scale(endpoint, part, request, media)

    async def _scale(self, endpoint: Endpoint, part: Scale, request: Request, media: MediaType) -> Answer:
        from api.autoscaling_v1 import Scale as ScaleObject
        from apiserver.handlers.scale import check_kind, patching, replacing, scale_answer, write_scale

        info = request.info
        if info.verb == "get":
            entry = endpoint.find(info.namespace, info.name)
            await endpoint.prepare([entry])
            return scale_answer(endpoint, part, entry, media, request, self.api.clock.now())
        if info.verb == "update":
            options = write_options(request, "UpdateOptions")
            write = self._begin(endpoint, request, options)
            body = await request.body(self.api.max_request_bytes)
            if part.is_custom:
                check_kind(body, request.header("content-type"))
            make = replacing(write, self._read(ScaleObject, endpoint, request, options, body))
        else:
            kind = patch_type(request.header("content-type"), endpoint.custom)
            write = self._begin(endpoint, request, write_options(request, "PatchOptions", apply=kind == APPLY_PATCH))
            make = patching(write, kind, await request.body(self.api.max_request_bytes))
        entry = await write_scale(write, part, info.name, make)
        await endpoint.prepare([entry])
        return scale_answer(endpoint, part, entry, media, request, self.api.clock.now())

    async def bind(self, endpoint: Endpoint, request: Request) -> Answer:
        options = write_options(request, "CreateOptions")
        binding = await self._decoded(Binding, endpoint, request, options)
        await pod_subresources.bind(self._begin(endpoint, request, options), request.info.name, binding)
        return Answer(_CREATED, document=_success(None))

    async def issue_token(self, endpoint: Endpoint, request: Request) -> Answer:
        from api.authentication_v1 import TokenRequest
        from apiserver.authentication import token_requests
        from apiserver.handlers.reviews import managers_of_review

        options = write_options(request, "CreateOptions")
        info = request.info
        asked = await self._decoded(TokenRequest, endpoint, request, options)
        if asked.metadata.name not in ("", info.name):
            detail = "must match the service account name if specified"
            problem = invalid_value("metadata.name", asked.metadata.name, detail)
            raise invalid("authentication.k8s.io", "TokenRequest", info.name, [problem])
        metadata, spec, version = asked.metadata, asked.spec, "authentication.k8s.io/v1"
        asked.kind = asked.apiVersion = ""
        if spec.expirationSeconds is None:
            spec.expirationSeconds = 3600
        metadata.managedFields = managers_of_review(self.api, asked, version, options.manager, "token")
        metadata.name = info.name
        metadata.creationTimestamp = self.api.clock.now().replace(microsecond=0)
        await self._begin(endpoint, request, options).admit_action(asked, info.name)
        account = endpoint.decode(endpoint.find(info.namespace, info.name))
        uid = account.metadata.uid
        if metadata.uid not in ("", uid):
            why = f"the UID in the token request ({metadata.uid}) does not match the UID of the service account ({uid})"
            raise conflict("authentication.k8s.io", "TokenRequest", info.name, why)
        metadata.uid = uid
        tokens = self.api.tokens
        request.warnings += token_requests.complete(asked, tokens.settings)
        credential = await token_requests.issue(tokens, asked, account, self.api.peek, self.api.clock.now())
        request.annotations["authentication.kubernetes.io/issued-credential-id"] = credential
        asked.kind, asked.apiVersion = "TokenRequest", version
        return Answer(_CREATED, document=asked.to_dict())

    async def evict(self, endpoint: Endpoint, request: Request) -> Answer:
        from api.policy_v1 import Eviction
        from apiserver.handlers.eviction import evict

        options = write_options(request, "CreateOptions")
        eviction = await self._decoded(Eviction, endpoint, request, options)
        await evict(self._begin(endpoint, request, options), request.info.name, eviction)
        return Answer(_CREATED, document=_success(None))


def _media(request: Request, endpoint: Endpoint | None = None, model: type[Model] | None = None) -> MediaType:
    """The form of an answer about the objects of an endpoint, whose type is loaded only if it matters, or of a type
    of which there are no tables.

    Raises NotAcceptable.
    """
    accept = request.header("accept")
    custom = endpoint is not None and endpoint.custom
    if endpoint is not None and model is None and "protobuf" in accept and not custom:
        model = endpoint.model
    wants_protobuf = model is not None and "protobuf" in accept and _has_protobuf(model)
    try:
        streams = request.info.verb in ("list", "watch")
        return negotiate(accept, tables=endpoint is not None, streams=streams, protobuf=wants_protobuf)
    except NotAcceptable:
        if custom:  # which is refused in other words
            raise NotAcceptable(NOT_SERVED) from None
        raise


@cache
def _has_protobuf(model: type[Model]) -> bool:
    from apiserver import protobuf  # most clients speak JSON

    return protobuf.encodable(model)


def _each_time(read: Callable[[], Any]) -> Transform:
    """The object a client sent, read anew at every try of the write."""
    first = [read()]  # what is wrong with it is said before anything else

    def transform(old: Any, stored: Any) -> Any:
        return first.pop() if first else read()

    return transform


_ACTIONS: dict[tuple[type[Any], str], Callable[[Dispatcher, Endpoint, Request], Awaitable[Answer]]] = {
    (Pod, "binding"): Dispatcher.bind,
    (Pod, "eviction"): Dispatcher.evict,
    (ServiceAccount, "token"): Dispatcher.issue_token,
}


def _list_parts(head: bytes, endpoint: Endpoint, entries: Sequence[Entry]) -> list[bytes]:
    """A list in JSON, in pieces; `head` is all of it but the items."""
    opening = head[:-1] + b',"items":['
    if not entries:
        return [opening + b"]}\n"]
    step = max(1, len(entries) * _PIECE // sum([len(entry.members) for entry in entries]))
    parts = [b"," + endpoint.items(entries[start : start + step]) for start in range(0, len(entries), step)]
    parts[0] = opening + parts[0][1:]
    parts[-1] += b"]}\n"
    return parts


def _success(details: dict[str, Any] | None) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is None:
        return {**document, "code": _CREATED}
    return {**document, "details": details}


def _not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed(NOT_ALLOWED, StatusDetails())
