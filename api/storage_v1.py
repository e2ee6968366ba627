"""Storage classes, and what CSI drivers and their helpers tell each other (storage.k8s.io/v1)."""

from typing import Annotated

from api.core_v1 import PersistentVolumeSpec, TopologySelectorTerm
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import (
    Enum,
    Int32,
    Int64,
    ListMap,
    ListSet,
    Merge,
    Model,
    NotRequired,
    NullWhenEmpty,
    Quantity,
    Required,
    ZeroTime,
    null,
    struct,
)


class StorageClass(Model):
    """A kind of storage that claims can ask for.

    allowVolumeExpansion: Whether volumes can grow.
    allowedTopologies: Where volumes may be made; anywhere when empty.
    mountOptions: Options for mounting the volumes.
    parameters: Settings for the provisioner.
    provisioner: Who makes the volumes.
    reclaimPolicy: What becomes of a volume when its claim goes: Delete or Retain.
    volumeBindingMode: Immediate, or WaitForFirstConsumer for when a pod uses the claim.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    allowVolumeExpansion: bool | None = None
    allowedTopologies: list[TopologySelectorTerm] = []
    mountOptions: list[str] = []
    parameters: dict[str, str] = {}
    provisioner: str
    reclaimPolicy: Annotated[str | None, Enum("Delete", "Recycle", "Retain")] = None
    volumeBindingMode: Annotated[str | None, Enum("Immediate", "WaitForFirstConsumer")] = None


class VolumeAttributesClass(Model):
    """Settings of volumes that can be changed while they are used.

    driverName: The CSI driver.
    parameters: Settings for the driver.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    driverName: str
    parameters: dict[str, str] = {}


class VolumeAttachmentSource(Model):
    """The volume to be attached.

    inlineVolumeSpec: The volume itself, where a pod's own volume is now a CSI driver's.
    persistentVolumeName: The persistent volume's name.
    """

    inlineVolumeSpec: PersistentVolumeSpec | None = None
    persistentVolumeName: str | None = None


class VolumeAttachmentSpec(Model):
    """What is to be attached where.

    attacher: The CSI driver that does it.
    nodeName: The node.
    source: The volume.
    """

    attacher: str
    nodeName: str
    source: Annotated[VolumeAttachmentSource, Required()] = struct()


class VolumeError(Model):
    """What went wrong with a volume.

    errorCode: The gRPC code of the driver's answer.
    message: What happened.
    time: When.
    """

    errorCode: Int32 | None = None
    message: str = ""
    time: ZeroTime = null()


class VolumeAttachmentStatus(Model):
    """Whether a volume is attached.

    attachError: Why the last attempt to attach it failed.
    attached: Whether it is.
    attachmentMetadata: What the driver needs to know to mount it.
    detachError: Why the last attempt to detach it failed.
    """

    attachError: VolumeError | None = None
    attached: bool
    attachmentMetadata: dict[str, str] = {}
    detachError: VolumeError | None = None


class VolumeAttachment(Model):
    """Asks for a volume to be attached to a node.

    spec: What is to be attached where.
    status: Whether it is.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[VolumeAttachmentSpec, Required()] = struct()
    status: VolumeAttachmentStatus = struct()


class TokenRequest(Model):
    """A token of the pod's service account that a driver wants.

    audience: Whom the token is for; the API server when empty.
    expirationSeconds: How long it is valid.
    """

    audience: str
    expirationSeconds: Int64 | None = None


class CSIDriverSpec(Model):
    """How a CSI driver wants to be used.

    attachRequired: Whether its volumes must be attached before they are mounted.
    fsGroupPolicy: Whether it minds the pod's fsGroup: ReadWriteOnceWithFSType, File or None.
    nodeAllocatableUpdatePeriodSeconds: Seconds between updates of how many volumes a node can have.
    podInfoOnMount: Whether it is told about the pod when mounting.
    preventPodSchedulingIfMissing: Whether pods keep away from nodes that do not have it.
    requiresRepublish: Whether it is asked to mount again from time to time.
    seLinuxMount: Whether it can mount with an SELinux context.
    serviceAccountTokenInSecrets: Whether it gets the tokens as secrets instead of attributes of the volume.
    storageCapacity: Whether it says how much storage is left where.
    tokenRequests: Tokens of the pod's service account that it wants.
    volumeLifecycleModes: Persistent, Ephemeral or both.
    """

    attachRequired: bool | None = None
    fsGroupPolicy: str | None = None
    nodeAllocatableUpdatePeriodSeconds: Int64 | None = None
    podInfoOnMount: bool | None = None
    preventPodSchedulingIfMissing: bool | None = None
    requiresRepublish: bool | None = None
    seLinuxMount: bool | None = None
    serviceAccountTokenInSecrets: bool | None = None
    storageCapacity: bool | None = None
    tokenRequests: list[TokenRequest] = []
    volumeLifecycleModes: Annotated[list[str], ListSet()] = []


class CSIDriver(Model):
    """A CSI driver of the cluster.

    spec: How it wants to be used.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[CSIDriverSpec, Required()] = struct()


class VolumeNodeResources(Model):
    """What a driver can do on a node.

    count: How many volumes it can have there.
    """

    count: Int32 | None = None


class CSINodeDriver(Model):
    """A CSI driver on a node.

    allocatable: What it can do there.
    name: The driver's name.
    nodeID: The driver's name for the node.
    topologyKeys: Labels of the node that say where it is for the driver.
    """

    allocatable: VolumeNodeResources | None = None
    name: str
    nodeID: str
    topologyKeys: Annotated[list[str], NullWhenEmpty(), NotRequired()]


class CSINodeSpec(Model):
    """The CSI drivers on a node.

    drivers: The drivers.
    """

    drivers: Annotated[list[CSINodeDriver], ListMap("name"), Merge("name"), NullWhenEmpty()]


class CSINode(Model):
    """A node, as CSI drivers see it.

    spec: The drivers on it.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[CSINodeSpec, Required()] = struct()


class CSIStorageCapacity(Model):
    """How much storage of a class is left in a part of the cluster.

    capacity: How much in all.
    maximumVolumeSize: How much for one volume.
    nodeTopology: The nodes that can reach it; none when unset.
    storageClassName: The storage class.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    capacity: Quantity | None = None
    maximumVolumeSize: Quantity | None = None
    nodeTopology: LabelSelector | None = None
    storageClassName: str
