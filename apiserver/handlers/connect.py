"""Connections through the server to a pod's kubelet: logs, exec, attach, port-forward.

The server only relays: what travels inside is between the client and the kubelet
(https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/#apiserver-to-kubelet).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from api.core_v1 import Node, Pod
from api.errors import BadRequest, Forbidden, StatusError, from_answer, not_found
from apiserver.dial_errors import dial_error
from apiserver.endpoint import API
from apiserver.filters.authentication import TOKEN_SUBPROTOCOL
from apiserver.handlers.log_options import log_parameters
from apiserver.handlers.log_socket import log_protocol, log_socket
from apiserver.pki import PKIError
from apiserver.request import Receive, Request, Send

if TYPE_CHECKING:
    import httpx

_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}

# What kubectl port-forward asks for is no token of HTTP's, so WebSocket libraries refuse it: our kubelet takes another
# name for the same.
_TUNNEL, _TUNNEL_ALIAS = "SPDY/3.1+portforward.k8s.io", "spdy-3.1.portforward.k8s.io"


@dataclass(frozen=True)
class KubeletClient:
    """How the server reaches kubelets: TLS with its own client certificate, trusting one CA, at the first of these
    types of addresses that a node has."""

    context: ssl.SSLContext
    address_types: Sequence[str]

    @classmethod
    def create(cls, ca_file: str, certificate: Path, key: Path, address_types: Sequence[str]) -> KubeletClient:
        """Without a CA any kubelet is believed.  Raises PKIError."""
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file or None)
            # A node's address need not be in its certificate; that it is one of the cluster's own is what counts.
            context.check_hostname = False
            context.load_cert_chain(certificate, key)
        except OSError as error:
            named = ", ".join(str(file) for file in (ca_file, certificate, key) if file)
            raise PKIError(f"kubelets cannot be reached with {named}: {error}") from None
        if not ca_file:
            context.verify_mode = ssl.CERT_NONE
        return cls(context, address_types)

    def address(self, api: API, node_name: str) -> tuple[str, int]:
        """Host and port of a node's kubelet.  Raises NotFound, as for a pod, or a StatusError when there is none."""
        node = api.get_object(Node, "", node_name)
        if node is None:
            raise not_found("", "pods", node_name)
        addresses = {address.type: address.address for address in node.status.addresses}
        host = next((addresses[kind] for kind in self.address_types if kind in addresses), "")
        endpoint = node.status.daemonEndpoints.kubeletEndpoint
        if not host:
            known = " ".join(f"{{{kind} {address}}}" for kind, address in addresses.items())
            raise StatusError(f"no preferred addresses found; known addresses: [{known}]")
        return host, endpoint.Port if endpoint else 10250


def pod_kubelet(api: API, kubelet: KubeletClient, pod: Pod) -> tuple[str, int]:
    """Host and port of the kubelet a pod runs under.  Raises BadRequest, NotFound, StatusError when there is none."""
    if not pod.spec.nodeName:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    return kubelet.address(api, pod.spec.nodeName)


def chosen_container(pod: Pod, asked: str) -> str:
    """The container a request means: the one named, or the only one.  Raises BadRequest."""
    spec = pod.spec
    names = [each.name for part in (spec.initContainers, spec.containers, spec.ephemeralContainers) for each in part]
    if asked:
        if asked in names:
            return asked
        raise BadRequest(f"container {asked} is not valid for pod {pod.metadata.name}")
    if len(spec.containers) == 1:
        return spec.containers[0].name
    choices = f"choose one of: [{' '.join(names)}]"
    raise BadRequest(f"a container name must be specified for pod {pod.metadata.name}, {choices}")


async def stream_logs(
    api: API, kubelet: KubeletClient, pod: Pod, request: Request, receive: Receive, send: Send
) -> None:
    """GET …/log: relay the kubelet's answer as it comes, until it ends or the client leaves."""
    import httpx

    parameters = log_parameters(request.query, pod.metadata.name)
    protocol = None
    if request.scope["type"] == "websocket":
        offered = request.scope.get("subprotocols") or ()
        protocol = log_protocol(name for name in offered if not name.startswith(TOKEN_SUBPROTOCOL))
        if protocol is None:
            raise Forbidden("requested protocol(s) are not supported")
    container = chosen_container(pod, request.query.get("container", ""))
    if not pod.spec.nodeName:  # nobody has anything to say yet
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    host, port = pod_kubelet(api, kubelet, pod)
    url = (
        f"https://{host}:{port}/containerLogs/{pod.metadata.namespace}/{pod.metadata.name}/{container}"
        f"?{urlencode(parameters)}"
    )
    timeout = httpx.Timeout(30.0, read=None)
    async with httpx.AsyncClient(verify=kubelet.context, timeout=timeout, trust_env=False) as client:
        try:
            upstream = await client.send(client.build_request("GET", url), stream=True)
        except httpx.HTTPError as error:
            raise StatusError(f'Get "{url}": {dial_error(error, f"{host}:{port}")}') from None
        try:
            if upstream.status_code >= 400:
                raise from_answer(upstream.status_code, await upstream.aread())
            if protocol is not None:
                send = await log_socket(protocol, receive, send)
            else:
                start: dict[str, Any] = {"type": "http.response.start", "status": 200}
                await send({**start, "headers": [(b"content-type", b"text/plain")]})
            await relay_body(upstream, receive, send)
        finally:
            await upstream.aclose()


