"""IngressClasses: which controller serves an ingress."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, forbidden, invalid_value, not_supported, required, too_long
from api.networking_v1 import IngressClass, IngressClassParametersReference
from api.scheme import resource_of
from apiserver.registry.columns import AGE
from apiserver.registry.names import dns_label, http_path, subdomain
from apiserver.registry.strategy import Column, Context, Strategy
from apiserver.registry.typed_references import validate_typed_reference

_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_LONGEST = 250
_SCOPES = ("Cluster", "Namespace")


def is_default(ingress_class: IngressClass) -> bool:
    """Whether ingresses that name no class get it."""
    return ingress_class.metadata.annotations.get(_DEFAULT_CLASS) == "true"


class IngressClasses(Strategy[IngressClass]):
    resource = resource_of(IngressClass)
    columns = (
        Column(
            "Name",
            lambda c, now: f"{c.metadata.name} (default)" if is_default(c) else c.metadata.name,
            format="name",
            description="The class's name, and whether ingresses that name none get it.",
        ),
        Column("Controller", lambda c, now: c.spec.controller, description="The controller that serves it."),
        Column("Parameters", lambda c, now: _parameters(c), description="An object with further settings."),
        AGE,
    )

    def default(self, obj: IngressClass) -> None:
        if obj.spec.parameters is not None and obj.spec.parameters.scope is None:
            obj.spec.parameters.scope = "Cluster"

    def prepare_for_create(self, new: IngressClass, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(self, new: IngressClass, old: IngressClass, context: Context) -> None:
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: IngressClass) -> Iterator[FieldError]:
        controller = new.spec.controller
        if not controller:
            yield required("spec.controller")
        else:
            if len(controller.encode()) > _LONGEST:
                yield too_long("spec.controller", _LONGEST)
            yield from _validate_domain_prefixed(controller, "spec.controller")
        if new.spec.parameters is not None:
            yield from _validate_parameters(new.spec.parameters, "spec.parameters")

    def validate_changed(self, new: IngressClass, old: IngressClass) -> Iterator[FieldError]:
        if new.spec.controller != old.spec.controller:
            yield invalid_value("spec.controller", new.spec.controller, "field is immutable")
        yield from self.validate(new)


def _validate_domain_prefixed(text: str, path: str) -> Iterator[FieldError]:
    host, _, rest = text.partition("/")
    if not host or not rest:
        yield invalid_value(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    for complaint in subdomain(host):
        yield invalid_value(path, host, complaint)
    for complaint in http_path(rest):
        yield invalid_value(path, rest, complaint)


def _validate_parameters(parameters: IngressClassParametersReference, path: str) -> Iterator[FieldError]:
    yield from validate_typed_reference(parameters, path)
    where = f"{path}.namespace"
    match parameters.scope:
        case None:
            yield required(f"{path}.scope")
        case "Namespace":
            if parameters.namespace is None:
                yield required(where, "`parameters.scope` is set to 'Namespace'")
            else:
                for complaint in dns_label(parameters.namespace):
                    yield invalid_value(where, parameters.namespace, complaint)
        case "Cluster":
            if parameters.namespace is not None:
                yield forbidden(where, "`parameters.scope` is set to 'Cluster'")
        case scope:
            yield not_supported(f"{path}.scope", scope, _SCOPES)


def _parameters(ingress_class: IngressClass) -> str:
    parameters = ingress_class.spec.parameters
    if parameters is None:
        return "<none>"
    kind = f"{parameters.kind}.{parameters.apiGroup}" if parameters.apiGroup else parameters.kind
    return f"{kind}/{parameters.name}"
