"""Pointers from one object to another, or into one."""

from api.model import Int32, Model, Quantity


class LocalObjectReference(Model):
    name: str


class ObjectReference(Model):
    apiVersion: str = ""
    fieldPath: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    uid: str = ""


class SecretReference(Model):
    name: str = ""
    namespace: str = ""


class TypedLocalObjectReference(Model):
    name: str
    apiGroup: str | None = None
    kind: str


class TypedObjectReference(Model):
    name: str
    apiGroup: str | None = None
    kind: str
    namespace: str | None = None


class ObjectFieldSelector(Model):
    apiVersion: str = ""
    fieldPath: str


class ResourceFieldSelector(Model):
    containerName: str = ""
    divisor: Quantity | None = None
    resource: str


class ConfigMapKeySelector(Model):
    key: str
    name: str
    optional: bool | None = None


class SecretKeySelector(Model):
    key: str
    name: str
    optional: bool | None = None


class FileKeySelector(Model):
    key: str
    optional: bool | None = None
    path: str
    volumeName: str


class KeyToPath(Model):
    key: str
    mode: Int32 | None = None
    path: str
