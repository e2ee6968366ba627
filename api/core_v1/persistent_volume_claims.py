"""What pods want of storage that outlives them, and what they have got of it."""

from typing import Annotated

from api.core_v1.volumes import PersistentVolumeClaimSpec
from api.meta_v1 import ObjectMeta
from api.model import Enum, Granular, ListMap, Merge, Model, Quantity, ZeroTime, null, struct

_MODES = Enum("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_RESIZING = Enum(
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


class PersistentVolumeClaimCondition(Model):
    """One aspect of a claim's state.

    lastProbeTime: When it was last looked at.
    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Resizing, FileSystemResizePending, ModifyingVolume or another.
    """

    lastProbeTime: ZeroTime = null()
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class ModifyVolumeStatus(Model):
    """How far a change of a volume's attributes has come.

    status: Pending, InProgress or Infeasible.
    targetVolumeAttributesClassName: The class it is to have.
    """

    status: Annotated[str, Enum("InProgress", "Infeasible", "Pending")]
    targetVolumeAttributesClassName: str = ""


class PersistentVolumeClaimStatus(Model):
    """What a claim has got.

    accessModes: How its volume can be mounted.
    allocatedResourceStatuses: How far a change of each resource has come.
    allocatedResources: What is set aside, which during a change can be more than there is.
    capacity: What its volume holds.
    conditions: Its state in several aspects.
    currentVolumeAttributesClassName: The class of attributes its volume has.
    modifyVolumeStatus: How far a change of attributes has come.
    phase: Pending, Bound or Lost.
    """

    accessModes: list[Annotated[str, _MODES]] = []
    allocatedResourceStatuses: Annotated[dict[str, Annotated[str, _RESIZING]], Granular()] = {}
    allocatedResources: dict[str, Quantity] = {}
    capacity: dict[str, Quantity] = {}
    conditions: Annotated[list[PersistentVolumeClaimCondition], ListMap("type"), Merge("type")] = []
    currentVolumeAttributesClassName: str | None = None
    modifyVolumeStatus: ModifyVolumeStatus | None = None
    phase: Annotated[str, Enum("Bound", "Lost", "Pending")] = ""


class PersistentVolumeClaim(Model):
    """A request for storage, and the volume that answers it.

    spec: What is wanted.
    status: What it has got.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: PersistentVolumeClaimSpec = struct()
    status: PersistentVolumeClaimStatus = struct()
