"""Configuration and identity that pods are given."""

from typing import Annotated

from api.core_v1.references import LocalObjectReference, ObjectReference
from api.meta_v1 import ObjectMeta
from api.model import Base64, ListMap, Merge, Model, struct


class ConfigMap(Model):
    """Configuration for pods, as keys and values.

    binaryData: Values that are not text, in base64; keys must differ from those of data.
    data: Values that are text.
    immutable: When true the values cannot change any more.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    binaryData: dict[str, Base64] = {}
    data: dict[str, str] = {}
    immutable: bool | None = None


class Secret(Model):
    """Values for pods that not everybody may see.

    data: The values, in base64.
    immutable: When true the values cannot change any more.
    stringData: Values in plain text, for writing only; they are stored in data.
    type: What the secret is for, and so which keys it must have; Opaque when empty.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    data: dict[str, Base64] = {}
    immutable: bool | None = None
    stringData: dict[str, str] = {}
    type: str = ""


class ServiceAccount(Model):
    """The identity of the programs in pods.

    automountServiceAccountToken: Whether pods get a token of the account without asking.
    imagePullSecrets: Secrets that pods of this account pull images with.
    secrets: Secrets that pods of this account may use; rarely set nowadays.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    automountServiceAccountToken: bool | None = None
    imagePullSecrets: list[LocalObjectReference] = []
    secrets: Annotated[list[ObjectReference], ListMap("name"), Merge("name")] = []
