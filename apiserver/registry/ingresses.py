"""Ingresses: routes from outside to services.

https://kubernetes.io/docs/concepts/services-networking/ingress/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.errors import FieldError, invalid_value, not_supported, required
from api.networking_v1 import HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressStatus
from api.scheme import resource_of
from apiserver.registry.addresses import address, parse
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.names import dns_subdomain, label, port_name, port_number, subdomain, wildcard_subdomain
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.typed_references import validate_typed_reference

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_INSIDE = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_THE_END = ("/..", "/.")
_SHOWN_HOSTS = 3
_NAME_NOT_ADDRESS = "must be a DNS name, not an IP address"


@dataclass(frozen=True)
class IngressStatusUpdate(Status):
    """`/status` of Ingresses: where the controller serves it."""

    def validate_update(self, new: Ingress, old: Ingress) -> Iterable[FieldError]:
        known = {entry.ip for entry in old.status.loadBalancer.ingress}
        for index, entry in enumerate(new.status.loadBalancer.ingress):
            where = f"status.loadBalancer.ingress[{index}]"
            if entry.ip and entry.ip not in known:
                for complaint in address(entry.ip):
                    yield invalid_value(f"{where}.ip", entry.ip, complaint)
            if entry.hostname:
                for complaint in subdomain(entry.hostname):
                    yield invalid_value(f"{where}.hostname", entry.hostname, complaint)
                if parse(entry.hostname) is not None:
                    yield invalid_value(f"{where}.hostname", entry.hostname, _NAME_NOT_ADDRESS)


class Ingresses(Strategy[Ingress]):
    resource = resource_of(Ingress)
    subresources = (IngressStatusUpdate(),)
    columns = (
        NAME,
        Column("Class", lambda i, now: i.spec.ingressClassName or "<none>", description="The class that serves it."),
        Column("Hosts", lambda i, now: _hosts(i), description="The hosts it routes."),
        Column("Address", lambda i, now: _addresses(i), description="Where it is reached."),
        Column("Ports", lambda i, now: "80, 443" if i.spec.tls else "80", description="The ports it listens on."),
        AGE,
    )

    def prepare_for_create(self, new: Ingress, context: Context) -> None:
        new.status = IngressStatus()
        new.metadata.generation = 1

    def prepare_for_update(self, new: Ingress, old: Ingress, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: Ingress) -> Iterator[FieldError]:
        yield from _validate_spec(new)
        annotation = new.metadata.annotations.get(CLASS_ANNOTATION)
        if annotation is not None and new.spec.ingressClassName not in (None, annotation):
            detail = "must match `ingressClassName` when both are specified"
            yield invalid_value(f"annotations.{CLASS_ANNOTATION}", annotation, detail)

    def validate_changed(self, new: Ingress, old: Ingress) -> Iterator[FieldError]:
        yield from _validate_spec(new)

    def warnings(self, new: Ingress, old: Ingress | None) -> Iterable[str]:
        if old is None and CLASS_ANNOTATION in new.metadata.annotations:
            yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


def _validate_spec(ingress: Ingress) -> Iterator[FieldError]:
    spec = ingress.spec
    if not spec.rules and spec.defaultBackend is None:
        yield invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified")
    if spec.defaultBackend is not None:
        yield from _validate_backend(spec.defaultBackend, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules):
        yield from _validate_rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.tls):
        for position, host in enumerate(tls.hosts):
            for complaint in _host_complaints(host):
                yield invalid_value(f"spec.tls[{index}].hosts[{position}]", host, complaint)
        if tls.secretName:
            for complaint in subdomain(tls.secretName):
                yield invalid_value(f"spec.tls[{index}].secretName", tls.secretName, complaint)
    if spec.ingressClassName is not None:
        for complaint in dns_subdomain(spec.ingressClassName):
            yield invalid_value("spec.ingressClassName", spec.ingressClassName, complaint)


def _host_complaints(host: str) -> Iterable[str]:
    return wildcard_subdomain(host) if "*" in host else subdomain(host)


def _validate_rule(rule: IngressRule, path: str) -> Iterator[FieldError]:
    if rule.host:
        if parse(rule.host) is not None:
            yield invalid_value(f"{path}.host", rule.host, _NAME_NOT_ADDRESS)
        for complaint in _host_complaints(rule.host):
            yield invalid_value(f"{path}.host", rule.host, complaint)
    if rule.http is not None:
        if not rule.http.paths:
            yield required(f"{path}.http.paths")
        for index, route in enumerate(rule.http.paths):
            yield from _validate_path(route, f"{path}.http.paths[{index}]")


def _validate_path(route: HTTPIngressPath, path: str) -> Iterator[FieldError]:
    if route.pathType is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    text, where = route.path, f"{path}.path"
    if route.pathType not in _PATH_TYPES:
        yield not_supported(f"{path}.pathType", route.pathType, _PATH_TYPES)
    elif (text or route.pathType != "ImplementationSpecific") and not text.startswith("/"):
        yield invalid_value(where, text, "must be an absolute path")
    if route.pathType in ("Exact", "Prefix"):
        for part in _NOT_INSIDE:
            if part in text:
                yield invalid_value(where, text, f"must not contain '{part}'")
        for ending in _NOT_AT_THE_END:
            if text.endswith(ending):
                yield invalid_value(where, text, f"cannot end with '{ending}'")
    yield from _validate_backend(route.backend, f"{path}.backend")


def _validate_backend(backend: IngressBackend, path: str) -> Iterator[FieldError]:
    service = backend.service
    if backend.resource is not None:
        if service is not None:
            yield invalid_value(path, "", "cannot set both resource and service backends")
        else:
            yield from validate_typed_reference(backend.resource, f"{path}.resource")
    elif service is None:
        yield invalid_value(path, "", "resource or service backend is required")
    else:
        if not service.name:
            yield required(f"{path}.service.name")
        else:
            for complaint in label(service.name):
                yield invalid_value(f"{path}.service.name", service.name, complaint)
        port, where = service.port, f"{path}.service.port"
        if port.name and port.number:
            yield invalid_value(path, "", "cannot set both port name & port number")
        elif port.name:
            for complaint in port_name(port.name):
                yield invalid_value(f"{where}.name", port.name, complaint)
        elif port.number:
            for complaint in port_number(port.number):
                yield invalid_value(f"{where}.number", port.number, complaint)
        else:
            yield required(path, "port name or number is required")


def _hosts(ingress: Ingress) -> str:
    hosts = [rule.host for rule in ingress.spec.rules if rule.host]
    more = f" + {len(hosts) - _SHOWN_HOSTS} more..." if len(hosts) > _SHOWN_HOSTS else ""
    return ",".join(hosts[:_SHOWN_HOSTS]) + more or "*"


def _addresses(ingress: Ingress) -> str:
    shown = {entry.ip or entry.hostname for entry in ingress.status.loadBalancer.ingress} - {""}
    return ",".join(sorted(shown))