async def relay_body(upstream: httpx.Response, receive: Receive, send: Send) -> None:
    """Pass an answer's body on as it comes, until it ends or the client leaves."""

    async def relay() -> None:
        async for chunk in upstream.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    tasks = gone, relaying = asyncio.create_task(_disconnected(receive)), asyncio.create_task(relay())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if relaying.done():
            relaying.result()
    finally:
        for task in (gone, relaying):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def upgrade_target(api: API, kubelet: KubeletClient, pod: Pod, request: Request) -> str:
    """The kubelet's URL for an exec, attach or port-forward.  Raises what the client got wrong, before any upgrade."""
    verb = request.info.subresource
    path = f"/{'portForward' if verb == 'portforward' else verb}/{pod.metadata.namespace}/{pod.metadata.name}"
    if verb == "portforward":
        ports = ",".join(request.query_list.get("ports", []))
        parameters = [("port", ports)] if ports else []
        host, port = pod_kubelet(api, kubelet, pod)
    else:
        path += f"/{chosen_container(pod, request.query.get('container', ''))}"
        host, port = pod_kubelet(api, kubelet, pod)
        parameters = _exec_parameters(request)
    return f"wss://{host}:{port}{path}?{urlencode(parameters)}"


def _exec_parameters(request: Request) -> list[tuple[str, str]]:
    """The parameters of exec and attach under the names the kubelet knows them by."""
    commands = [("command", value) for value in request.query_list.get("command", [])]
    if request.info.subresource == "exec" and not commands:
        raise BadRequest("you must specify at least 1 command for the container")
    return commands + [(theirs, "1") for ours, theirs in _STREAMS.items() if request.flag(ours)]


def not_dialed(why: str) -> StatusError:
    """Nobody answers where a connection was to lead; `why` as `dial_error` says it.  Kubernetes gives no reason."""
    return StatusError(f"error dialing backend: {why}")


async def relay_websocket(
    url: str,
    tls: ssl.SSLContext | None,
    request: Request,
    receive: Receive,
    send: Send,
    *,
    headers: Sequence[tuple[str, str]] = (),
    server_name: str | None = None,
) -> None:
    """exec, attach, portforward, proxy over WebSocket: messages are passed on unchanged in both directions.

    `server_name` is what the certificate of the other end must be for, its host when not given.
    """
    import websockets.asyncio.client as websockets
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    asked = [name for name in request.scope.get("subprotocols") or () if not name.startswith(TOKEN_SUBPROTOCOL)]
    offered: list[Any] = [_TUNNEL_ALIAS if name == _TUNNEL else name for name in asked]
    named: dict[str, Any] = {"server_hostname": server_name} if server_name else {}
    try:
        upstream = await websockets.connect(
            url, ssl=tls, subprotocols=offered or None, max_size=None, compression=None,
            ping_interval=None, open_timeout=30, proxy=None, additional_headers=headers, **named,
        )  # fmt: skip
    except InvalidStatus as error:
        raise from_answer(error.response.status_code, bytes(error.response.body or b"")) from None
    except (OSError, TimeoutError) as error:
        raise not_dialed(dial_error(error, urlsplit(url).netloc)) from None
    async with upstream:
        await receive()  # websocket.connect
        chosen = _TUNNEL if upstream.subprotocol == _TUNNEL_ALIAS else upstream.subprotocol
        await send({"type": "websocket.accept", "subprotocol": chosen})

        async def to_kubelet() -> None:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes")
                await upstream.send(data if data is not None else message["text"])

        async def to_client() -> None:
            async for data in upstream:
                kind = "text" if isinstance(data, str) else "bytes"
                await send({"type": "websocket.send", kind: data})

        tasks = [asyncio.create_task(to_kubelet()), asyncio.create_task(to_client())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not isinstance(task.exception(), ConnectionClosed | None):
                    task.result()
            if tasks[1] in done:
                await send({"type": "websocket.close", "code": upstream.close_code or 1000})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
