"""Admission of connections: webhooks are told what somebody wants to connect to, and how.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response
"""

from __future__ import annotations

from typing import Any

from apiserver.admission import chain
from apiserver.admission.plugin import AdmissionRequest
from apiserver.authorization.authorizer import begun_anew
from apiserver.endpoint import API, Endpoint
from apiserver.request import Request

_STREAMS = ("stdin", "stdout", "stderr", "tty")


async def admit_connection(api: API, endpoint: Endpoint, request: Request) -> None:
    """Raises StatusError when somebody refuses it."""
    info = request.info
    asked = AdmissionRequest(
        "CONNECT", endpoint.resource, info.subresource, info.namespace, info.name, connect_options(request), None,
        request.user.name, request.user.groups, False, api.context(request.user), request.warnings,
        request.annotations,
    )  # fmt: skip
    await begun_anew(lambda: chain.mutate(api, asked), request.warnings)
    await begun_anew(lambda: chain.admit(api, asked), request.warnings)


def connect_options(request: Request) -> dict[str, Any]:
    """What a request says of the connection, as PodExecOptions, PodProxyOptions and their like have it."""
    options: dict[str, Any]
    match request.info.subresource:
        case "exec" | "attach":
            options = {name: request.flag(name) for name in _STREAMS}
            options["container"] = request.query.get("container", "")
            options["command"] = request.query_list.get("command", []) if request.info.subresource == "exec" else []
        case "portforward":
            ports = ",".join(request.query_list.get("ports", [])).split(",")
            options = {"ports": [int(port) for port in ports if port.isdigit()]}
        case _:
            path = "/".join(request.info.parts[3:])
            options = {"path": path and "/" + path}
    return {name: value for name, value in options.items() if value}
