"""The scale subresource: how many replicas an object of whatever kind has and wants.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#scale-subresource
"""

from __future__ import annotations

from api.autoscaling_v1 import Scale
from api.errors import NotFound
from api.scheme import RESOURCES, GroupVersion, Resource, resource_of_kind
from client.rest import RestClient

_TYPE = "meta_v1.PartialObjectMetadata"


class NoSuchKind(Exception):
    """Nobody serves the kind."""


class NoScale(Exception):
    """Objects of the kind have no scale."""


class Scales:
    """Reads and writes scales.  Kinds that are not built in are looked up anew each time: they come and go."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def get(self, api_version: str, kind: str, namespace: str, name: str) -> tuple[Resource, Scale]:
        """Where the kind is served, and the object's scale.

        Raises NoSuchKind; NoScale when objects of the kind have none; StatusError: NotFound when there is no object.
        """
        resource, has_scale = await self.find(api_version, kind)
        if not has_scale:
            raise NoScale(f"{resource.group_resource} does not implement the scale subresource")
        return resource, await self._client.get(Scale, name, namespace, subresource="scale", resource=resource)

    async def update(self, resource: Resource, scale: Scale, replicas: int) -> None:
        """Ask for a number of replicas.  Raises StatusError: Conflict when the object has changed since."""
        wanted = scale.copy_deep()
        wanted.spec.replicas = replicas
        await self._client.update(wanted, subresource="scale", resource=resource)

    async def find(self, api_version: str, kind: str) -> tuple[Resource, bool]:
        """Where a kind is served, if not in this version in another of its group, and whether it has a scale.

        Raises NoSuchKind, StatusError.
        """
        version = GroupVersion.parse(api_version)
        built_in = resource_of_kind(api_version, kind) or next(
            (each for each in RESOURCES if each.group == version.group and each.kind == kind), None
        )
        if built_in is not None:
            return built_in, any(part.name == "scale" for part in built_in.parts)
        for candidate in (version, *await self._versions(version)):
            try:
                document = await self._client.get_json(f"/apis/{candidate}")
            except NotFound:
                continue
            entries = document.get("resources") or []
            found = next((each for each in entries if each["kind"] == kind and "/" not in each["name"]), None)
            if found is not None:
                plural = found["name"]
                resource = Resource(candidate, plural, _TYPE, namespaced=found["namespaced"], kind=kind)
                return resource, any(each["name"] == f"{plural}/scale" for each in entries)
        raise NoSuchKind(f'no matches for kind "{kind}" in version "{version}"')

    async def _versions(self, version: GroupVersion) -> list[GroupVersion]:
        """The other versions of a group that is served."""
        try:
            group = await self._client.get_json(f"/apis/{version.group}")
        except NotFound:
            return []
        found = [GroupVersion.parse(each["groupVersion"]) for each in group["versions"]]
        return [each for each in found if each != version]
