"""The names that types and operations go by in published documents."""

from __future__ import annotations

from api.model import Model
from api.scheme import GroupVersion

COMPONENTS = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
ALTERNATIVES = {"Array": "an array of such schemas", "Bool": "a truth value", "StringArray": "an array of strings"}
"""What may stand in the place of a schema in a schema, by the name of the type that allows either."""
SCALARS = {
    "Quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "IntOrString": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "Time": META + "Time",
    "MicroTime": META + "MicroTime",
    "RawExtension": "io.k8s.apimachinery.pkg.runtime.RawExtension",
    **{name: APIEXTENSIONS + name for name in ("JSON", *(f"JSONSchemaPropsOr{what}" for what in ALTERNATIVES))},
}
_PACKAGES = {
    "meta": "io.k8s.apimachinery.pkg.apis.meta",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}


def component(model: type[Model]) -> str:
    """`io.k8s.api.apps.v1.Deployment`: the type's name in a document's components."""
    group, _, version = model.__module__.split(".")[1].rpartition("_")
    return f"{_PACKAGES.get(group, f'io.k8s.api.{group}')}.{version}.{model.__name__}"


def list_of(name: str) -> str:
    return name + "List"


def operation_group(version: GroupVersion) -> str:
    """The group's part of an operation's name: CoreV1, AppsV1, RbacAuthorizationV1."""
    words = version.group.removesuffix(".k8s.io").split(".") if version.group else ["core"]
    return "".join(_camel(word) for word in words) + version.version.capitalize()


def tag(version: GroupVersion) -> str:
    """What operations are grouped by: core_v1, rbacAuthorization_v1."""
    name = operation_group(version).removesuffix(version.version.capitalize())
    return f"{name[0].lower()}{name[1:]}_{version.version}"


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in text.split("-"))
