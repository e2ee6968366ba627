"""A small extension API server: serves `notes` of one group version, from memory, over TLS, to front proxies only.

It learns whom to believe as Kubernetes' own library does: from the ConfigMap extension-apiserver-authentication.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from apiserver.pki import Authority

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_VERBS = ["create", "delete", "get", "list", "watch"]


class ExtensionServer(ThreadingHTTPServer):
    """`aggregated`: whether it has the newer form of discovery; `openapi`: the versions of OpenAPI it has.

    `asked` is every request: method, path, user, headers.
    """

    daemon_threads = True

    def __init__(self, folder: Path, trust: dict[str, str], group: str, version: str, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority = Authority(folder, common_name="extension")
        pair = self.authority.issue("serving", name, [], [name], client=False)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(pair.certificate, pair.key)
        self.tls.load_verify_locations(cadata=trust["requestheader-client-ca-file"])
        self.tls.verify_mode = ssl.CERT_OPTIONAL
        self.allowed = json.loads(trust["requestheader-allowed-names"])
        self.user_header = json.loads(trust["requestheader-username-headers"])[0]
        self.group, self.version = group, version
        self.aggregated, self.openapi = True, {"v2", "v3"}
        self.asked: list[tuple[str, str, str, dict[str, str]]] = []
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.watchers: list[queue.Queue[dict[str, Any]]] = []
        self.special: dict[str, Any] = {}
        """What to do instead at some paths: functions of the handler."""
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._revision = 1

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}"

    def get_request(self) -> tuple[Any, Any]:
        sock, address = super().get_request()
        return self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are part of the tests."""

    def change(self, type: str, namespace: str, obj: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._revision += 1
            obj["metadata"]["resourceVersion"] = str(self._revision)
            key = namespace, obj["metadata"]["name"]
            if type == "DELETED":
                del self.objects[key]
            else:
                self.objects[key] = obj
            for watcher in self.watchers:
                watcher.put({"type": type, "object": obj})
            return obj

    def resources(self) -> list[dict[str, Any]]:
        common = {"namespaced": True, "kind": "Note", "verbs": _VERBS, "shortNames": ["nt"], "categories": ["all"]}
        return [{"name": "notes", "singularName": "note", **common}]

    def discovery(self) -> dict[str, Any]:
        kind = {"group": self.group, "version": self.version, "kind": "Note"}
        resource = {
            "resource": "notes", "responseKind": kind, "scope": "Namespaced", "singularResource": "note",
            "verbs": _VERBS, "shortNames": ["nt"],
        }  # fmt: skip
        versions = [{"version": self.version, "resources": [resource], "freshness": "Current"}]
        items = [{"metadata": {"name": self.group}, "versions": versions}]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}

    def schema(self) -> dict[str, Any]:
        return {
            "description": "Note is something to remember.",
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "text": {"type": "string", "description": "what to remember"},
            },
            "x-kubernetes-group-version-kind": [{"group": self.group, "version": self.version, "kind": "Note"}],
        }

    def openapi_v3(self) -> dict[str, Any]:
        path = f"{self.root}/namespaces/{{namespace}}/notes"
        kind = {"group": self.group, "version": self.version, "kind": "Note"}
        answer = {"$ref": "#/components/schemas/example.Note"}
        response = {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}}
        operation = {"responses": response, "x-kubernetes-group-version-kind": kind}
        return {
            "openapi": "3.0.0",
            "info": {"title": "notes", "version": "1"},
            "paths": {path: {"get": operation}},
            "components": {"schemas": {"example.Note": self.schema()}},
        }

    def openapi_v2(self) -> dict[str, Any]:
        path = f"{self.root}/namespaces/{{namespace}}/notes"
        kind = {"group": self.group, "version": self.version, "kind": "Note"}
        response = {"200": {"description": "OK", "schema": {"$ref": "#/definitions/example.Note"}}}
        parameter = {"name": "namespace", "in": "path", "required": True, "type": "string"}
        operation = {"responses": response, "x-kubernetes-group-version-kind": kind, "parameters": [parameter]}
        return {
            "swagger": "2.0",
            "info": {"title": "notes", "version": "1"},
            "paths": {path: {"get": operation}, "/other": {"get": operation}},
            "definitions": {"example.Note": self.schema(), "example.Unused": {"type": "object"}},
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ExtensionServer

    def setup(self) -> None:
        self.request.settimeout(30)
        self.request.do_handshake()
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are silent."""

    def user(self) -> str:
        """Whom the front proxy asks for; "" for anybody who is none."""
        certificate = self.connection.getpeercert() or {}
        names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
        if not names or (self.server.allowed and names[0] not in self.server.allowed):
            return ""
        return self.headers.get(self.server.user_header, "")

    def serve(self) -> None:
        server, url = self.server, urlsplit(self.path)
        user = self.user()
        headers = {name.lower(): ",".join(self.headers.get_all(name, ())) for name in self.headers}
        server.asked.append((self.command, self.path, user, headers))
        if url.path in server.special:
            server.special[url.path](self)
        elif not user:
            self.reply(401, {"kind": "Status", "status": "Failure", "code": 401, "message": "who are you?"})
        elif url.path == "/apis" and server.aggregated:
            self.reply(200, server.discovery(), AGGREGATED)
        elif url.path == "/apis":
            self.reply(406, {"kind": "Status", "status": "Failure", "code": 406})
        elif url.path == server.root:
            listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{server.group}/{server.version}"}
            self.reply(200, {**listed, "resources": server.resources()})
        elif url.path == "/openapi/v3" and "v3" in server.openapi:
            path = server.root.removeprefix("/")
            self.reply(200, {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=1"}}})
        elif url.path == f"/openapi/v3{server.root}" and "v3" in server.openapi:
            self.reply(200, server.openapi_v3())
        elif url.path == "/openapi/v2" and "v2" in server.openapi:
            self.reply(200, server.openapi_v2())
        elif url.path.startswith(server.root + "/"):
            self.objects(url.path.removeprefix(server.root).strip("/").split("/"), parse_qs(url.query))
        else:
            self.reply(404, {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = serve

    def objects(self, parts: list[str], query: dict[str, list[str]]) -> None:
        server = self.server
        namespace = parts[1] if parts[0] == "namespaces" else ""
        name = parts[3] if len(parts) > 3 else ""
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length) if length else b""
        found = server.objects.get((namespace, name))
        if name and found is None:
            details = {"name": name, "group": server.group, "kind": "notes"}
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            message = f'notes.{server.group} "{name}" not found'
            self.reply(404, {**status, "message": message, "details": details})
        elif self.command == "POST":
            obj = json.loads(body)
            obj["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4())}
            obj["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
            self.reply(201, server.change("ADDED", namespace, obj))
        elif self.command == "DELETE" and found is not None:
            server.change("DELETED", namespace, found)
            self.reply(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        elif found is not None:
            self.reply(200, found)
        elif query.get("watch", ["0"])[0] in ("1", "true"):
            self.watch()
        else:
            items = [obj for (where, _), obj in sorted(server.objects.items()) if namespace in ("", where)]
            kind = {"kind": "NoteList", "apiVersion": f"{server.group}/{server.version}"}
            self.reply(200, {**kind, "metadata": {"resourceVersion": "1"}, "items": items})

    def watch(self) -> None:
        events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.server.watchers.append(events)
        try:
            self.begin_stream("application/json")
            while not self.server.stopping.is_set():
                try:
                    event = events.get(timeout=0.1)
                except queue.Empty:
                    continue
                self.chunk(json.dumps(event).encode() + b"\n")
        finally:
            self.server.watchers.remove(events)

    def begin_stream(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def reply(self, status: int, document: Any, kind: str = "application/json", **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def extension_server(
    folder: Path, admin: httpx.Client, group: str, namespace: str, version: str = "v1"
) -> Iterator[ExtensionServer]:
    """A running one, for a Service called `notes`."""
    trust = admin.get(CONFIG_MAP).json()["data"]
    server = ExtensionServer(folder, trust, group, version, f"notes.{namespace}.svc")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
