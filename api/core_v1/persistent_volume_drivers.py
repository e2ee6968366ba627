"""Where a persistent volume's data can be, where that differs from what a pod can mount by itself: secrets of any
namespace can be named."""

from typing import Annotated

from api.core_v1.references import ObjectReference, SecretReference
from api.model import Default, Int32, Model, NullString, Required, null


class AzureFilePersistentVolumeSource(Model):
    """A share of Azure.

    readOnly: Whether it cannot be written.
    secretName: The Secret with account and key.
    secretNamespace: The Secret's namespace; the claim's when unset.
    shareName: The share.
    """

    readOnly: bool = False
    secretName: str
    secretNamespace: NullString = null()
    shareName: str


class CephFSPersistentVolumeSource(Model):
    """A directory of CephFS.

    monitors: The monitors' addresses.
    path: The directory; the root when empty.
    readOnly: Whether it cannot be written.
    secretFile: The key ring's file.
    secretRef: The Secret with the key, instead of secretFile.
    user: The user; admin when empty.
    """

    monitors: list[str]
    path: str = ""
    readOnly: bool = False
    secretFile: str = ""
    secretRef: SecretReference | None = None
    user: str = ""


class CinderPersistentVolumeSource(Model):
    """A disk of OpenStack.

    fsType: The file system.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with which OpenStack is reached.
    volumeID: The disk.
    """

    fsType: str = ""
    readOnly: bool = False
    secretRef: SecretReference | None = None
    volumeID: str


class CSIPersistentVolumeSource(Model):
    """A volume of a CSI driver.

    controllerExpandSecretRef: The Secret the driver is given to expand it.
    controllerPublishSecretRef: The Secret the driver is given to attach it.
    driver: The driver's name.
    fsType: The file system.
    nodeExpandSecretRef: The Secret the driver is given to expand it on the node.
    nodePublishSecretRef: The Secret the driver is given to mount it for a pod.
    nodeStageSecretRef: The Secret the driver is given to mount it on the node.
    readOnly: Whether it cannot be written.
    volumeAttributes: Settings for the driver.
    volumeHandle: The driver's name for it.
    """

    controllerExpandSecretRef: SecretReference | None = None
    controllerPublishSecretRef: SecretReference | None = None
    driver: str
    fsType: str = ""
    nodeExpandSecretRef: SecretReference | None = None
    nodePublishSecretRef: SecretReference | None = None
    nodeStageSecretRef: SecretReference | None = None
    readOnly: bool = False
    volumeAttributes: dict[str, str] = {}
    volumeHandle: str


class FlexPersistentVolumeSource(Model):
    """A volume of a FlexVolume driver; deprecated.

    driver: The driver's name.
    fsType: The file system.
    options: Settings for the driver.
    readOnly: Whether it cannot be written.
    secretRef: The Secret the driver is given.
    """

    driver: str
    fsType: str = ""
    options: dict[str, str] = {}
    readOnly: bool = False
    secretRef: SecretReference | None = None


class GlusterfsPersistentVolumeSource(Model):
    """A GlusterFS volume; no longer supported.

    endpoints: The Endpoints object with the servers' addresses.
    endpointsNamespace: Its namespace; the claim's when unset.
    path: The volume.
    readOnly: Whether it cannot be written.
    """

    endpoints: str
    endpointsNamespace: str | None = None
    path: str
    readOnly: bool = False


class ISCSIPersistentVolumeSource(Model):
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
    secretRef: SecretReference | None = None
    targetPortal: str


class LocalVolumeSource(Model):
    """A disk or directory of one node.

    fsType: The file system, for a disk.
    path: The disk or directory.
    """

    fsType: str | None = None
    path: str


class RBDPersistentVolumeSource(Model):
    """A RADOS block device.

    fsType: The file system.
    image: The image.
    keyring: The key ring's file.
    monitors: The monitors' addresses.
    pool: The pool.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with the key, instead of the key ring.
    user: The user.
    """

    fsType: str = ""
    image: str
    keyring: Annotated[str, Default("/etc/ceph/keyring")] = ""
    monitors: list[str]
    pool: Annotated[str, Default("rbd")] = ""
    readOnly: bool = False
    secretRef: SecretReference | None = None
    user: Annotated[str, Default("admin")] = ""


class ScaleIOPersistentVolumeSource(Model):
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
    secretRef: Annotated[SecretReference | None, Required()] = None
    sslEnabled: bool = False
    storageMode: Annotated[str, Default("ThinProvisioned")] = ""
    storagePool: str = ""
    system: str
    volumeName: str = ""


class StorageOSPersistentVolumeSource(Model):
    """A StorageOS volume; no longer supported.

    fsType: The file system.
    readOnly: Whether it cannot be written.
    secretRef: The Secret with which StorageOS is reached.
    volumeName: The volume.
    volumeNamespace: The volume's namespace in StorageOS.
    """

    fsType: str = ""
    readOnly: bool = False
    secretRef: ObjectReference | None = None
    volumeName: str = ""
    volumeNamespace: str = ""
