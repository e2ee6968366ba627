"""Volumes by storage systems outside the cluster, one type each; most have moved to CSI drivers."""

from typing import Annotated

from api.core_v1.references import LocalObjectReference
from api.model import Default, Enum, Int32, Model, Required


class AWSElasticBlockStoreVolumeSource(Model):
    """A disk of AWS; its CSI driver has replaced this.

    fsType: The file system.
    partition: The partition; all of the disk when 0.
    readOnly: Whether it cannot be written.
    volumeID: The disk.
    """

    fsType: str = ""
    partition: Int32 = 0
    readOnly: bool = False
    volumeID: str


class AzureDiskVolumeSource(Model):
    """A disk of Azure; its CSI driver has replaced this.

    cachingMode: None, ReadOnly or ReadWrite.
    diskName: The disk's name.
    diskURI: Where the disk is.
    fsType: The file system.
    kind: Shared, Dedicated or Managed.
    readOnly: Whether it cannot be written.
    """

    cachingMode: Annotated[str | None, Enum("None", "ReadOnly", "ReadWrite"), Default("ReadWrite")] = None
    diskName: str
    diskURI: str
    fsType: Annotated[str | None, Default("ext4")] = None
    kind: Annotated[str | None, Enum("Dedicated", "Managed", "Shared"), Default("Shared")] = None
    readOnly: Annotated[bool | None, Default(False)] = None


class AzureFileVolumeSource(Model):
    """A share of Azure; its CSI driver has replaced this.

    readOnly: Whether it cannot be written.
    secretName: The Secret with the account's name and key.
    shareName: The share.
    """

    readOnly: bool = False
    secretName: str
    shareName: str


class CephFSVolumeSource(Model):
    """A Ceph file system; no longer supported.

    monitors: Ceph's monitors.
    path: The directory that is mounted.
    readOnly: Whether it cannot be written.
    secretFile: The file with the user's key.
    secretRef: The Secret with the user's key.
    user: The user.
    """

    monitors: list[str]
    path: str = ""
    readOnly: bool = False
    secretFile: str = ""
    secretRef: LocalObjectReference | None = None
    user: str = ""


class CinderVolumeSource(Model):
    """A disk of OpenStack; its CSI driver has replaced this.

    fsType: The file system.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with how to reach OpenStack.
    volumeID: The disk.
    """

    fsType: str = ""
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    volumeID: str


class FCVolumeSource(Model):
    """A Fibre Channel disk.

    fsType: The file system.
    lun: The unit's number.
    readOnly: Whether it cannot be written.
    targetWWNs: Names of the targets.
    wwids: Identifiers of the disk, instead of target and unit.
    """

    fsType: str = ""
    lun: Int32 | None = None
    readOnly: bool = False
    targetWWNs: list[str] = []
    wwids: list[str] = []


class FlexVolumeSource(Model):
    """A volume by an external program; CSI has replaced it.

    driver: The program.
    fsType: The file system.
    options: Settings for the program.
    readOnly: Whether it cannot be written.
    secretRef: The Secret the program is given.
    """

    driver: str
    fsType: str = ""
    options: dict[str, str] = {}
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None


class FlockerVolumeSource(Model):
    """A Flocker dataset; no longer supported.

    datasetName: The dataset's name.
    datasetUUID: The dataset's identifier.
    """

    datasetName: str = ""
    datasetUUID: str = ""


class GCEPersistentDiskVolumeSource(Model):
    """A disk of Google Cloud; its CSI driver has replaced this.

    fsType: The file system.
    partition: The partition; all of the disk when 0.
    pdName: The disk.
    readOnly: Whether it cannot be written.
    """

    fsType: str = ""
    partition: Int32 = 0
    pdName: str
    readOnly: bool = False


class GitRepoVolumeSource(Model):
    """The content of a git repository; no longer supported.

    directory: Where in the volume it goes.
    repository: Where the repository is.
    revision: The commit.
    """

    directory: str = ""
    repository: str
    revision: str = ""


