"""Everything that is not a resource: discovery, schemas, health, version, metrics; on FastAPI.

Importing FastAPI takes longer than anything else at the server's start, so the server begins to serve resources
while this is still being loaded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import FastAPI, Response
from fastapi import Request as FastRequest

from api.errors import MethodNotAllowed, NotAcceptable, NotFound, StatusError
from api.meta_v1 import StatusDetails
from apiserver.answer import PAGE_NOT_FOUND, TEXT, PageNotFound, readable, refusal
from apiserver.authentication import issuer_discovery
from apiserver.authentication.issuer_discovery import Issuer
from apiserver.discovery import Discovery, etag
from apiserver.endpoint import API
from apiserver.filters.metrics import Metrics
from apiserver.health import ENDPOINTS, Health
from apiserver.negotiation import JSON, NOT_SERVED, MediaType, accepts, negotiate
from apiserver.openapi import Documents, gnostic
from apiserver.version import version

_INDENTED = MediaType(pretty=True)
_OPENAPI_PROTOBUF = "com.github.proto-openapi.spec."
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def plain_endpoints(
    api: API,
    discovery: Discovery,
    documents: Documents,
    health: Health,
    metrics: Metrics,
    issuer: Issuer,
    dump_flows: Callable[[str, bool], str | None],
) -> FastAPI:
    """Everything that is not a resource: discovery, schemas, health, version, metrics, keys of tokens, the tables of
    flow control."""
    app = FastAPI(title="nanokube", openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(StatusError)
    async def refused(request: FastRequest, error: StatusError) -> Response:
        if isinstance(error, PageNotFound):
            return Response(PAGE_NOT_FOUND, 404, media_type=TEXT)
        media = readable(request.headers.get("accept", ""))
        return Response(media.encode(refusal(error).document), error.http_code, media_type=media.type)

    def answer(request: FastRequest, document: Any, media: MediaType | None = None) -> Response:
        media = media or negotiate(request.headers.get("accept", ""), transforms=False)
        return Response(media.encode(document), media_type=media.type)

    def routed(request: FastRequest) -> None:
        """What a path that only GET has says to the others.  Raises MethodNotAllowed."""
        if request.method != "GET":
            raise MethodNotAllowed("the server does not allow this method on the requested resource", StatusDetails())

    def unrouted(request: FastRequest, aggregates: bool) -> MediaType:
        """What the paths of groups answer with: they take every method, and have words of their own for a 406."""
        try:
            return negotiate(request.headers.get("accept", ""), transforms=False, discovery=aggregates)
        except NotAcceptable:
            raise NotAcceptable(NOT_SERVED) from None

    def cached(request: FastRequest, body: bytes, tag: str, media_type: str = JSON) -> Response:
        headers = {"ETag": tag, "Vary": "Accept"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    def discovered(request: FastRequest, media: MediaType, core: bool, plain: dict[str, Any]) -> Response:
        if not media.discovery:
            return answer(request, plain, media)
        document = discovery.aggregated(core, media.discovery)
        if api.aggregator is not None and not core:
            document = api.aggregator.aggregated(document)
        kind = f"{JSON};g=apidiscovery.k8s.io;v={media.discovery};as=APIGroupDiscoveryList"
        return cached(request, media.encode(document), etag(document), kind)

    @app.api_route("/", methods=_METHODS)
    async def paths(request: FastRequest) -> Response:
        """The paths of this server."""
        found = {path for route in app.routes if "{" not in (path := getattr(route, "path", "{"))}
        found = {path for path in found if path == "/" or not path.endswith("/")}
        for group in discovery.groups():
            found.add(f"/apis/{group}")
            found |= {f"/apis/{each['groupVersion']}" for each in (discovery.group(group) or {}).get("versions", ())}
        if api.aggregator is not None:
            found |= set(api.aggregator.paths())
        found |= {f"/{endpoint}/{check}" for endpoint in ENDPOINTS for check in health.names(endpoint)}
        document = {"paths": sorted({*found, "/api/v1"} - {"/"})}
        return Response(_INDENTED.encode(document), media_type=JSON)

    @app.api_route("/api", methods=_METHODS)
    @app.api_route("/api/", methods=_METHODS)
    async def core_versions(request: FastRequest) -> Response:
        routed(request)
        media = negotiate(request.headers.get("accept", ""), transforms=False, discovery=True)
        return discovered(request, media, True, discovery.core_versions())

    @app.api_route("/apis", methods=_METHODS)
    @app.api_route("/apis/", methods=_METHODS)
    async def groups(request: FastRequest) -> Response:
        document = discovery.group_list()
        if api.aggregator is not None:
            document = api.aggregator.group_list(document)
        return discovered(request, unrouted(request, True), False, document)

    @app.api_route("/api/{version}", methods=_METHODS)
    @app.api_route("/api/{version}/", methods=_METHODS)
    async def core_resources(request: FastRequest, version: str) -> Response:
        document = discovery.resource_list("", version)
        if document is None:
            raise _no_such_resource()
        routed(request)
        return answer(request, document)

    @app.api_route("/apis/{group}", methods=_METHODS)
    @app.api_route("/apis/{group}/", methods=_METHODS)
    async def one_group(request: FastRequest, group: str) -> Response:
        document = discovery.group(group)
        if api.aggregator is not None:
            document = api.aggregator.group(group, document)
        if document is None:
            raise PageNotFound()
        return answer(request, document, unrouted(request, False))

    @app.api_route("/apis/{group}/{version}", methods=_METHODS)
    @app.api_route("/apis/{group}/{version}/", methods=_METHODS)
    async def resources(request: FastRequest, group: str, version: str) -> Response:
        document, custom = discovery.resource_list(group, version), discovery.is_custom(group)
        if document is None:
            raise PageNotFound() if custom or discovery.group(group) is None else _no_such_resource()
        if custom:
            return answer(request, document, unrouted(request, False))
        routed(request)
        return answer(request, document)

    @app.api_route("/version", methods=_METHODS)
    @app.api_route("/version/", methods=_METHODS)
    async def server_version(request: FastRequest) -> Response:
        routed(request)
        return Response(_INDENTED.encode(version()), media_type=JSON)

    @app.api_route("/healthz", methods=_METHODS)
    @app.api_route("/livez", methods=_METHODS)
    @app.api_route("/readyz", methods=_METHODS)
    @app.api_route("/healthz/{check:path}", methods=_METHODS)
    @app.api_route("/livez/{check:path}", methods=_METHODS)
    @app.api_route("/readyz/{check:path}", methods=_METHODS)
    async def healthy(request: FastRequest) -> Response:
        excluded = request.query_params.getlist("exclude")
        found = health.examine(request.url.path, excluded, "verbose" in request.query_params)
        if found is None:
            raise PageNotFound()
        status, text = found
        return Response(text, status, media_type=TEXT, headers={"X-Content-Type-Options": "nosniff"})

    @app.api_route("/metrics", methods=_METHODS)
    async def measured() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4")

    @app.api_route("/metrics/slis", methods=_METHODS)
    async def indicators() -> Response:
        return Response(health.indicators.render(), media_type="text/plain; version=0.0.4")

    @app.api_route("/debug/api_priority_and_fairness/{which}", methods=_METHODS)
    async def dumped(request: FastRequest, which: str) -> Response:
        table = dump_flows(which, bool(request.query_params.get("includeRequestDetails")))
        if table is None:
            raise PageNotFound()
        return Response(table, media_type=TEXT)

    def unreadable(request: FastRequest) -> Response | None:
        """The refusal of a schema to who reads neither JSON nor protobuf."""
        for clause in (request.headers.get("accept") or "*/*").split(","):
            kind, _, subtype = clause.partition(";")[0].strip().partition("/")
            if kind in ("application", "*") and (subtype in ("json", "*") or subtype.startswith(_OPENAPI_PROTOBUF)):
                return None
        return Response(status_code=406, headers={"Vary": "Accept"})

    @app.api_route("/openapi/v2", methods=_METHODS)
    async def openapi_v2(request: FastRequest) -> Response:
        if refused_schema := unreadable(request):
            return refused_schema
        wanted = request.headers.get("accept", "").partition(",")[0].strip()
        protobuf = wanted in gnostic.ACCEPTED
        if api.aggregator is not None:
            body, tag = await api.aggregator.openapi_v2(documents.v2(), protobuf)
        else:
            body, tag = documents.v2_protobuf() if protobuf else documents.v2()
        return cached(request, body, tag, gnostic.MEDIA_TYPE if protobuf else JSON)

    @app.api_route("/openapi/v3", methods=_METHODS)
    @app.api_route("/openapi/v3/", methods=_METHODS)
    async def openapi_v3_index(request: FastRequest) -> Response:
        body, tag = documents.v3_index()
        if api.aggregator is not None:
            body, tag = api.aggregator.openapi_index(body)
        return cached(request, body, tag, TEXT)  # Kubernetes leaves it to Go to guess the type

    @app.api_route("/openapi/v3/{path:path}", methods=_METHODS)
    async def openapi_v3(request: FastRequest, path: str) -> Response:
        found = api.aggregator.openapi_v3(path) if api.aggregator is not None else None
        found = found or documents.v3(path)
        if found is None:
            return Response(status_code=404)
        if refused_schema := unreadable(request):
            return refused_schema
        body, tag = found
        asked = request.query_params.get("hash")
        if asked and asked != (now := tag.strip('"')):
            url = f"/openapi/v3/{path}?hash={now}"
            moved = f'<a href="{url}">Moved Permanently</a>.\n\n'
            return Response(moved, 301, media_type="text/html; charset=utf-8", headers={"Location": url})
        response = cached(request, body, tag)
        if asked:
            # The URL names the content: it may be kept for as long as one likes.
            response.headers["Cache-Control"] = "public, immutable"
        return response

    @app.api_route(issuer_discovery.CONFIGURATION_PATH, methods=_METHODS)
    @app.api_route(f"{issuer_discovery.CONFIGURATION_PATH}/", methods=_METHODS)
    async def openid_configuration(request: FastRequest) -> Response:
        return await published(request, JSON, issuer.configuration)

    @app.api_route(issuer_discovery.KEYS_PATH, methods=_METHODS)
    @app.api_route(f"{issuer_discovery.KEYS_PATH}/", methods=_METHODS)
    async def signing_keys(request: FastRequest) -> Response:
        return await published(request, issuer_discovery.KEYS_TYPE, issuer.key_set)

    async def published(request: FastRequest, kind: str, document: Callable[[], Awaitable[Any]]) -> Response:
        """What is said of tokens' issuer.  Raises NotAcceptable to who does not want its media type."""
        if not issuer.is_published:
            raise PageNotFound()
        routed(request)
        if not accepts(request.headers.get("accept", ""), kind):
            raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {kind}", StatusDetails())
        headers = {"Cache-Control": issuer_discovery.CACHE_CONTROL}
        return Response(orjson.dumps(await document()), media_type=kind, headers=headers)

    @app.api_route("/{path:path}", methods=_METHODS)
    async def nothing(path: str) -> Response:
        first, _, rest = path.partition("/")
        group = rest.partition("/")[0]
        known = first == "api" if group else False
        if known or (first == "apis" and not discovery.is_custom(group) and discovery.group(group) is not None):
            raise _no_such_resource()
        raise PageNotFound()

    return app


def _no_such_resource() -> NotFound:
    return NotFound("the server could not find the requested resource", StatusDetails())
