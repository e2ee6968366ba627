"""A small OpenID Connect issuer behind HTTPS: metadata, keys, and tokens signed with them."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver.authentication.token_keys import PublicKey
from apiserver.pki import Authority

CLIENT = "kubernetes"


@dataclass
class OIDCIssuer:
    """`answers` are by path, and may be replaced at any time; `hang` keeps every answer back until it is over."""

    url: str
    ca_file: Path
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hang: bool = False
    over: Event = field(default_factory=Event)

    @property
    def key_id(self) -> str:
        return PublicKey.of(self.key.public_key()).id

    def publish(self) -> None:
        """Answer with the present key."""
        self.answers = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [PublicKey.of(self.key.public_key()).to_jwk()]},
        }

    def rotate(self) -> None:
        """Sign with another key, and of another kind, from now on."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.publish()

    def token(self, *, key: Any = None, key_id: str | None = None, algorithm: str | None = None, **claims: Any) -> str:
        """A token of user "jane"; claims that are None are left out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": CLIENT, "sub": "jane", "iat": now, "exp": now + 600}
        kept = {name: value for name, value in (usual | claims).items() if value is not None}
        signer = key or self.key
        algorithm = algorithm or PublicKey.of(signer.public_key()).algorithm
        return jwt.encode(kept, signer, algorithm, {"kid": self.key_id if key_id is None else key_id})


@contextlib.contextmanager
def issuing(folder: Path) -> Iterator[OIDCIssuer]:
    """An issuer whose certificate is signed by a CA in `folder`."""
    authority = Authority(folder)
    pair = authority.issue("issuer", "issuer", hosts=("127.0.0.1",), client=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            if issuer.hang:
                issuer.over.wait(60)
                return
            answer = issuer.answers.get(self.path)
            if callable(answer):
                answer(self)
                return
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `asked`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request: Any, client_address: Any) -> None:
            request.settimeout(60)  # the end waits for every connection
            with contextlib.suppress(OSError), context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    issuer = OIDCIssuer(f"https://127.0.0.1:{server.server_address[1]}", authority.pair.certificate)
    issuer.publish()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        issuer.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
