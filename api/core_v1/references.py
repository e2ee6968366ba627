"""Pointers from one object to another, or into one."""

from typing import Annotated

from api.model import Default, Int32, Model, NullString, Quantity, atomic, null


@atomic
class LocalObjectReference(Model):
    """Names an object in the same namespace.

    name: The object's name.
    """

    name: Annotated[str, Default("")] = ""


@atomic
class ObjectReference(Model):
    """Points at an object, or into one.

    apiVersion: The object's API version.
    fieldPath: A part of the object, such as spec.containers{name}.
    kind: The object's kind.
    name: The object's name.
    namespace: The object's namespace.
    resourceVersion: The version that is meant, if a certain one is.
    uid: The object's uid.
    """

    apiVersion: str = ""
    fieldPath: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    uid: str = ""


@atomic
class SecretReference(Model):
    """Names a secret of any namespace.

    name: The secret's name.
    namespace: The secret's namespace.
    """

    name: str = ""
    namespace: str = ""


@atomic
class TypedLocalObjectReference(Model):
    """Names an object of some kind in the same namespace.

    name: The object's name.
    apiGroup: The kind's API group; empty for the core group.
    kind: The object's kind.
    """

    name: str
    apiGroup: NullString = null()
    kind: str


class TypedObjectReference(Model):
    """Names an object of some kind, possibly in another namespace.

    name: The object's name.
    apiGroup: The kind's API group; empty for the core group.
    kind: The object's kind.
    namespace: The object's namespace, the own one when empty.
    """

    name: str
    apiGroup: NullString = null()
    kind: str
    namespace: str | None = None


@atomic
class ObjectFieldSelector(Model):
    """Names a field of the pod itself.

    apiVersion: The API version the path is written in; v1 when empty.
    fieldPath: The field, such as metadata.name or status.podIP.
    """

    apiVersion: str = ""
    fieldPath: str


@atomic
class ResourceFieldSelector(Model):
    """Names a resource limit or request of a container.

    containerName: The container; needed in volumes, implied in environment variables.
    divisor: The unit the value is given in; 1 when empty.
    resource: The resource, such as limits.cpu or requests.memory.
    """

    containerName: str = ""
    divisor: Quantity | None = None
    resource: str


@atomic
class ConfigMapKeySelector(Model):
    """Names a key of a ConfigMap.

    key: The key.
    name: The ConfigMap's name.
    optional: Whether the pod starts without it.
    """

    key: str
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


@atomic
class SecretKeySelector(Model):
    """Names a key of a Secret.

    key: The key.
    name: The Secret's name.
    optional: Whether the pod starts without it.
    """

    key: str
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


@atomic
class FileKeySelector(Model):
    """Names a variable in a file of a volume.

    key: The variable's name in the file.
    optional: Whether the container starts without it.
    path: The file, relative to the volume.
    volumeName: The volume.
    """

    key: str
    optional: Annotated[bool | None, Default(False)] = None
    path: str
    volumeName: str


class KeyToPath(Model):
    """Gives a key of a volume's source its file.

    key: The key.
    mode: The file's permission bits; the volume's default when unset.
    path: The file, relative to the volume.
    """

    key: str
    mode: Int32 | None = None
    path: str
