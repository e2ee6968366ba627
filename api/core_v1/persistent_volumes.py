"""Storage that outlives pods."""

from typing import Annotated

from api.core_v1.persistent_volume_drivers import (
    AzureFilePersistentVolumeSource,
    CephFSPersistentVolumeSource,
    CinderPersistentVolumeSource,
    CSIPersistentVolumeSource,
    FlexPersistentVolumeSource,
    GlusterfsPersistentVolumeSource,
    ISCSIPersistentVolumeSource,
    LocalVolumeSource,
    RBDPersistentVolumeSource,
    ScaleIOPersistentVolumeSource,
    StorageOSPersistentVolumeSource,
)
from api.core_v1.references import ObjectReference
from api.core_v1.scheduling import NodeSelector
from api.core_v1.volume_drivers import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    FCVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from api.core_v1.volumes import HostPathVolumeSource
from api.meta_v1 import ObjectMeta
from api.model import Enum, Granular, Model, Quantity, Time, struct

_MODES = Enum("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


class VolumeNodeAffinity(Model):
    """The nodes that can reach a volume.

    required: What they must be like.
    """

    required: NodeSelector | None = None


class PersistentVolumeSpec(Model):
    """A volume: how large it is, where it is, who has it.

    accessModes: How it can be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod.
    awsElasticBlockStore: A disk of AWS.
    azureDisk: A disk of Azure.
    azureFile: A share of Azure.
    capacity: How much it holds.
    cephfs: A directory of CephFS.
    cinder: A disk of OpenStack.
    claimRef: The claim it is bound to, or kept for.
    csi: A volume of a CSI driver.
    fc: A disk reached by Fibre Channel.
    flexVolume: A volume of a FlexVolume driver; deprecated.
    flocker: A Flocker volume; no longer supported.
    gcePersistentDisk: A disk of Google's.
    glusterfs: A GlusterFS volume; no longer supported.
    hostPath: A directory of the node, for clusters of one node.
    iscsi: An iSCSI disk.
    local: A disk or directory of one node.
    mountOptions: Options for mounting it.
    nfs: A directory of an NFS server.
    nodeAffinity: The nodes that can reach it.
    persistentVolumeReclaimPolicy: What becomes of it when the claim goes: Retain, Delete or Recycle.
    photonPersistentDisk: A disk of Photon; no longer supported.
    portworxVolume: A volume of Portworx.
    quobyte: A Quobyte volume; no longer supported.
    rbd: A RADOS block device.
    scaleIO: A ScaleIO volume; no longer supported.
    storageClassName: Its storage class; none when empty.
    storageos: A StorageOS volume; no longer supported.
    volumeAttributesClassName: The class of its attributes that can be changed.
    volumeMode: Filesystem, or Block for a raw device.
    vsphereVolume: A disk of vSphere.
    """

    accessModes: list[Annotated[str, _MODES]] = []
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource | None = None
    azureDisk: AzureDiskVolumeSource | None = None
    azureFile: AzureFilePersistentVolumeSource | None = None
    capacity: dict[str, Quantity] = {}
    cephfs: CephFSPersistentVolumeSource | None = None
    cinder: CinderPersistentVolumeSource | None = None
    claimRef: Annotated[ObjectReference | None, Granular()] = None
    csi: CSIPersistentVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flexVolume: FlexPersistentVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gcePersistentDisk: GCEPersistentDiskVolumeSource | None = None
    glusterfs: GlusterfsPersistentVolumeSource | None = None
    hostPath: HostPathVolumeSource | None = None
    iscsi: ISCSIPersistentVolumeSource | None = None
    local: LocalVolumeSource | None = None
    mountOptions: list[str] = []
    nfs: NFSVolumeSource | None = None
    nodeAffinity: VolumeNodeAffinity | None = None
    persistentVolumeReclaimPolicy: Annotated[str, Enum("Delete", "Recycle", "Retain")] = ""
    photonPersistentDisk: PhotonPersistentDiskVolumeSource | None = None
    portworxVolume: PortworxVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDPersistentVolumeSource | None = None
    scaleIO: ScaleIOPersistentVolumeSource | None = None
    storageClassName: str = ""
    storageos: StorageOSPersistentVolumeSource | None = None
    volumeAttributesClassName: str | None = None
    volumeMode: Annotated[str | None, Enum("Block", "Filesystem")] = None
    vsphereVolume: VsphereVirtualDiskVolumeSource | None = None


class PersistentVolumeStatus(Model):
    """What became of a volume.

    lastPhaseTransitionTime: When its phase last changed.
    message: Why it is in its phase, for people.
    phase: Pending, Available, Bound, Released or Failed.
    reason: Why it is in its phase, in one word.
    """

    lastPhaseTransitionTime: Time | None = None
    message: str = ""
    phase: Annotated[str, Enum("Available", "Bound", "Failed", "Pending", "Released")] = ""
    reason: str = ""


class PersistentVolume(Model):
    """Storage of the cluster, that a claim can have for itself.

    spec: What and where it is.
    status: What became of it.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: PersistentVolumeSpec = struct()
    status: PersistentVolumeStatus = struct()
