"""LIST: the objects of a collection, whole or in pages that all show one moment.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import base64
import posixpath
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from api.errors import BadRequest, Expired
from api.meta_v1 import ListMeta, Status
from apiserver import go_errors
from apiserver.handlers.list_options import ListOptions, parse_resource_version, too_large
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import Compacted, FutureRevision, Revision
from apiserver.storage.watch_cache import WatchCache

_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_VERSION_EXPIRED = "The resourceVersion for the provided list is too old."


class ContinueExpired(Expired):
    """The pages' moment is gone from history; `token` goes on from the same place in the present."""

    def __init__(self, token: str) -> None:
        super().__init__(_CONTINUE_EXPIRED)
        self.token = token

    def status(self) -> Status:
        status = super().status()
        status.metadata = ListMeta.from_dict({"continue": self.token})
        return status


@dataclass(frozen=True, slots=True)
class Page:
    """`revision` is the moment the list shows.  `remaining` is None when it is not known: with selectors."""

    entries: Sequence[Entry]
    revision: Revision
    continue_: str = ""
    remaining: int | None = None


async def list_page(cache: WatchCache, prefix: str, namespace: str, options: ListOptions) -> Page:
    """A page of the objects under `prefix` (`/pods/`), of one namespace or ("") all, in the order of their keys.

    Raises BadRequest, Expired (the moment asked for has been compacted away), Timeout (not reached yet).
    """
    start = ""
    if options.continue_:
        if options.resource_version not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        start, revision = decode_continue(options.continue_)
        if revision < 0:
            revision = cache.revision  # an inconsistent continuation, in the present
    else:
        try:
            asked = parse_resource_version(options.resource_version)
        except ValueError as error:
            raise BadRequest(f"invalid resource version: {error}") from None
        if asked > cache.revision:
            raise too_large(asked, cache.revision)
        exact = options.match == "Exact" or (asked > 0 and options.limit > 0 and not options.match)
        revision = asked if exact else cache.revision
    within = f"{prefix}{namespace}/" if namespace else prefix
    entries = await _entries(cache, prefix, namespace, options, revision, within + start)
    if start:
        entries = entries[bisect_left(entries, within + start, key=_key) :]
    return _cut(entries, revision, options, len(within))


def _key(entry: Entry) -> str:
    return entry.key


async def _entries(
    cache: WatchCache, prefix: str, namespace: str, options: ListOptions, revision: Revision, start: str
) -> Sequence[Entry]:
    namespace = namespace or options.fields.requires("metadata.namespace") or ""
    if revision == cache.revision:
        name = options.fields.requires("metadata.name")
        if name and "/" not in name and "/" not in namespace:
            # One object at most, in a place that is known, unless it may be in any namespace.
            found = cache.get(f"{prefix}{namespace}/{name}") if namespace else cache.get(prefix + name)
            if found is not None or namespace:
                return [] if found is None else [found]
        return cache.list(prefix, namespace, options.terms)
    try:
        return await cache.list_at(prefix, namespace, revision)
    except Compacted:
        if options.continue_:
            within = f"{prefix}{namespace}/" if namespace else prefix
            raise ContinueExpired(encode_continue(start[len(within) :], -1)) from None
        raise Expired(_VERSION_EXPIRED) from None
    except FutureRevision as error:
        raise too_large(error.asked, error.current) from None


def _cut(entries: Sequence[Entry], revision: Revision, options: ListOptions, prefix_length: int) -> Page:
    """The objects that match, up to the limit, and where the next page begins."""
    # Whoever takes any version gets everything: what the cache has is not cut into pages.
    whole = options.limit <= 0 or (options.resource_version == "0" and not options.continue_)
    limit = len(entries) if whole else options.limit
    if not options.selects:
        if len(entries) <= limit:
            return Page(entries, revision)
        token = encode_continue(entries[limit - 1].key[prefix_length:] + "\0", revision)
        return Page(entries[:limit], revision, token, len(entries) - limit)
    found: list[Entry] = []
    for entry in entries:
        if not options.matches(entry):
            continue
        if len(found) == limit:
            return Page(found, revision, encode_continue(found[-1].key[prefix_length:] + "\0", revision))
        found.append(entry)
    return Page(found, revision)


def encode_continue(start: str, revision: Revision) -> str:
    """A token in Kubernetes' own form: where to go on (a key below the collection's) and at which moment."""
    document = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


_INVALID = "invalid continue token: continue key is not valid"
_URL_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def decode_continue(token: str) -> tuple[str, Revision]:
    """The inverse.  Raises BadRequest."""
    wrong = next((place for place, char in enumerate(token) if char not in _URL_SAFE), None)
    if wrong is None and len(token) % 4 == 1:
        wrong = len(token) - 1
    if wrong is not None:
        raise BadRequest(f"{_INVALID}: illegal base64 data at input byte {wrong}")
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadRequest(f"{_INVALID}: {go_errors.syntax_error(data)}") from None
    if not isinstance(document, dict):
        kind = go_errors.kind_of(document)
        raise BadRequest(f"{_INVALID}: json: cannot unmarshal {kind} into Go value of type storage.continueToken")
    for name, wanted, go_type in (("v", str, "string"), ("rv", int, "int64"), ("start", str, "string")):
        value = document.get(name)
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            where = f"Go struct field continueToken.{name} of type {go_type}"
            raise BadRequest(f"{_INVALID}: json: cannot unmarshal {go_errors.kind_of(value)} into {where}")
    version, revision, start = document.get("v"), document.get("rv"), document.get("start")
    if version != "meta.k8s.io/v1":
        why = "server does not recognize this encoded version"
        raise BadRequest(f"{_INVALID}: {why}")
    if not revision:
        why = "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
        raise BadRequest(f"{_INVALID}: {why}")
    if not start:
        raise BadRequest(f"{_INVALID}: encoded start key empty (version meta.k8s.io/v1)")
    rooted = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(rooted) != rooted:
        raise BadRequest(f"{_INVALID}: {start}")
    return start.removeprefix("/"), revision
