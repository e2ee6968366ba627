"""The rules of volumes.  https://kubernetes.io/docs/concepts/storage/volumes/"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.core_v1 import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    EphemeralVolumeSource,
    KeyToPath,
    ProjectedVolumeSource,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
)
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.quantity import parse
from apiserver.registry.environment import IN_FILES, validate_field_ref, validate_resource_ref
from apiserver.registry.file_paths import validate_file_path
from apiserver.registry.labels import validate_labels
from apiserver.registry.names import label, subdomain
from apiserver.registry.object_meta import validate_annotations
from apiserver.registry.volume_drivers import DRIVER_RULES, Rule

_BAD_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32  # seconds
_NOT_OF_TEMPLATES = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip

# The order in which Kubernetes looks for them: all but the first are refused.
_KINDS = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
# Errors name some kinds in a way of their own: one that is a second kind, and one with a mistake inside.
_SECOND = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
_INSIDE = {"gcePersistentDisk": "persistentDisk"}


def validate_volumes(volumes: list[Volume], path: str, pod_name: str) -> tuple[list[FieldError], dict[str, Volume]]:
    """Complaints about volumes, and those without any by name: no other can be mounted.

    `pod_name` is that of the pod they are of, from which the claims of ephemeral volumes are named; empty in a
    template.
    """
    errors: list[FieldError] = []
    valid: dict[str, Volume] = {}
    created = {f"{pod_name}-{volume.name}" for volume in volumes if volume.ephemeral is not None} if pod_name else set()
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        found = list(_validate_source(volume, where, pod_name))
        if not volume.name:
            found.append(required(f"{where}.name"))
        else:
            found += [invalid_value(f"{where}.name", volume.name, complaint) for complaint in label(volume.name)]
        if volume.name in valid:
            found.append(duplicate(f"{where}.name", volume.name))
        elif not found:
            valid[volume.name] = volume
        errors += found
        claim = volume.persistentVolumeClaim
        if claim is not None and claim.claimName in created:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid_value(f"{where}.persistentVolumeClaim.claimName", claim.claimName, detail))
    return errors, valid


def _validate_source(volume: Volume, path: str, pod_name: str) -> Iterator[FieldError]:
    found = False
    for kind in _KINDS:
        source = getattr(volume, kind)
        if source is None:
            continue
        if found:
            yield forbidden(f"{path}.{_SECOND.get(kind, kind)}", "may not specify more than 1 volume type")
        else:
            found = True
            yield from _RULES[kind](source, f"{path}.{_INSIDE.get(kind, kind)}")
            if kind == "ephemeral" and pod_name and volume.name:
                claim = f"{pod_name}-{volume.name}"
                for complaint in subdomain(claim):
                    yield invalid_value(f"{path}.name", volume.name, f'PVC name "{claim}": {complaint}')
            if kind == "image" and pod_name and not source.reference:
                yield required(f"{path}.image.reference")
        if kind == "iscsi" and source.initiatorName is not None and len(f"{volume.name}:{source.targetPortal}") > 64:
            detail = (
                "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
                "if iscsi.initiatorName is specified."
            )
            yield invalid_value(f"{path}.name", volume.name, detail)
    if not found:
        yield required(path, "must specify a volume type")


def _validate_mode(mode: int | None, path: str) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid_value(path, mode, _BAD_MODE)


def _validate_items(items: list[KeyToPath], path: str) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        where = f"{path}.items[{index}]"
        if not item.key:
            yield required(f"{where}.key")
        if not item.path:
            yield required(f"{where}.path")
        yield from validate_file_path(item.path, f"{where}.path")
        yield from _validate_mode(item.mode, f"{where}.mode")


def _validate_config_map(source: ConfigMapVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.name:
        yield required(f"{path}.name")
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    yield from _validate_items(source.items, path)


def _validate_secret(source: SecretVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.secretName:
        yield required(f"{path}.secretName")
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    yield from _validate_items(source.items, path)


def _validate_downward(source: Any, path: str) -> Iterator[FieldError]:
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    yield from _validate_downward_items(source.items, path)


def _validate_downward_items(items: list[DownwardAPIVolumeFile], path: str) -> Iterator[FieldError]:
    for item in items:
        if not item.path:
            yield required(f"{path}.path")
        yield from validate_file_path(item.path, f"{path}.path")
        if item.fieldRef is not None:
            yield from validate_field_ref(item.fieldRef, IN_FILES, f"{path}.fieldRef")
            if item.resourceFieldRef is not None:
                yield invalid_value(
                    path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif item.resourceFieldRef is not None:
            yield from validate_resource_ref(item.resourceFieldRef, f"{path}.resourceFieldRef", in_volume=True)
        else:
            yield required(path, "one of fieldRef and resourceFieldRef is required")
        yield from _validate_mode(item.mode, f"{path}.mode")


def _validate_empty_dir(source: EmptyDirVolumeSource, path: str) -> Iterator[FieldError]:
    if source.sizeLimit is not None and parse(source.sizeLimit) < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _validate_claim_template(source: EphemeralVolumeSource, path: str) -> Iterator[FieldError]:
    if source.volumeClaimTemplate is None:
        yield required(f"{path}.volumeClaimTemplate")
        return
    # Few pods have one: the rules of claims are loaded when one does.
    from apiserver.registry.claim_spec import validate_claim_spec

    template, where = source.volumeClaimTemplate, f"{path}.volumeClaimTemplate"
    yield from validate_annotations(template.metadata.annotations, f"{where}.metadata.annotations")
    yield from validate_labels(template.metadata.labels, f"{where}.metadata.labels")
    given = template.metadata.to_dict()
    for field in _NOT_OF_TEMPLATES:
        if field in given:
            yield forbidden(f"{where}.metadata.{'uID' if field == 'uid' else field}", "cannot be set")
    yield from validate_claim_spec(template.spec, f"{where}.spec")


def _validate_image(source: Any, path: str) -> Iterator[FieldError]:
    if source.pullPolicy and source.pullPolicy not in _PULL_POLICIES:
        yield not_supported(f"{path}.pullPolicy", source.pullPolicy, _PULL_POLICIES)


def _validate_projected(source: ProjectedVolumeSource, path: str) -> Iterator[FieldError]:
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    taken: set[str] = set()
    for index, projection in enumerate(source.sources):
        where = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            named = getattr(projection, kind)
            if named is not None:
                if not named.name:
                    yield required(f"{where}.{kind}.name")
                yield from _validate_items(named.items, f"{where}.{kind}")
                yield from _conflicts([item.path for item in named.items], taken, path, named.name)
        if projection.downwardAPI is not None:
            items = projection.downwardAPI.items
            yield from _validate_downward_items(items, f"{where}.downwardAPI")
            yield from _conflicts([item.path for item in items], taken, path)
        if projection.serviceAccountToken is not None:
            yield from _validate_token(projection.serviceAccountToken, f"{where}.serviceAccountToken", path)
        if sum(value is not None for _, value in projection) > 1:
            yield forbidden(where, "may not specify more than 1 volume type per source")


def _validate_token(token: ServiceAccountTokenProjection, path: str, volume: str) -> Iterator[FieldError]:
    seconds = token.expirationSeconds or 0
    if seconds < _SHORTEST_TOKEN:
        yield invalid_value(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST_TOKEN:
        detail = "may not specify a duration larger than 2^32 seconds"
        yield invalid_value(f"{path}.expirationSeconds", seconds, detail)
    if not token.path:
        yield required(f"{volume}.path")
    else:
        yield from validate_file_path(token.path, f"{volume}.path")


def _conflicts(targets: list[str], taken: set[str], path: str, shown: str | None = None) -> Iterator[FieldError]:
    """Two sources must not make the same file; `shown` is what the error quotes, the file's path unless given."""
    for target in targets:
        if target and target in taken:
            yield invalid_value(path, target if shown is None else shown, "conflicting duplicate paths")
        taken.add(target)


_RULES: dict[str, Rule] = {
    **DRIVER_RULES,
    "configMap": _validate_config_map,
    "secret": _validate_secret,
    "downwardAPI": _validate_downward,
    "emptyDir": _validate_empty_dir,
    "ephemeral": _validate_claim_template,
    "image": _validate_image,
    "projected": _validate_projected,
}
