"""The public keys of somebody else's issuer: found by discovery, kept, and fetched again when an unknown one is named.

https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 7517.  The issuer is a stranger to the server: it may
hang, or talk without end.  Requests that come meanwhile share one look.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.clock import Clock
from apiserver.authentication.jose import SIGNING_ALGORITHMS, JoseError

_LIMIT = 1024 * 1024  # bytes of a document
_TIMEOUT = 10.0  # seconds for both documents
_PAUSE = 10.0
"""Seconds between looks: tokens with invented keys do not make the server a burden to the issuer."""
_MOST_KEYS = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class IssuerKey:
    """A key of a key set.  `algorithms` are those that it may be used with, of those that are accepted at all."""

    id: str
    key: Any
    algorithms: Sequence[str]


class IssuerKeys:
    """Keys of the issuer whose metadata is at `discovery_url`, trusted by `ca` (PEM; the system's when empty)."""

    def __init__(
        self, issuer: str, discovery_url: str, ca: str, clock: Clock, algorithms: Sequence[str] = SIGNING_ALGORITHMS
    ) -> None:
        self._issuer, self._discovery_url, self._clock, self._algorithms = issuer, discovery_url, clock, algorithms
        # Raises ssl.SSLError for what is no bundle of certificates.
        self._context = ssl.create_default_context(cadata=ca or None)
        self._context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self._keys: Sequence[IssuerKey] = ()
        self._looked: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._failure = "the keys have not been fetched yet"

    async def named(self, key_id: str) -> Sequence[IssuerKey]:
        """The keys of that name; all for tokens that name none.  Raises JoseError when there are no keys at all."""
        found = self._named(key_id)
        if not found and (self._looked is None or self._clock.monotonic() - self._looked >= _PAUSE):
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)
            found = self._named(key_id)
        if not self._keys:
            raise JoseError(f"fetching keys {self._failure}")
        return found

    def _named(self, key_id: str) -> Sequence[IssuerKey]:
        return [key for key in self._keys if key.id == key_id] if key_id else self._keys

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                metadata = await self._fetch(self._discovery_url)
                if metadata.get("issuer") != self._issuer:
                    raise ValueError(f"the issuer calls itself {metadata.get('issuer')!r} and not {self._issuer!r}")
                uri = metadata.get("jwks_uri")
                if not isinstance(uri, str) or not uri.startswith("https://"):
                    raise ValueError("the issuer says not where its keys are, or not by https")
                keys = (await self._fetch(uri)).get("keys")
            self._keys = (
                [key for each in keys[:_MOST_KEYS] if (key := self._key(each))] if isinstance(keys, list) else []
            )
            self._failure = "brought none that can be used"
        except TimeoutError:
            self._failure = "took too long"
        except (OSError, ValueError) as error:
            self._failure = f"failed: {error}"
        finally:
            self._looked = self._clock.monotonic()
        if not self._keys:
            log.warning("keys of the issuer %s: %s", self._issuer, self._failure)

    async def _fetch(self, url: str) -> dict[str, Any]:
        """A JSON object.  Raises OSError, ValueError."""
        await asyncio.to_thread(importlib.import_module, "apiserver.http_client")  # which takes a while, the first time
        import httpx

        from apiserver.http_client import http_client

        body = bytearray()
        try:
            async with (
                http_client(self._context, timeout=None) as client,
                client.stream(
                    "GET", url, headers={"Accept": "application/json", "Accept-Encoding": "identity"}
                ) as answer,
            ):
                if answer.status_code != 200:
                    raise ValueError(f"{url} answered {answer.status_code}")
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > _LIMIT:
                        raise ValueError(f"{url} answered with more than {_LIMIT} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ValueError(f"{url}: {error}") from None
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise ValueError(f"{url} holds no object")
        return document

    def _key(self, jwk: Any) -> IssuerKey | None:
        """The key, if it is a public one that signs by an algorithm that is accepted."""
        import jwt

        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            return None
        own = jwk.get("alg")
        families = {"RSA": ("RS", "PS"), "EC": ("ES",)}.get(str(jwk.get("kty")), ())
        fitting = [name for name in self._algorithms if name.startswith(tuple(families)) and own in (None, name)]
        if not families or not fitting:
            return None
        try:
            key = jwt.PyJWK({**jwk, "alg": fitting[0]}).key
        except (jwt.InvalidKeyError, jwt.PyJWKError, ValueError, TypeError):
            return None
        identifier = jwk.get("kid")
        public = key.public_key() if hasattr(key, "public_key") else key
        return IssuerKey(identifier if isinstance(identifier, str) else "", public, tuple(fitting))
