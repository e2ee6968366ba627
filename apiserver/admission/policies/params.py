"""The objects besides the one that is written: those that a binding takes a policy's parameters from, the namespace.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#parameter-resources
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from api.admissionregistration_v1 import ParamKind, ParamRef
from api.core_v1 import Namespace
from api.scheme import GroupVersion
from apiserver.endpoint import API, Endpoint
from apiserver.registry.labels import matches
from apiserver.storage.entry import Entry
from cel.values import parse_timestamp

Object = dict[str, Any]
_REMEMBERED = 1000
"""Objects that are kept parsed."""


class Unusable(Exception):
    """A policy or a binding that cannot be used for a write; says why."""


class Params:
    def __init__(self, api: API) -> None:
        self._api = api
        self._parsed: dict[str, tuple[Entry, Object]] = {}
        self._namespaces = api.endpoint_of(Namespace)

    def endpoint(self, kind: ParamKind) -> Endpoint:
        """What serves the kind.  Raises Unusable."""
        version = GroupVersion.parse(kind.apiVersion)
        for endpoints in (self._api.endpoints, self._api.custom):
            for (group, name, _), endpoint in list(endpoints.items()):  # they come and go, and a thread may look
                if (group, name, endpoint.resource.kind) == (version.group, version.version, kind.kind):
                    return endpoint
        shown = f"{version.group}/{version.version}, Kind={kind.kind}"
        raise Unusable(f"failed to find resource referenced by paramKind: '{shown}'")

    async def find(self, kind: ParamKind | None, reference: ParamRef | None, namespace: str) -> list[Object | None]:
        """The parameters for a write in a namespace: a policy is asked once with each.  Nobody changes them.

        Raises Unusable; StatusError for objects that cannot be shown as the kind.
        """
        if kind is None or reference is None:
            return [None]
        endpoint = self.endpoint(kind)
        where = reference.namespace
        if endpoint.namespaced:
            where = where or namespace
            if not where:
                raise Unusable("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
        elif where:
            raise Unusable("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        entries = self._entries(endpoint, reference, where)
        if not entries and reference.parameterNotFoundAction == "Deny":
            raise Unusable("no params found for policy binding with `Deny` parameterNotFoundAction")
        await endpoint.prepare(entries)
        return [self._document(endpoint, entry) for entry in entries]

    @staticmethod
    def _entries(endpoint: Endpoint, reference: ParamRef, namespace: str) -> list[Entry]:
        if reference.name:
            entry = endpoint.cache.get(endpoint.key(namespace, reference.name))
            return [] if entry is None else [entry]
        selector = reference.selector
        assert selector is not None, "a reference has a name or a selector"
        return [each for each in endpoint.cache.list(endpoint.prefix, namespace) if matches(selector, each.labels)]

    def _document(self, endpoint: Endpoint, entry: Entry) -> Object:
        key = f"{endpoint.resource.api_version}{entry.key}"
        return self._remembered(key, entry, lambda: orjson.loads(endpoint.wire(entry)))

    def _remembered(self, key: str, entry: Entry, read: Callable[[], Object]) -> Object:
        known = self._parsed.get(key)
        if known is None or known[0] is not entry:
            if len(self._parsed) >= _REMEMBERED:
                self._parsed.clear()
            known = self._parsed[key] = (entry, read())
        return known[1]

    def namespace(self, name: str) -> Object | None:
        """The value of `namespaceObject` for what is written in a namespace, None for what is in none ("").  Nobody
        changes it.  Raises NotFound."""
        if not name:
            return None
        entry = self._namespaces.find("", name)
        return self._remembered(name, entry, lambda: _with_times(entry.document))


def _with_times(namespace: Object) -> Object:
    """`namespaceObject` is one of the few variables with declared types, and has times where its type has."""
    metadata = namespace["metadata"]
    metadata.pop("managedFields", None)
    _parse_times(metadata, "creationTimestamp", "deletionTimestamp")
    for condition in namespace.get("status", {}).get("conditions", ()):
        _parse_times(condition, "lastTransitionTime")
    return namespace


def _parse_times(document: Object, *names: str) -> None:
    for name in names:
        if isinstance(text := document.get(name), str):
            document[name] = parse_timestamp(text)
