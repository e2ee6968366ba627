"""What a pod can mount."""

from typing import Annotated

from api.core_v1.references import (
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    ResourceFieldSelector,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from api.core_v1.volume_drivers import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import Default, Enum, Int32, Int64, Model, NotRequired, NullWhenEmpty, Quantity, Required, struct


class ConfigMapVolumeSource(Model):
    """A ConfigMap whose keys are files.

    defaultMode: The files' permission bits; 0644 when unset.
    items: Which keys are which files; every key its own when empty.
    name: The ConfigMap's name.
    optional: Whether the pod starts without it.
    """

    defaultMode: Int32 | None = None
    items: list[KeyToPath] = []
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class CSIVolumeSource(Model):
    """A volume that a CSI driver makes for the pod.

    driver: The driver's name.
    fsType: The file system.
    nodePublishSecretRef: The Secret the driver is given.
    readOnly: Whether it cannot be written.
    volumeAttributes: Settings for the driver.
    """

    driver: str
    fsType: str | None = None
    nodePublishSecretRef: LocalObjectReference | None = None
    readOnly: bool | None = None
    volumeAttributes: dict[str, str] = {}


class DownwardAPIVolumeFile(Model):
    """A file with something about the pod.

    fieldRef: The pod's field that it holds.
    mode: The file's permission bits; the volume's default when unset.
    path: The file, relative to the volume.
    resourceFieldRef: The container's resource that it holds.
    """

    fieldRef: ObjectFieldSelector | None = None
    mode: Int32 | None = None
    path: str
    resourceFieldRef: ResourceFieldSelector | None = None


class DownwardAPIVolumeSource(Model):
    """Files with what is known about the pod.

    defaultMode: The files' permission bits; 0644 when unset.
    items: The files.
    """

    defaultMode: Int32 | None = None
    items: list[DownwardAPIVolumeFile] = []


class EmptyDirVolumeSource(Model):
    """A directory that lives as long as the pod.

    medium: Where it is: the node's disk when empty, Memory, or HugePages.
    sizeLimit: How much it may hold.
    """

    medium: str = ""
    sizeLimit: Quantity | None = None


class VolumeResourceRequirements(Model):
    """How much storage is wanted.

    limits: The most.
    requests: The least.
    """

    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class PersistentVolumeClaimSpec(Model):
    """What storage a claim wants.

    accessModes: How it will be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod.
    dataSource: A snapshot or claim it starts as a copy of.
    dataSourceRef: The same, for any kind of object.
    resources: How much storage is wanted.
    selector: Labels the volume must have.
    storageClassName: The storage class; the default one when unset.
    volumeAttributesClassName: The class of attributes that can be changed later.
    volumeMode: Filesystem, or Block for a raw device.
    volumeName: The volume it is bound to.
    """

    accessModes: list[Annotated[str, Enum("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")]] = []
    dataSource: TypedLocalObjectReference | None = None
    dataSourceRef: TypedObjectReference | None = None
    resources: VolumeResourceRequirements = struct()
    selector: LabelSelector | None = None
    storageClassName: str | None = None
    volumeAttributesClassName: str | None = None
    volumeMode: Annotated[str | None, Enum("Block", "Filesystem")] = None
    volumeName: str = ""


class PersistentVolumeClaimTemplate(Model):
    """What a claim is made from.

    metadata: Labels and annotations of the claim.
    spec: What storage it wants.
    """

    metadata: ObjectMeta = struct()
    spec: Annotated[PersistentVolumeClaimSpec, Required()] = struct()


class EphemeralVolumeSource(Model):
    """A claim of its own for each pod, which goes with it.

    volumeClaimTemplate: What the claim is made from.
    """

    volumeClaimTemplate: PersistentVolumeClaimTemplate | None = None


class HostPathVolumeSource(Model):
    """A file or directory of the node.

    path: Where it is.
    type: What must be there: Directory, File, Socket, CharDevice, BlockDevice, or DirectoryOrCreate and FileOrCreate.
    """

    path: str
    type: Annotated[
        str | None,
        Enum("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
    ] = None


class ImageVolumeSource(Model):
    """The content of an image.

    pullPolicy: Always, IfNotPresent or Never.
    reference: The image.
    """

    pullPolicy: Annotated[str, Enum("Always", "IfNotPresent", "Never")] = ""
    reference: str = ""


class PersistentVolumeClaimVolumeSource(Model):
    """The storage that a claim has.

    claimName: The claim's name.
    readOnly: Whether it cannot be written.
    """

    claimName: str
    readOnly: bool = False


class ClusterTrustBundleProjection(Model):
    """Certificates of trusted authorities, as a file.

    labelSelector: Selects bundles of a signer.
    name: The bundle.
    optional: Whether the pod starts without it.
    path: The file, relative to the volume.
    signerName: The signer whose bundles are meant.
    """

    labelSelector: LabelSelector | None = None
    name: str | None = None
    optional: bool | None = None
    path: str
    signerName: str | None = None


class ConfigMapProjection(Model):
    """Keys of a ConfigMap, as files.

    items: Which keys are which files; every key its own when empty.
    name: The ConfigMap's name.
    optional: Whether the pod starts without it.
    """

    items: list[KeyToPath] = []
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class DownwardAPIProjection(Model):
    """Files with what is known about the pod.

    items: The files.
    """

    items: list[DownwardAPIVolumeFile] = []


class PodCertificateProjection(Model):
    """A certificate for the pod and its key, as files.

    certificateChainPath: The file for the certificates.
    credentialBundlePath: The file for key and certificates together.
    keyPath: The file for the key.
    keyType: The kind of key.
    maxExpirationSeconds: The longest the certificate may be valid.
    signerName: Who signs it.
    userAnnotations: Notes for the signer.
    """

    certificateChainPath: str = ""
    credentialBundlePath: str = ""
    keyPath: str = ""
    keyType: Annotated[str, Required()] = ""
    maxExpirationSeconds: Int32 | None = None
    signerName: Annotated[str, Required()] = ""
    userAnnotations: dict[str, str] = {}


class SecretProjection(Model):
    """Keys of a Secret, as files.

    items: Which keys are which files; every key its own when empty.
    name: The Secret's name.
    optional: Whether the pod starts without it.
    """

    items: list[KeyToPath] = []
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class ServiceAccountTokenProjection(Model):
    """A token of the pod's service account, as a file that is renewed in time.

    audience: Whom the token is for; the API server when empty.
    expirationSeconds: Seconds it is valid; an hour when unset.
    path: The file, relative to the volume.
    """

    audience: str = ""
    expirationSeconds: Int64 | None = None
    path: str


class VolumeProjection(Model):
    """One source of a projected volume; one of these.

    clusterTrustBundle: Certificates of trusted authorities.
    configMap: Keys of a ConfigMap.
    downwardAPI: What is known about the pod.
    podCertificate: A certificate for the pod.
    secret: Keys of a Secret.
    serviceAccountToken: A token of the pod's service account.
    """

    clusterTrustBundle: ClusterTrustBundleProjection | None = None
    configMap: ConfigMapProjection | None = None
    downwardAPI: DownwardAPIProjection | None = None
    podCertificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    serviceAccountToken: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(Model):
    """Several sources in one directory.

    defaultMode: The files' permission bits; 0644 when unset.
    sources: The sources.
    """

    defaultMode: Int32 | None = None
    sources: Annotated[list[VolumeProjection], NullWhenEmpty(), NotRequired()]


class SecretVolumeSource(Model):
    """A Secret whose keys are files.

    defaultMode: The files' permission bits; 0644 when unset.
    items: Which keys are which files; every key its own when empty.
    optional: Whether the pod starts without it.
    secretName: The Secret's name.
    """

    defaultMode: Int32 | None = None
    items: list[KeyToPath] = []
    optional: bool | None = None
    secretName: str = ""


class Volume(Model):
    """Something containers can mount: a name, and one source.

    name: The volume's name in the pod.
    awsElasticBlockStore: A disk of AWS.
    azureDisk: A disk of Azure.
    azureFile: A share of Azure.
    cephfs: A Ceph file system.
    cinder: A disk of OpenStack.
    configMap: A ConfigMap whose keys are files.
    csi: A volume that a CSI driver makes for the pod.
    downwardAPI: Files with what is known about the pod.
    emptyDir: A directory that lives as long as the pod.
    ephemeral: A claim of its own for each pod, which goes with it.
    fc: A Fibre Channel disk.
    flexVolume: A volume by an external program.
    flocker: A Flocker dataset.
    gcePersistentDisk: A disk of Google Cloud.
    gitRepo: The content of a git repository.
    glusterfs: A Gluster volume.
    hostPath: A file or directory of the node.
    image: The content of an image.
    iscsi: An iSCSI disk.
    nfs: A directory of an NFS server.
    persistentVolumeClaim: The storage that a claim has.
    photonPersistentDisk: A Photon disk.
    portworxVolume: A Portworx volume.
    projected: Several sources in one directory.
    quobyte: A Quobyte volume.
    rbd: A Ceph block device.
    scaleIO: A ScaleIO volume.
    secret: A Secret whose keys are files.
    storageos: A StorageOS volume.
    vsphereVolume: A disk of vSphere.
    """

    name: str
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource | None = None
    azureDisk: AzureDiskVolumeSource | None = None
    azureFile: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    configMap: ConfigMapVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    downwardAPI: DownwardAPIVolumeSource | None = None
    emptyDir: EmptyDirVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flexVolume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gcePersistentDisk: GCEPersistentDiskVolumeSource | None = None
    gitRepo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    hostPath: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    persistentVolumeClaim: PersistentVolumeClaimVolumeSource | None = None
    photonPersistentDisk: PhotonPersistentDiskVolumeSource | None = None
    portworxVolume: PortworxVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scaleIO: ScaleIOVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphereVolume: VsphereVirtualDiskVolumeSource | None = None
