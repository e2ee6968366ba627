"""Annotations of pods that the API server knows, most of them from the time before there were fields for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.core_v1 import AppArmorProfile, Container, EphemeralContainer, PodSpec, SeccompProfile, Toleration
from api.errors import FieldError, forbidden, invalid_value
from api.meta_v1 import ObjectMeta
from apiserver.registry.file_paths import validate_descending
from apiserver.registry.json_text import complaint_about_json
from apiserver.registry.scheduling import validate_tolerations

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
MIRROR = "kubernetes.io/config.mirror"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_LOCALHOST = "localhost/"
_SECCOMP_NAMES = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
_APP_ARMOR_NAMES = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}


def all_containers(spec: PodSpec, path: str) -> Iterator[tuple[str, Container | EphemeralContainer]]:
    """Every container of a pod with its path, init containers first."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, kind)):
            yield f"{path}.{kind}[{index}]", container


def validate_pod_annotations(spec: PodSpec, meta: ObjectMeta, path: str) -> Iterator[FieldError]:
    """Complaints about the annotations next to a pod's spec; `path` is theirs."""
    annotations = meta.annotations
    mirror = annotations.get(MIRROR)
    if mirror is not None and not spec.nodeName:
        yield invalid_value(f"{path}[{MIRROR}]", mirror, "must set spec.nodeName if mirror pod annotation is set")
    if annotations.get(TOLERATIONS):
        yield from _validate_tolerations(annotations[TOLERATIONS], path)
    cost = annotations.get(DELETION_COST)
    if cost is not None and not _is_cost(cost):
        yield invalid_value(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer")
    for key in sorted(annotations):
        if key == SECCOMP_POD or key.startswith(SECCOMP_CONTAINER):
            yield from _validate_seccomp(annotations[key], f"{path}.{key}")
    names = {container.name for _, container in all_containers(spec, "")}
    for key in sorted(annotations):
        if not key.startswith(APP_ARMOR):
            continue
        name, profile = key.removeprefix(APP_ARMOR), annotations[key]
        if name not in names:
            yield invalid_value(f"{path}[{key}]", name, "container not found")
        if profile not in ("", "runtime/default", "unconfined") and not profile.startswith(_LOCALHOST):
            yield invalid_value(f"{path}[{key}]", profile, f'invalid AppArmor profile name: "{profile}"')


def validate_annotation_changes(new: ObjectMeta, old: ObjectMeta, path: str) -> Iterator[FieldError]:
    """Some say what the kubelet has acted upon already: these stay as they are."""
    for after, before, word in ((new, old, "remove or update"), (old, new, "add")):
        for key in sorted(before.annotations):
            if (key in after.annotations) if word == "add" else after.annotations.get(key) == before.annotations[key]:
                continue
            if key.startswith(APP_ARMOR):
                yield forbidden(f"{path}[{key}]", f"may not {word} AppArmor annotations")
            if key == MIRROR:
                yield forbidden(f"{path}[{key}]", f"may not {word} mirror pod annotation")


def validate_agreement(spec: PodSpec, meta: ObjectMeta, path: str) -> Iterator[FieldError]:
    """Where both an annotation and a field name a security profile, it is the same one; `path` is the spec's."""
    annotations = meta.annotations
    context = spec.securityContext
    pod_seccomp = context.seccompProfile if context is not None else None
    pod_app_armor = context.appArmorProfile if context is not None else None
    if pod_seccomp is not None and SECCOMP_POD in annotations:
        where = f"{path}.securityContext.seccompProfile"
        yield from _validate_same(annotations[SECCOMP_POD], pod_seccomp, where, "seccomp", _SECCOMP_NAMES)
    for where, container in all_containers(spec, path):
        own, key = container.securityContext, SECCOMP_CONTAINER + container.name
        if own is not None and own.seccompProfile is not None and key in annotations:
            place = f"{where}.securityContext.seccompProfile"
            yield from _validate_same(annotations[key], own.seccompProfile, place, "seccomp", _SECCOMP_NAMES)
    if spec.os is not None and spec.os.name == "windows":
        return
    for where, container in all_containers(spec, path):
        own, key = container.securityContext, APP_ARMOR + container.name
        profile = (own.appArmorProfile if own is not None else None) or pod_app_armor
        if profile is not None and key in annotations:
            place = f"{where}.securityContext.appArmorProfile"
            yield from _validate_same(annotations[key], profile, place, "apparmor", _APP_ARMOR_NAMES)


def _validate_same(
    text: str, profile: SeccompProfile | AppArmorProfile, path: str, kind: str, names: Mapping[str, tuple[str, ...]]
) -> Iterator[FieldError]:
    different = f"{kind} type in annotation and field must match"
    if profile.type in names:
        if text not in names[profile.type]:
            yield forbidden(f"{path}.type", different)
    elif profile.type == "Localhost":
        if not text.startswith(_LOCALHOST):
            yield forbidden(f"{path}.type", different)
        elif profile.localhostProfile != text.removeprefix(_LOCALHOST):
            yield forbidden(f"{path}.localhostProfile", f"{kind} profile in annotation and field must match")


def _is_cost(text: str) -> bool:
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and (text == "0" or not text.startswith("0"))
    return plain and -(2**31) <= int(text) < 2**31


def _validate_tolerations(text: str, path: str) -> Iterator[FieldError]:
    """Nothing heeds them any more, but they have to be tolerations still."""
    complaint = complaint_about_json(text.encode(), list, "[]core.Toleration")
    if complaint:
        yield invalid_value(path, TOLERATIONS, complaint)
        return
    written = [each for each in json.loads(text) or () if isinstance(each, dict)]
    yield from validate_tolerations([_toleration(each) for each in written], f"{path}.{TOLERATIONS}")


def _toleration(written: Mapping[str, Any]) -> Toleration:
    known = dict.fromkeys(("key", "operator", "value", "effect"), str) | {"tolerationSeconds": int}
    return Toleration(**{name: written[name] for name, kind in known.items() if isinstance(written.get(name), kind)})


def _validate_seccomp(profile: str, path: str) -> Iterator[FieldError]:
    if profile.startswith(_LOCALHOST):
        yield from validate_descending(profile.removeprefix(_LOCALHOST), path)
    elif profile not in ("runtime/default", "docker/default", "unconfined"):
        yield invalid_value(path, profile, "must be a valid seccomp profile")
