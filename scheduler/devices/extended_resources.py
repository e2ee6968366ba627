"""Extended resources that devices provide (KEP-5004): a pod asks for them as for any resource, and gets a claim.

A class says which extended resource its devices stand for.  Where a node does not have the resource itself, the
scheduler makes one claim for all that the pod asks for, and tells in the pod's status which container gets which part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from api.core_v1 import Container, ContainerExtendedResourceRequest, Pod
from api.meta_v1 import ObjectMeta, OwnerReference
from api.quantity import whole
from api.resource_v1 import DeviceClaim, DeviceRequest, ExactDeviceRequest, ResourceClaim, ResourceClaimSpec
from scheduler.devices.inventory import EXTENDED_RESOURCE_CLAIM

Requests = list[DeviceRequest]
Mappings = list[ContainerExtendedResourceRequest]

NOT_YET = "<extended-resources>"
"""The name of a claim that is not in the API yet."""


def draft(pod: Pod) -> ResourceClaim:
    """The claim for a pod's extended resources before a node is chosen, which says what has to be asked for."""
    meta = pod.metadata
    return ResourceClaim(
        metadata=ObjectMeta(
            name=NOT_YET,
            namespace=meta.namespace,
            uid=f"{NOT_YET}/{meta.uid}",
            generateName=f"{meta.name}-extended-resources-",
            annotations={EXTENDED_RESOURCE_CLAIM: "true"},
            ownerReferences=[
                OwnerReference(apiVersion="v1", kind="Pod", name=meta.name, uid=meta.uid, controller=True)
            ],
        ),
        spec=ResourceClaimSpec(devices=DeviceClaim(requests=[])),
    )


def requests_for(pod: Pod, classes: Mapping[str, str]) -> tuple[Requests, Mappings]:
    """What to ask for, and which container gets what of it.  `classes` are those of the devices by resource."""
    containers = [*pod.spec.initContainers, *pod.spec.containers]
    requests: Requests = []
    mappings: Mappings = []
    for resource in sorted(classes):
        of_resource, its_mappings = _of_resource(containers, len(pod.spec.initContainers), resource, classes[resource])
        requests += of_resource
        mappings += its_mappings
    return sorted(requests, key=lambda request: request.name), mappings


def _of_resource(
    containers: Sequence[Container], init: int, resource: str, class_name: str
) -> tuple[Requests, Mappings]:
    """Init containers come and go one after the other: they use what containers after them will have, and share
    between them what they need besides."""
    short = [i for i in range(init) if containers[i].restartPolicy != "Always"]
    lasting: list[DeviceRequest | None] = [None] * len(containers)
    mappings: Mappings = []
    for i in range(len(containers)):
        if i not in short:
            lasting[i], more = _of_container(i, containers[i], resource, class_name, ())
            mappings += more
    largest: DeviceRequest | None = None
    of_short: Mappings = []
    names = set()
    for i in short:
        request, more = _of_container(i, containers[i], resource, class_name, lasting[i:])
        of_short += more
        if request is not None:
            names.add(request.name)
            if largest is None or _count(request) > _count(largest):
                largest = request
    for mapping in of_short:
        if largest is not None and mapping.requestName in names:
            mapping.requestName = largest.name
    return [each for each in (largest, *lasting) if each is not None], [*mappings, *of_short]


def _of_container(
    i: int, container: Container, resource: str, class_name: str, reusable: Iterable[DeviceRequest | None]
) -> tuple[DeviceRequest | None, Mappings]:
    """What the container with this number needs beyond what it can use of others' requests."""
    wanted = container.resources.requests
    missing = whole(wanted.get(resource, "0"))
    mappings: Mappings = []

    def gets(request: str) -> None:
        mappings.append(
            ContainerExtendedResourceRequest(containerName=container.name, resourceName=resource, requestName=request)
        )

    for other in reusable:
        if missing > 0 and other is not None:
            gets(other.name)
            missing -= _count(other)
    if missing <= 0:
        return None, mappings
    name = f"container-{i}-request-{sorted(wanted).index(resource)}"
    gets(name)
    exactly = ExactDeviceRequest(deviceClassName=class_name, allocationMode="ExactCount", count=missing)
    return DeviceRequest(name=name, exactly=exactly), mappings


def _count(request: DeviceRequest) -> int:
    return request.exactly.count if request.exactly is not None else 0
