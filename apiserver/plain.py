"""Everything that is not a resource: discovery, schemas, health, version, metrics; on FastAPI.

Importing FastAPI takes longer than anything else at the server's start, so the server begins to serve resources
while this is still being loaded.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response
from fastapi import Request as FastRequest

from api.errors import NotFound, StatusError
from api.meta_v1 import StatusDetails
from apiserver.answer import readable, refusal
from apiserver.discovery import Discovery, etag
from apiserver.filters.metrics import Metrics
from apiserver.health import Health
from apiserver.negotiation import JSON, negotiate
from apiserver.openapi import Documents, gnostic
from apiserver.version import version


def plain_endpoints(discovery: Discovery, documents: Documents, health: Health, metrics: Metrics) -> FastAPI:
    """Everything that is not a resource: discovery, schemas, health, version, metrics."""
    app = FastAPI(title="nanokube", openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(StatusError)
    async def refused(request: FastRequest, error: StatusError) -> Response:
        media = readable(request.headers.get("accept", ""))
        return Response(media.encode(refusal(error).document), error.http_code, media_type=media.type)

    def answer(request: FastRequest, document: Any) -> Response:
        if document is None:
            raise _no_such_page()
        media = negotiate(request.headers.get("accept", ""))
        return Response(media.encode(document), media_type=media.type)

    def cached(request: FastRequest, body: bytes, tag: str, media_type: str = JSON) -> Response:
        headers = {"ETag": tag, "Vary": "Accept"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    def discovered(request: FastRequest, core: bool, plain: dict[str, Any]) -> Response:
        media = negotiate(request.headers.get("accept", ""))
        if not media.discovery:
            return answer(request, plain)
        document = discovery.aggregated(core, media.discovery)
        kind = f"{JSON};g=apidiscovery.k8s.io;v={media.discovery};as=APIGroupDiscoveryList"
        return cached(request, media.encode(document), etag(document), kind)

    @app.get("/")
    async def paths(request: FastRequest) -> Response:
        """The paths of this server."""
        found = {path for route in app.routes if "{" not in (path := getattr(route, "path", "{"))}
        found |= {f"/apis/{group}" for group in discovery.groups()}
        return answer(request, {"paths": sorted(found)})

    @app.get("/api")
    @app.get("/api/")
    async def core_versions(request: FastRequest) -> Response:
        return discovered(request, True, discovery.core_versions())

    @app.get("/apis")
    @app.get("/apis/")
    async def groups(request: FastRequest) -> Response:
        return discovered(request, False, discovery.group_list())

    @app.get("/api/{version}")
    @app.get("/api/{version}/")
    async def core_resources(request: FastRequest, version: str) -> Response:
        return answer(request, discovery.resource_list("", version))

    @app.get("/apis/{group}")
    @app.get("/apis/{group}/")
    async def one_group(request: FastRequest, group: str) -> Response:
        return answer(request, discovery.group(group))

    @app.get("/apis/{group}/{version}")
    @app.get("/apis/{group}/{version}/")
    async def resources(request: FastRequest, group: str, version: str) -> Response:
        return answer(request, discovery.resource_list(group, version))

    @app.get("/version")
    @app.get("/version/")
    async def server_version(request: FastRequest) -> Response:
        return answer(request, version())

    @app.get("/healthz")
    @app.get("/livez")
    @app.get("/readyz")
    @app.get("/healthz/{check:path}")
    @app.get("/livez/{check:path}")
    @app.get("/readyz/{check:path}")
    async def healthy(request: FastRequest) -> Response:
        excluded = request.query_params.getlist("exclude")
        status, text = health.examine(request.url.path, excluded, "verbose" in request.query_params)
        return Response(text, status, media_type="text/plain")

    @app.get("/metrics")
    async def measured() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4")

    @app.get("/openapi/v2")
    async def openapi_v2(request: FastRequest) -> Response:
        wanted = request.headers.get("accept", "").partition(",")[0].strip()
        if wanted in gnostic.ACCEPTED:
            return cached(request, *documents.v2_protobuf(), gnostic.MEDIA_TYPE)
        body, tag = documents.v2()
        return cached(request, body, tag)

    @app.get("/openapi/v3")
    async def openapi_v3_index(request: FastRequest) -> Response:
        body, tag = documents.v3_index()
        return cached(request, body, tag)

    @app.get("/openapi/v3/{path:path}")
    async def openapi_v3(request: FastRequest, path: str) -> Response:
        found = documents.v3(path)
        if found is None:
            raise _no_such_page()
        body, tag = found
        response = cached(request, body, tag)
        if request.query_params.get("hash"):
            # The URL names the content: it may be kept for as long as one likes.
            response.headers["Cache-Control"] = "public, immutable"
        return response

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def nothing(path: str) -> Response:
        raise _no_such_page()

    return app


def _no_such_page() -> NotFound:
    return NotFound("the server could not find the requested resource", StatusDetails())
