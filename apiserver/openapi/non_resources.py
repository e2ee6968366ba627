"""The operations of what is no resource: discovery, the server's version, the issuer of service accounts' tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from api.meta_v1 import APIGroup, APIGroupList, APIResourceList, APIVersions
from api.schema import ModelClass
from api.scheme import GroupVersion
from apiserver.openapi.components import VERSION_INFO, Components, Document
from apiserver.openapi.names import operation_group, tag
from apiserver.openapi.paths import JSON, answers

_TEXT: Document = {"type": "string"}


class _Question(NamedTuple):
    operation: str
    tag: str
    about: str
    answer: ModelClass | str | None
    """A type, the name of a component without one, or None for text."""
    media: tuple[str, ...] = JSON


_CORE = _Question("getCoreAPIVersions", "core", "Which versions of the core group there are.", APIVersions)
_GROUPS = _Question("getAPIVersions", "apis", "Which groups there are, and their versions.", APIGroupList)
_VERSION = _Question("getCodeVersion", "version", "Which version the server has.", VERSION_INFO, JSON[:1])
_ISSUER = {
    ".well-known/openid-configuration": _Question(
        "getServiceAccountIssuerOpenIDConfiguration", "WellKnown",
        "Who issues the tokens of service accounts, and where its keys are (OpenID Connect Discovery).",
        None, JSON[:1],
    ),
    "openid/v1/jwks": _Question(
        "getServiceAccountIssuerOpenIDKeyset", "openid",
        "The keys that the tokens of service accounts are signed with, as a JSON Web Key Set.",
        None, ("application/jwk-set+json",),
    ),
}  # fmt: skip


class NonResources:
    """`group_versions` are those that are served, `has_issuer` whether the issuer of tokens can be discovered."""

    def __init__(self, group_versions: Iterable[GroupVersion], *, has_issuer: bool) -> None:
        self._questions = {"api": _CORE, "apis": _GROUPS, "version": _VERSION, **(_ISSUER if has_issuer else {})}
        for version in group_versions:
            if version.group:
                self._questions[f"apis/{version.group}"] = _about_group(version)

    @property
    def names(self) -> list[str]:
        """What has a document of its own: "api", "apis", "apis/apps", "version"."""
        return [*self._questions]

    def paths(self, name: str, components: Components) -> dict[str, Document]:
        """The path of one of the `names`, and what can be done there."""
        return {f"/{name}/": _item(self._questions[name], components)}


def resource_list(version: GroupVersion, components: Components) -> dict[str, Document]:
    """The path where the resources of a group version are listed."""
    about = "Which resources there are."
    question = _Question(f"get{operation_group(version)}APIResources", tag(version), about, APIResourceList)
    return {f"/{'apis' if version.group else 'api'}/{version}/": _item(question, components)}


def _about_group(version: GroupVersion) -> _Question:
    without_version = operation_group(version).removesuffix(version.version.capitalize())
    name = tag(version).removesuffix(f"_{version.version}")
    return _Question(f"get{without_version}APIGroup", name, "Which versions of the group there are.", APIGroup)


def _item(question: _Question, components: Components) -> Document:
    answer = question.answer
    if answer is None:
        schema = _TEXT
    else:
        schema = components.extra(answer) if isinstance(answer, str) else components.refer(answer)
    operation: Document = {
        "tags": [question.tag],
        "description": question.about,
        "operationId": question.operation,
    }
    return {"get": operation | answers(schema, ("200",), question.media)}
