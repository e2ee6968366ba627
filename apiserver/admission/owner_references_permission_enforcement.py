"""OwnerReferencesPermissionEnforcement: who gives an object an owner could delete the object, or hold up the owner.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.meta_v1 import OwnerReference
from api.scheme import Resource
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

if TYPE_CHECKING:
    from apiserver.endpoint import API


class OwnerReferencesPermissionEnforcement(AdmissionPlugin):
    """Asked last, since which kinds there are is known to the server alone."""

    name = "OwnerReferencesPermissionEnforcement"
    reserves = True

    async def reserve(self, request: AdmissionRequest, api: API) -> None:
        if (request.resource.group_resource, request.subresource) == ("pods", "status"):
            return  # it cannot change them
        new = _owners(request.object)
        old = _owners(request.old_object)
        if new == old:
            return
        resource, may = request.resource, request.context.may
        if request.operation != "CREATE" and not may(
            "delete", resource.group, resource.plural, request.namespace, request.name, request.subresource
        ):
            raise request.forbidden("cannot set an ownerRef on a resource you can't delete: , <nil>")
        blocked_before = {owner.uid for owner in old if owner.blockOwnerDeletion}
        for owner in new:
            if not owner.blockOwnerDeletion or owner.uid in blocked_before:
                continue
            for kind in _resources_of(request, owner, api):
                namespace = request.namespace if kind.namespaced else ""
                if not may("update", kind.group, kind.plural, namespace, owner.name, "finalizers"):
                    raise request.forbidden(
                        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set "
                        "finalizers on: , <nil>"
                    )


def _owners(obj: object) -> list[OwnerReference]:
    metadata = getattr(obj, "metadata", None)
    return [] if metadata is None else metadata.ownerReferences


def _resources_of(request: AdmissionRequest, owner: OwnerReference, api: API) -> list[Resource]:
    """The resources that serve the owner's kind."""
    resources = (endpoint.resource for endpoint in (*api.endpoints.values(), *api.custom.values()))
    found = [each for each in resources if (each.api_version, each.kind) == (owner.apiVersion, owner.kind)]
    if not found:
        raise request.forbidden(
            f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion "
            f'{owner.apiVersion} Kind {owner.kind}: no matches for kind "{owner.kind}" in version '
            f'"{owner.apiVersion}"'
        )
    return found
