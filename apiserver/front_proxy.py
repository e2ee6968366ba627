"""What makes this server a front proxy, and others believe it: the CA, the client certificate, and the ConfigMap from
which servers of aggregated APIs learn whom to believe.

https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
"""

from __future__ import annotations

import re
import ssl
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson

from api.clock import Clock
from api.core_v1 import ConfigMap
from api.scheme import resource_of
from apiserver.built_in_objects import ensure
from apiserver.filters.request_header import FrontProxies, RequestHeaders
from apiserver.flags import Options
from apiserver.pki import Authority, KeyPair, PKIError
from apiserver.storage.watch_cache import WatchCache, key_prefix
from apiserver.tls import ServerContext

CONFIG_MAP = "extension-apiserver-authentication"
_NAMESPACE = "kube-system"
_CLIENT = "front-proxy-client"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class FrontProxyIdentity:
    """The files of the flags, else those of a CA of our own in the data folder, made on the first start.

    `client` is None where a CA was named but no certificate of it.  Raises PKIError.
    """

    def __init__(self, options: Options, client_ca_file: Path, now: datetime) -> None:
        self.client_ca_file = client_ca_file
        self.client: KeyPair | None = None
        names = options.requestheader_allowed_names
        if options.requestheader_client_ca_file is not None:
            self.ca_file = options.requestheader_client_ca_file
        else:
            authority = Authority(
                options.data_dir / "pki", now, file_name="front-proxy-ca", common_name="front-proxy-ca"
            )
            self.ca_file = authority.pair.certificate
            self.client = authority.issue(_CLIENT, _CLIENT)
            names = names or (_CLIENT,)
        if options.proxy_client_cert_file is not None and options.proxy_client_key_file is not None:
            self.client = KeyPair(options.proxy_client_cert_file, options.proxy_client_key_file)
            _check(self.client)
        self.headers = RequestHeaders(
            options.requestheader_username_headers,
            options.requestheader_uid_headers,
            options.requestheader_group_headers,
            options.requestheader_extra_headers_prefix,
            names,
        )

    def admitted_to(self, context: ServerContext) -> Self:
        """Believe front proxies on new connections.  Raises PKIError when a CA cannot be read."""
        try:
            context.admit(FrontProxies.of(self.ca_file, self.client_ca_file, self.headers), str(self.ca_file))
        except OSError as error:
            why = error.strerror or error
            raise PKIError(f"cannot read {self.ca_file} and {self.client_ca_file}: {why}") from None
        return self

    async def publish(self, cache: WatchCache, clock: Clock) -> None:
        """Create the ConfigMap, or add to it what it lacks: another server may have written its own CAs there."""
        headers = self.headers
        data = {
            "client-ca-file": self.client_ca_file.read_text(),
            "requestheader-allowed-names": _listed(headers.allowed_names),
            "requestheader-client-ca-file": self.ca_file.read_text(),
            "requestheader-extra-headers-prefix": _listed(headers.extra_prefix),
            "requestheader-group-headers": _listed(headers.group),
            "requestheader-uid-headers": _listed(headers.uid),
            "requestheader-username-headers": _listed(headers.user),
        }
        wanted = {"metadata": {"name": CONFIG_MAP, "namespace": _NAMESPACE}, "data": data}
        await ensure(cache, clock.now(), resource_of(ConfigMap), [wanted], _owned, merge)

    async def keep_published(self, cache: WatchCache, clock: Clock) -> None:
        """Until the server ends its watches."""
        prefix = key_prefix(resource_of(ConfigMap).group_resource)
        own = ("metadata.name", CONFIG_MAP)
        async with aclosing(cache.watch(prefix, _NAMESPACE, cache.revision, field=own)) as changes:
            await self.publish(cache, clock)
            while await changes.next_batch():
                await self.publish(cache, clock)


def _check(pair: KeyPair) -> None:
    """Raises PKIError.  The key may be of any kind that TLS knows."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pair.certificate, pair.key)
    except OSError as error:
        raise PKIError(f"cannot read {pair.certificate} and {pair.key}: {error.strerror or error}") from None


def _listed(names: tuple[str, ...]) -> str:
    return orjson.dumps(names).decode()


def _owned(document: dict[str, Any]) -> dict[str, Any]:
    return {"f:data": {".": {}, **{f"f:{name}": {} for name in document["data"]}}}


def merge(existing: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Add names and certificates that are missing; whether any were.  What is no list any more is written anew."""
    before = existing.get("data") or {}
    after = dict(before)
    for key, text in wanted["data"].items():
        old = before.get(key, "")
        if key.endswith("-ca-file"):
            blocks = _BLOCK.findall(old)
            missing = [block for block in _BLOCK.findall(text) if block.strip() not in map(str.strip, blocks)]
            after[key] = "".join(f"{block.strip()}\n" for block in blocks + missing)
        else:
            after[key] = _listed(tuple(dict.fromkeys([*_read(old), *orjson.loads(text)])))
    existing["data"] = after
    return after != before


def _read(text: str) -> list[str]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
