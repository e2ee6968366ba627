"""Pointers from one object to another, or into one."""

from typing import Annotated

from api.model import Default, Int32, Model, Quantity, atomic


@atomic
class LocalObjectReference(Model):
    name: Annotated[str, Default("")] = ""


@atomic
class ObjectReference(Model):
    apiVersion: str = ""
    fieldPath: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    uid: str = ""


@atomic
class SecretReference(Model):
    name: str = ""
    namespace: str = ""


@atomic
class TypedLocalObjectReference(Model):
    name: str
    apiGroup: str | None = None
    kind: str


class TypedObjectReference(Model):
    name: str
    apiGroup: str | None = None
    kind: str
    namespace: str | None = None


@atomic
class ObjectFieldSelector(Model):
    apiVersion: str = ""
    fieldPath: str


@atomic
class ResourceFieldSelector(Model):
    containerName: str = ""
    divisor: Quantity | None = None
    resource: str


@atomic
class ConfigMapKeySelector(Model):
    key: str
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


@atomic
class SecretKeySelector(Model):
    key: str
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


@atomic
class FileKeySelector(Model):
    key: str
    optional: Annotated[bool | None, Default(False)] = None
    path: str
    volumeName: str


class KeyToPath(Model):
    key: str
    mode: Int32 | None = None
    path: str
