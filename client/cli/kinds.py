"""From the words users type ("po", "deployments.apps", "Service") to kinds and their URLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.errors import NotFound
from api.scheme import RESOURCES

if TYPE_CHECKING:
    from client.cli.session import Session


@dataclass(frozen=True)
class Kind:
    """One kind as its server serves it."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool
    names: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def qualified(self, name: str) -> str:
        """As messages name objects: "pod/web", "deployment.apps/web"."""
        word = self.kind.lower() + (f".{self.group}" if self.group else "")
        return f"{word}/{name}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        place = ["namespaces", namespace] if self.namespaced and namespace else []
        return "/".join([root, *place, self.plural, *(part for part in (name, subresource) if part)])


class Kinds:
    """The kinds of one server: the built-in ones are known, others are asked for when they are needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known = [
            Kind(
                str(resource.group_version),
                resource.plural,
                resource.kind,
                resource.namespaced,
                frozenset({resource.plural, resource.singular, resource.kind.lower(), *resource.short_names}),
                frozenset(resource.categories),
            )
            for resource in RESOURCES
        ]
        self._complete = False

    async def find(self, word: str) -> Kind:
        """The kind meant by a plural, singular, short or qualified name ("deployments.apps", "deployments.v1.apps").

        Raises NotFound as kubectl words it.
        """
        for _ in range(2):
            for kind in self._known:
                if _means(word.lower(), kind):
                    return kind
            await self._discover()
        raise NotFound(f'the server doesn\'t have a resource type "{word}"')

    async def find_all(self, words: str) -> list[Kind]:
        """The kinds meant by "pods,svc" or by a category ("all")."""
        found: list[Kind] = []
        for word in words.split(","):
            members = [kind for kind in self._known if word in kind.categories]
            if members:
                await self._discover()
                members = [kind for kind in self._known if word in kind.categories]
            found += members or [await self.find(word)]
        return list(dict.fromkeys(found))

    async def of_object(self, api_version: str, kind_name: str) -> Kind:
        """The kind of a manifest.  Raises NotFound."""
        for _ in range(2):
            for kind in self._known:
                if (kind.api_version, kind.kind) == (api_version, kind_name):
                    return kind
            await self._discover()
        raise NotFound(f'no matches for kind "{kind_name}" in version "{api_version}"')

    async def _discover(self) -> None:
        if self._complete:
            return
        self._complete = True
        groups, _ = await self._session.request("GET", "/apis")
        versions = ["v1", *(version["groupVersion"] for group in groups["groups"] for version in group["versions"])]
        seen = {(kind.api_version, kind.plural) for kind in self._known}
        for version in versions:
            path = f"/apis/{version}" if "/" in version else f"/api/{version}"
            listed, _ = await self._session.request("GET", path)
            for entry in listed["resources"]:
                if "/" in entry["name"] or (version, entry["name"]) in seen:
                    continue
                names = {
                    entry["name"],
                    entry.get("singularName", ""),
                    entry["kind"].lower(),
                    *entry.get("shortNames", []),
                }
                self._known.append(
                    Kind(
                        version,
                        entry["name"],
                        entry["kind"],
                        entry["namespaced"],
                        frozenset(names - {""}),
                        frozenset(entry.get("categories", [])),
                    )
                )


def _means(word: str, kind: Kind) -> bool:
    if word in kind.names:
        return True
    name, _, rest = word.partition(".")
    version = kind.api_version.rpartition("/")[2]
    return bool(rest) and name in kind.names and rest in (kind.group, f"{version}.{kind.group}")
