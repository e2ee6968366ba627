"""Configuration and identity that pods are given."""

from typing import Annotated

from api.core_v1.references import LocalObjectReference, ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Base64, ListMap, Merge, Model, struct


class ConfigMap(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    binaryData: dict[str, Base64] = {}
    data: dict[str, str] = {}
    immutable: bool | None = None


class Secret(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    data: dict[str, Base64] = {}
    immutable: bool | None = None
    stringData: dict[str, str] = {}
    type: str = ""


class ServiceAccount(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    automountServiceAccountToken: bool | None = None
    imagePullSecrets: list[LocalObjectReference] = []
    secrets: Annotated[list[ObjectReference], ListMap("name"), Merge("name")] = []
