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
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import Default, Enum, Int32, Int64, Model, Quantity, Required, struct


class AWSElasticBlockStoreVolumeSource(Model):
    fsType: str = ""
    partition: Int32 = 0
    readOnly: bool = False
    volumeID: str


class AzureDiskVolumeSource(Model):
    cachingMode: Annotated[str | None, Enum("None", "ReadOnly", "ReadWrite"), Default("ReadWrite")] = None
    diskName: str
    diskURI: str
    fsType: Annotated[str | None, Default("ext4")] = None
    kind: Annotated[str | None, Enum("Dedicated", "Managed", "Shared"), Default("Shared")] = None
    readOnly: Annotated[bool | None, Default(False)] = None


class AzureFileVolumeSource(Model):
    readOnly: bool = False
    secretName: str
    shareName: str


class CephFSVolumeSource(Model):
    monitors: list[str]
    path: str = ""
    readOnly: bool = False
    secretFile: str = ""
    secretRef: LocalObjectReference | None = None
    user: str = ""


class CinderVolumeSource(Model):
    fsType: str = ""
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    volumeID: str


class ConfigMapVolumeSource(Model):
    defaultMode: Int32 | None = None
    items: list[KeyToPath] = []
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class CSIVolumeSource(Model):
    driver: str
    fsType: str | None = None
    nodePublishSecretRef: LocalObjectReference | None = None
    readOnly: bool | None = None
    volumeAttributes: dict[str, str] = {}


class DownwardAPIVolumeFile(Model):
    fieldRef: ObjectFieldSelector | None = None
    mode: Int32 | None = None
    path: str
    resourceFieldRef: ResourceFieldSelector | None = None


class DownwardAPIVolumeSource(Model):
    defaultMode: Int32 | None = None
    items: list[DownwardAPIVolumeFile] = []


class EmptyDirVolumeSource(Model):
    medium: str = ""
    sizeLimit: Quantity | None = None


class VolumeResourceRequirements(Model):
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class PersistentVolumeClaimSpec(Model):
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
    metadata: ObjectMeta = struct()
    spec: Annotated[PersistentVolumeClaimSpec, Required()] = struct()


class EphemeralVolumeSource(Model):
    volumeClaimTemplate: PersistentVolumeClaimTemplate | None = None


class FCVolumeSource(Model):
    fsType: str = ""
    lun: Int32 = 0
    readOnly: bool = False
    targetWWNs: list[str] = []
    wwids: list[str] = []


class FlexVolumeSource(Model):
    driver: str
    fsType: str = ""
    options: dict[str, str] = {}
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None


class FlockerVolumeSource(Model):
    datasetName: str = ""
    datasetUUID: str = ""


class GCEPersistentDiskVolumeSource(Model):
    fsType: str = ""
    partition: Int32 = 0
    pdName: str
    readOnly: bool = False


class GitRepoVolumeSource(Model):
    directory: str = ""
    repository: str
    revision: str = ""


class GlusterfsVolumeSource(Model):
    endpoints: str
    path: str
    readOnly: bool = False


class HostPathVolumeSource(Model):
    path: str
    type: Annotated[
        str | None,
        Enum("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
    ] = None


class ImageVolumeSource(Model):
    pullPolicy: Annotated[str, Enum("Always", "IfNotPresent", "Never")] = ""
    reference: str = ""


class ISCSIVolumeSource(Model):
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
    path: str
    readOnly: bool = False
    server: str


class PersistentVolumeClaimVolumeSource(Model):
    claimName: str
    readOnly: bool = False


class PhotonPersistentDiskVolumeSource(Model):
    fsType: str = ""
    pdID: str


class PortworxVolumeSource(Model):
    fsType: str = ""
    readOnly: bool = False
    volumeID: str


class ClusterTrustBundleProjection(Model):
    labelSelector: LabelSelector | None = None
    name: str | None = None
    optional: bool | None = None
    path: str
    signerName: str | None = None


class ConfigMapProjection(Model):
    items: list[KeyToPath] = []
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class DownwardAPIProjection(Model):
    items: list[DownwardAPIVolumeFile] = []


class PodCertificateProjection(Model):
    certificateChainPath: str = ""
    credentialBundlePath: str = ""
    keyPath: str = ""
    keyType: Annotated[str, Required()] = ""
    maxExpirationSeconds: Int32 | None = None
    signerName: Annotated[str, Required()] = ""
    userAnnotations: dict[str, str] = {}


class SecretProjection(Model):
    items: list[KeyToPath] = []
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class ServiceAccountTokenProjection(Model):
    audience: str = ""
    expirationSeconds: Int64 | None = None
    path: str


class VolumeProjection(Model):
    clusterTrustBundle: ClusterTrustBundleProjection | None = None
    configMap: ConfigMapProjection | None = None
    downwardAPI: DownwardAPIProjection | None = None
    podCertificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    serviceAccountToken: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(Model):
    defaultMode: Int32 | None = None
    sources: list[VolumeProjection] = []


class QuobyteVolumeSource(Model):
    group: str = ""
    readOnly: bool = False
    registry: str
    tenant: str = ""
    user: str = ""
    volume: str


class RBDVolumeSource(Model):
    fsType: str = ""
    image: str
    keyring: Annotated[str, Default("/etc/ceph/keyring")] = ""
    monitors: list[str]
    pool: Annotated[str, Default("rbd")] = ""
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    user: Annotated[str, Default("admin")] = ""


class ScaleIOVolumeSource(Model):
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


class SecretVolumeSource(Model):
    defaultMode: Int32 | None = None
    items: list[KeyToPath] = []
    optional: bool | None = None
    secretName: str = ""


class StorageOSVolumeSource(Model):
    fsType: str = ""
    readOnly: bool = False
    secretRef: LocalObjectReference | None = None
    volumeName: str = ""
    volumeNamespace: str = ""


class VsphereVirtualDiskVolumeSource(Model):
    fsType: str = ""
    storagePolicyID: str = ""
    storagePolicyName: str = ""
    volumePath: str


class Volume(Model):
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
