"""VolumeAttachments: which volume is to be attached to which node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.errors import FieldError, forbidden, invalid_value, required, too_long
from api.model import Model
from api.scheme import resource_of
from api.storage_v1 import VolumeAttachment, VolumeAttachmentSource, VolumeAttachmentStatus, VolumeError
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.names import subdomain
from apiserver.registry.persistent_volumes import validate_volume_spec
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.volume_drivers import validate_csi_driver

_METADATA_SIZE = 256 * 1024
_MESSAGE_SIZE = 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


@dataclass(frozen=True)
class AttachmentStatus(Status):
    """`/status` of attachments: what the CSI driver's helper did."""

    writes_metadata = False

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {**(super().unowned(model) or {}), "f:metadata": {}}

    def validate_update(self, new: VolumeAttachment, old: VolumeAttachment) -> Iterator[FieldError]:
        yield from _validate(new)


class VolumeAttachments(Strategy[VolumeAttachment]):
    resource = resource_of(VolumeAttachment)
    unconditional_update = False
    subresources = (AttachmentStatus(),)
    returns_deleted = True
    columns = (
        NAME,
        Column("Attacher", lambda a, now: a.spec.attacher, format="name", description="The CSI driver."),
        Column("PV", lambda a, now: a.spec.source.persistentVolumeName or "", description="The volume."),
        Column("Node", lambda a, now: a.spec.nodeName, description="The node."),
        Column("Attached", lambda a, now: a.status.attached, type="boolean", description="Whether it is attached."),
        AGE,
    )

    def prepare_for_create(self, new: VolumeAttachment, context: Context) -> None:
        new.status = VolumeAttachmentStatus(attached=False)

    def prepare_for_update(self, new: VolumeAttachment, old: VolumeAttachment, context: Context) -> None:
        new.status = old.status

    def validate(self, new: VolumeAttachment) -> Iterator[FieldError]:
        yield from _validate(new)
        if not new.metadata.resourceVersion:
            yield from _validate_names(new)

    def validate_update(self, new: VolumeAttachment, old: VolumeAttachment) -> Iterator[FieldError]:
        if new.spec != old.spec:
            yield invalid_value("spec", internal(new.spec), "field is immutable")


def _validate(attachment: VolumeAttachment) -> Iterator[FieldError]:
    spec, status = attachment.spec, attachment.status
    yield from _validate_source(spec.source, "spec.source")
    for complaint in subdomain(spec.nodeName):
        yield invalid_value("spec.nodeName", spec.nodeName, complaint)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in status.attachmentMetadata.items())
    if size > _METADATA_SIZE:
        yield too_long("status.attachmentMetadata", _METADATA_SIZE)
    yield from _validate_error(status.attachError, "status.attachError")
    yield from _validate_error(status.detachError, "status.detachError")


def _validate_names(attachment: VolumeAttachment) -> Iterator[FieldError]:
    """Rules that v1 brought: attachments from before may break them."""
    spec = attachment.spec
    yield from validate_csi_driver(spec.attacher, "spec.attacher")
    name = spec.source.persistentVolumeName
    for complaint in subdomain(name) if name is not None else ():
        yield invalid_value("spec.source.persistentVolumeName", name, complaint)


def _validate_source(source: VolumeAttachmentSource, path: str) -> Iterator[FieldError]:
    name, inline = source.persistentVolumeName, source.inlineVolumeSpec
    if name is None and inline is None:
        yield required(path, _ONE_SOURCE)
    elif name is not None and inline is not None:
        yield forbidden(path, _ONE_SOURCE)
    elif name == "":
        yield required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from validate_volume_spec(inline, f"{path}.inlineVolumeSpec", inline=True)


def _validate_error(error: VolumeError | None, path: str) -> Iterator[FieldError]:
    if error is None:
        return
    if len(error.message.encode()) > _MESSAGE_SIZE:
        yield too_long(f"{path}.message", _METADATA_SIZE)
    if error.errorCode is not None and error.errorCode < 0:
        yield invalid_value(f"{path}.errorCode", error.errorCode, "must be between 0 and 2147483647, inclusive")
