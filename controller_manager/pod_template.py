"""Pods from templates, and the hash that tells templates apart."""

from __future__ import annotations

import orjson

from api.core_v1 import Pod, PodTemplateSpec
from api.meta_v1 import ObjectMeta, OwnerReference
from api.model import Model
from api.scheme import resource_of

HASH_LABEL = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: PodTemplateSpec, collisions: int | None = None) -> str:
    """Eight to ten letters and digits (no vowels: no words) that depend only on the template's content.

    Kubernetes hashes Go's print-out of the struct; here it is the canonical JSON, so the values differ from
    Kubernetes' and nothing else does: the hash is only ever compared with itself.
    """
    data = orjson.dumps(template.to_dict(), option=orjson.OPT_SORT_KEYS)
    if collisions is not None:
        data += collisions.to_bytes(8, "little", signed=True)
    value = 0x811C9DC5  # FNV-1a, 32 bits
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def same_template(one: PodTemplateSpec, other: PodTemplateSpec) -> bool:
    """Whether two templates would make the same pods; the hash label is not part of the question."""
    return one.spec == other.spec and _comparable(one.metadata) == _comparable(other.metadata)


def _comparable(meta: ObjectMeta) -> ObjectMeta:
    if HASH_LABEL not in meta.labels:
        return meta
    return meta.model_copy(update={"labels": {k: v for k, v in meta.labels.items() if k != HASH_LABEL}})


def controller_reference(owner: Model) -> OwnerReference:
    """The owner reference by which `owner` manages an object; it blocks foreground deletion of the owner."""
    resource = resource_of(type(owner))
    meta: ObjectMeta = owner.metadata  # type: ignore[attr-defined]
    return OwnerReference(
        apiVersion=resource.api_version,
        kind=resource.kind,
        name=meta.name,
        uid=meta.uid,
        controller=True,
        blockOwnerDeletion=True,
    )


def pod_from_template(template: PodTemplateSpec, owner: Model, name: str = "") -> Pod:
    """A pod for `owner` to create, named by the server after its owner unless `name` is given."""
    meta: ObjectMeta = owner.metadata  # type: ignore[attr-defined]
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generateName="" if name else f"{meta.name}-",
            namespace=meta.namespace,
            labels=dict(template.metadata.labels),
            annotations=dict(template.metadata.annotations),
            finalizers=[*template.metadata.finalizers],
            ownerReferences=[controller_reference(owner)],
        ),
        spec=template.spec.model_copy(),
    )
