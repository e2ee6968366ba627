"""Probes and lifecycle hooks of containers."""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import Container, HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.registry.names import header_name, port_name, port_number

_SCHEMES = ("HTTP", "HTTPS")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate_probes(container: Container, grace: int, path: str) -> Iterator[FieldError]:
    """Complaints about lifecycle hooks and the three probes, in that order; `grace` is the pod's, in seconds."""
    if container.lifecycle is not None:
        yield from _validate_lifecycle(container.lifecycle, grace, f"{path}.lifecycle")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe: Probe | None = getattr(container, name)
        if probe is None:
            continue
        where = f"{path}.{name}"
        yield from _validate_probe(probe, grace, where)
        if name == "readinessProbe":
            if probe.terminationGracePeriodSeconds is not None:
                seconds = probe.terminationGracePeriodSeconds
                detail = "must not be set for readinessProbes"
                yield invalid_value(f"{where}.terminationGracePeriodSeconds", seconds, detail)
        elif probe.successThreshold != 1:
            yield invalid_value(f"{where}.successThreshold", probe.successThreshold, "must be 1")


def _validate_probe(probe: Probe, grace: int, path: str) -> Iterator[FieldError]:
    yield from _validate_handler(probe, grace, path)
    for name in _COUNTS:
        value = getattr(probe, name)
        if value < 0:
            yield invalid_value(f"{path}.{name}", value, "must be greater than or equal to 0")
    seconds = probe.terminationGracePeriodSeconds
    if seconds is not None and seconds <= 0:
        yield invalid_value(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0")


def _validate_lifecycle(lifecycle: Lifecycle, grace: int, path: str) -> Iterator[FieldError]:
    if lifecycle.postStart is not None:
        yield from _validate_handler(lifecycle.postStart, grace, f"{path}.postStart")
    if lifecycle.preStop is not None:
        yield from _validate_handler(lifecycle.preStop, grace, f"{path}.preStop")


def _validate_handler(handler: Probe | LifecycleHandler, grace: int, path: str) -> Iterator[FieldError]:
    found = False
    for name in ("exec", "httpGet", "tcpSocket", "grpc", "sleep"):
        action = getattr(handler, name, None)
        if action is None:
            continue
        where = f"{path}.{name}"
        if found:
            yield forbidden(where, "may not specify more than 1 handler type")
            continue
        found = True
        match name:
            case "exec":
                if not action.command:
                    yield required(f"{where}.command")
            case "httpGet":
                yield from _validate_http_get(action, where)
            case "sleep":
                if not 0 <= action.seconds <= grace:
                    detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                    yield invalid_value(where, action.seconds, detail)
            case _:
                yield from _validate_port(action.port, f"{where}.port")
    if not found:
        yield required(path, "must specify a handler type")


def _validate_http_get(action: HTTPGetAction, path: str) -> Iterator[FieldError]:
    if not action.path:
        yield required(f"{path}.path")
    yield from _validate_port(action.port, f"{path}.port")
    if action.scheme not in _SCHEMES:
        yield not_supported(f"{path}.scheme", action.scheme, _SCHEMES)
    for header in action.httpHeaders:
        for complaint in header_name(header.name):
            yield invalid_value(f"{path}.httpHeaders", header.name, complaint)


def _validate_port(port: int | str, path: str) -> Iterator[FieldError]:
    for complaint in port_name(port) if isinstance(port, str) else port_number(port):
        yield invalid_value(path, port, complaint)