class GlusterfsVolumeSource(Model):
    """A Gluster volume; no longer supported.

    endpoints: The Endpoints object of the servers.
    path: The volume.
    readOnly: Whether it cannot be written.
    """

    endpoints: str
    path: str
    readOnly: bool = False


class ISCSIVolumeSource(Model):
    """An iSCSI disk.

    chapAuthDiscovery: Whether discovery authenticates with CHAP.
    chapAuthSession: Whether sessions authenticate with CHAP.
    fsType: The file system.
    initiatorName: The initiator's name.
    iqn: The target's name.
    iscsiInterface: The interface; default when unset.
    lun: The unit's number.
    portals: Further portals.
    readOnly: Whether it cannot be written.
    secretRef: The Secret for CHAP.
    targetPortal: The portal.
    """

    chapAuthDiscovery: bool = False
    chapAuthSession: bool = False
    fsType: str = ""
    initiatorName: str | None = None
    iqn: str
    iscsiInterface: Annotated[str, Default("default")] = ""
    lun: Int32
    portals: list[str] = []
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    targetPortal: str


class NFSVolumeSource(Model):
    """A directory of an NFS server.

    path: The directory.
    readOnly: Whether it cannot be written.
    server: The server.
    """

    path: str
    readOnly: bool = False
    server: str


class PhotonPersistentDiskVolumeSource(Model):
    """A Photon disk; no longer supported.

    fsType: The file system.
    pdID: The disk.
    """

    fsType: str = ""
    pdID: str


class PortworxVolumeSource(Model):
    """A Portworx volume; its CSI driver has replaced this.

    fsType: The file system.
    readOnly: Whether it cannot be written.
    volumeID: The volume.
    """

    fsType: str = ""
    readOnly: bool = False
    volumeID: str


class QuobyteVolumeSource(Model):
    """A Quobyte volume; no longer supported.

    group: The group it belongs to.
    readOnly: Whether it cannot be written.
    registry: Quobyte's registries.
    tenant: The tenant.
    user: The user it belongs to.
    volume: The volume.
    """

    group: str = ""
    readOnly: bool = False
    registry: str
    tenant: str = ""
    user: str = ""
    volume: str


class RBDVolumeSource(Model):
    """A Ceph block device; no longer supported.

    fsType: The file system.
    image: The device.
    keyring: The file with the user's key.
    monitors: Ceph's monitors.
    pool: The pool; rbd when unset.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with the user's key.
    user: The user; admin when unset.
    """

    fsType: str = ""
    image: str
    keyring: Annotated[str, Default("/etc/ceph/keyring")] = ""
    monitors: list[str]
    pool: Annotated[str, Default("rbd")] = ""
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    user: Annotated[str, Default("admin")] = ""


class ScaleIOVolumeSource(Model):
    """A ScaleIO volume; no longer supported.

    fsType: The file system.
    gateway: Where the gateway is.
    protectionDomain: The protection domain.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with user and password.
    sslEnabled: Whether the gateway is reached by TLS.
    storageMode: ThinProvisioned or ThickProvisioned.
    storagePool: The storage pool.
    system: The storage system.
    volumeName: The volume.
    """

    fsType: Annotated[str, Default("xfs")] = ""
    gateway: str
    protectionDomain: str = ""
    readOnly: bool = False
    secretRef: Annotated[LocalObjectReference | None, Required()] = None
    sslEnabled: bool = False
    storageMode: Annotated[str, Default("ThinProvisioned")] = ""
    storagePool: str = ""
    system: str
    volumeName: str = ""


class StorageOSVolumeSource(Model):
    """A StorageOS volume; no longer supported.

    fsType: The file system.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with how to reach StorageOS.
    volumeName: The volume.
    volumeNamespace: The volume's namespace there.
    """

    fsType: str = ""
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    volumeName: str = ""
    volumeNamespace: str = ""


class VsphereVirtualDiskVolumeSource(Model):
    """A disk of vSphere; its CSI driver has replaced this.

    fsType: The file system.
    storagePolicyID: The storage policy's identifier.
    storagePolicyName: The storage policy's name.
    volumePath: The disk.
    """

    fsType: str = ""
    storagePolicyID: str = ""
    storagePolicyName: str = ""
    volumePath: str
