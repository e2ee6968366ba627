"""The documents a server publishes, made when first asked for and kept as bytes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import Any

import orjson

from api.authentication_v1 import TokenRequest
from api.autoscaling_v1 import Scale
from api.meta_v1 import APIGroup, APIGroupList, APIResourceList, APIVersions, DeleteOptions, Status
from api.policy_v1 import Eviction
from api.schema import ModelClass
from api.scheme import GroupVersion, Resource
from apiserver.discovery import CustomResources
from apiserver.openapi import gnostic
from apiserver.openapi.components import Components, Document
from apiserver.openapi.non_resources import NonResources, resource_list
from apiserver.openapi.paths import Paths
from apiserver.openapi.swagger import swagger
from apiserver.version import version

Body = tuple[bytes, str]
"""A document's bytes and its entity tag, in quotes."""

_EXTENDED = ("paths", "definitions")
_INFO: Document = {"title": "Kubernetes"}


class Documents:
    """The published schemas of everything that is served: `resources`, which are built in, and what `api` has besides.

    Documents are the same for as long as the resources are: those of custom resources are made anew when these have
    changed.
    """

    def __init__(
        self, resources: Iterable[Resource], api: CustomResources | None = None, *, has_issuer: bool = True
    ) -> None:
        """`has_issuer`: whether the issuer of service accounts' tokens can be discovered."""
        self._api, self._changes = api, 0
        self._served: dict[GroupVersion, list[Resource]] = {}
        for resource in resources:
            self._served.setdefault(resource.group_version, []).append(resource)
        self._non_resources = NonResources(self._served, has_issuer=has_issuer)
        self._bodies: dict[str, Body] = {}
        self._index: Body | None = None
        self._v2: Body | None = None
        self._v2_protobuf: Body | None = None
        self._built_in: Body | None = None
        """The v2 document without custom resources."""
        self._custom: dict[str, list[Any]] = {}
        self._custom_bodies: dict[str, tuple[list[Any], Body]] = {}
        """The v3 documents of custom resources, with what they were made of."""
        self._swagger: dict[Any, tuple[bytes, ...]] = {}
        """What each version adds to the members of the v2 document that are `_EXTENDED`: the inside of an object."""

    def _follow(self) -> None:
        """Forget what was made of custom resources that have changed."""
        api = self._api
        if api is None or api.custom_changes == self._changes:
            return
        self._changes = api.custom_changes
        self._index = self._v2 = self._v2_protobuf = None
        versions: dict[GroupVersion, list[Any]] = {}
        for endpoint in api.custom.values():
            if endpoint.resource.group_version not in self._served:
                versions.setdefault(endpoint.resource.group_version, []).append(endpoint.version)
        self._custom = {f"apis/{each}": found for each, found in versions.items()}
        self._custom_bodies = {path: body for path, body in self._custom_bodies.items() if path in self._custom}
        present = {version for found in versions.values() for version in found}
        self._swagger = {version: parts for version, parts in self._swagger.items() if version in present}

    def v3_index(self) -> Body:
        """`/openapi/v3`: where each document is, of a group version or of what is no resource, with a hash of its
        content in the URL."""
        self._follow()
        if self._index is None:
            paths = {}
            for name in self._names():
                found = self.v3(name)
                if found is not None:
                    content = found[1].strip('"')
                    paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={content}"}
            self._index = _body({"paths": paths})
        return self._index

    def v3(self, path: str) -> Body | None:
        """`/openapi/v3/<path>`: "api/v1", "apis/apps/v1", "apis/apps", "version"; None where nothing is."""
        self._follow()
        if path in self._custom:
            versions = self._custom[path]
            if path not in self._custom_bodies or self._custom_bodies[path][0] != versions:
                from apiserver.custom_resources.openapi import document

                self._custom_bodies[path] = versions, _body(document(versions))
            return self._custom_bodies[path][1]
        if path not in self._bodies:
            version = self._version_of(path)
            if version is None and path not in self._non_resources.names:
                return None
            components = Components(self._kinds())
            if version is None:
                paths = self._non_resources.paths(path, components)
            else:
                paths = self._paths(version, components)
            self._bodies[path] = _body(
                {
                    "openapi": "3.0.0",
                    "info": self._info(),
                    "paths": dict(sorted(paths.items())),
                    "components": {"schemas": dict(sorted(components.documents.items())), **_SECURITY},
                }
            )
        return self._bodies[path]

    def v2(self) -> Body:
        """`/openapi/v2`: everything in one document."""
        self._follow()
        if self._v2 is None:
            if self._built_in is None:
                components = Components(self._kinds())
                paths: dict[str, Document] = {}
                for served in self._served:
                    paths |= self._paths(served, components)
                for name in self._non_resources.names:
                    paths |= self._non_resources.paths(name, components)
                self._built_in = _body(swagger(self._info(), paths, components.documents))
            self._v2 = self._with_custom(self._built_in) if self._custom else self._built_in
        return self._v2

    def _with_custom(self, built_in: Body) -> Body:
        """The v2 document with what custom resources add.  That is kept encoded: there may be megabytes of it, of which
        one definition's change changes little."""
        from apiserver.custom_resources.openapi import in_swagger

        for each in itertools.chain.from_iterable(self._custom.values()):
            if each not in self._swagger:
                self._swagger[each] = tuple(orjson.dumps(part)[1:-1] for part in in_swagger(each))
        members = []
        for name, value in orjson.loads(built_in[0]).items():
            text = orjson.dumps(value)
            if name in _EXTENDED:
                added = (parts[_EXTENDED.index(name)] for parts in self._swagger.values())
                text = b"{%b}" % b",".join([text[1:-1], *added])
            members.append(orjson.dumps(name) + b":" + text)
        return tagged(b"{%b}" % b",".join(members))

    def v2_protobuf(self) -> Body:
        """The same as protobuf, for clients that read nothing else."""
        self._follow()
        if self._v2_protobuf is None:
            self._v2_protobuf = tagged(gnostic.encode(orjson.loads(self.v2()[0])))
        return self._v2_protobuf

    # --- pieces ------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        versions = [f"apis/{each}" if each.group else f"api/{each}" for each in self._served]
        return sorted([*versions, *self._custom, *self._non_resources.names])

    def _version_of(self, path: str) -> GroupVersion | None:
        return next((each for each in self._served if path == (f"apis/{each}" if each.group else f"api/{each}")), None)

    @staticmethod
    def _info() -> Document:
        return {**_INFO, "version": str(version().get("gitVersion", "")) or "unversioned"}

    def _paths(self, group_version: GroupVersion, components: Components) -> dict[str, Document]:
        paths = Paths(components)
        for resource in sorted(self._served[group_version], key=lambda each: each.plural):
            paths.add(resource)
        return {**resource_list(group_version, components), **paths.items}

    def _kinds(self) -> dict[ModelClass, list[Document]]:
        """The group, version and kind of every type that has one."""
        kinds: dict[ModelClass, list[Document]] = {}
        for group_version, resources in self._served.items():
            for resource in resources:
                kinds[resource.model] = [_kind(group_version, resource.kind)]
        kinds[Scale] = [_kind(GroupVersion("autoscaling", "v1"), "Scale")]
        kinds[Eviction] = [_kind(GroupVersion("policy", "v1"), "Eviction")]
        kinds[TokenRequest] = [_kind(GroupVersion("authentication.k8s.io", "v1"), "TokenRequest")]
        for model in (Status, APIGroup, APIGroupList, APIResourceList, APIVersions):
            kinds[model] = [_kind(GroupVersion("", "v1"), model.__name__)]
        every = sorted({GroupVersion("", "v1"), *self._served}, key=str)
        kinds[DeleteOptions] = [_kind(each, "DeleteOptions") for each in every]
        return kinds


_SECURITY: Document = {
    "securitySchemes": {
        "BearerToken": {"description": "Bearer token", "type": "apiKey", "name": "authorization", "in": "header"}
    }
}


def _kind(version: GroupVersion, kind: str) -> Document:
    return {"group": version.group, "kind": kind, "version": version.version}


def _body(document: Document) -> Body:
    return tagged(orjson.dumps(document))


def tagged(body: bytes) -> Body:
    """A document with its entity tag."""
    return body, f'"{hashlib.sha512(body).hexdigest().upper()}"'
