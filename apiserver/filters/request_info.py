"""Works out what a request asks for: verb, group, version, namespace, resource, subresource, name."""

from __future__ import annotations

from api.errors import BadRequest
from apiserver.registry.names import path_segment
from apiserver.request import ASGI, Receive, Request, RequestInfo, Scope, Send

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SPECIAL_VERBS = ("proxy", "watch")
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


def parse(method: str, path: str, query: dict[str, str]) -> RequestInfo:
    """Read a method and path.  Anything but /api/VERSION/… and /apis/GROUP/VERSION/… is no resource request."""
    info = RequestInfo(path, method.lower())
    parts = path.strip("/").split("/")
    if len(parts) < 3 or parts[0] not in ("api", "apis") or path.startswith("//"):
        return info
    info.prefix = parts[0]
    if parts[0] == "apis":
        if len(parts) < 4:
            return info
        info.group, parts = parts[1], parts[2:]
    else:
        parts = parts[1:]
    info.version, parts = parts[0], parts[1:]
    info.is_resource = True
    info.verb = _VERBS.get(method, "")
    if parts[0] in _SPECIAL_VERBS:
        if len(parts) < 2:
            info.is_resource = False
            return info
        info.verb, parts = parts[0], parts[1:]
    if parts[0] == "namespaces" and len(parts) > 1:
        info.namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    info.parts = tuple(parts)
    info.resource = parts[0]
    if len(parts) > 1:
        info.name = parts[1]
    if len(parts) > 2:
        info.subresource = parts[2]
    if not info.name:
        # Only collections are watched by a parameter; one object is through a field selector or a /watch/ path.
        if info.verb == "get":
            watch = query.get("watch", "false").lower()
            info.verb = "list" if watch in ("false", "0") else "watch"
        elif info.verb == "delete":
            info.verb = "deletecollection"
        if query and info.verb in ("list", "watch", "deletecollection"):
            info.label_selector = query.get("labelSelector", "")
            if "fieldSelector" in query:
                info.field_selector = query["fieldSelector"]
                info.selected = _selected_name(info.field_selector)
    return info


def _selected_name(selector: str) -> str:
    for term in selector.split(","):
        field, equals, name = term.replace("==", "=").partition("=")
        if equals and field.strip() == "metadata.name" and not path_segment(name):
            return name
    return ""


def _check_timeout(request: Request) -> None:
    """How long a client would wait at most is heeded by none but who answers slowly, yet must make sense.

    Raises BadRequest.
    """
    text = request.query.get("timeout")
    if not text or request.info.verb == "watch" or request.info.connects:
        return
    from api.duration import duration_problem

    if problem := duration_problem(text):
        raise BadRequest(f"invalid timeout specified in the request URL - {problem}")


class RequestInfoFilter:
    """Attaches the request, read once, to the scope."""

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request.info = parse(request.method, request.path, request.query)
        scope["nanokube.request"] = request
        if request.query:
            _check_timeout(request)
        await self._app(scope, receive, send)
