"""The environment variables of a container.

Later sources win: `envFrom` in its order, then the variables that tell of services (only where nothing else
sets them), then `env` in its order, in which each value may refer to those before it with `$(NAME)`.
See https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables and
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from api.core_v1 import ConfigMap, Container, EnvVarSource, Pod, Secret, Service
from api.errors import NotFound
from kubelet.field_path import FieldPathError, field_value, resource_value

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class Configuration(Protocol):
    """Where ConfigMaps and Secrets come from."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        """Raises NotFound."""
        ...

    async def secret(self, namespace: str, name: str) -> Secret:
        """Raises NotFound."""
        ...


class ConfigurationError(Exception):
    """The container cannot be made as specified: a key or an object it needs does not exist (yet)."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; unknown names stay as they are and `$$` is a plain `$`."""

    def replacement(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return values.get(found[1], found[0])

    return _REFERENCE.sub(replacement, text) if "$" in text else text


def service_variables(services: Iterable[Service], namespace: str, links: bool) -> dict[str, str]:
    """Variables for the services of a namespace (if links are wanted) and for the API server's, always.

    Headless services have none.
    """
    chosen: dict[str, Service] = {}
    for service in services:
        address = service.spec.clusterIP
        if not address or address == "None":
            continue
        is_api = service.metadata.namespace == "default" and service.metadata.name == "kubernetes"
        if links and service.metadata.namespace == namespace:
            chosen[service.metadata.name] = service
        elif is_api:
            chosen.setdefault(service.metadata.name, service)
    variables: dict[str, str] = {}
    for name in sorted(chosen):
        variables.update(_variables_of(chosen[name]))
    return variables


def _variables_of(service: Service) -> dict[str, str]:
    prefix = service.metadata.name.upper().replace("-", "_")
    address = service.spec.clusterIP
    host = f"[{address}]" if ":" in address else address
    variables = {f"{prefix}_SERVICE_HOST": address}
    for index, port in enumerate(service.spec.ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        if index == 0:
            variables[f"{prefix}_SERVICE_PORT"] = str(port.port)
            variables[f"{prefix}_PORT"] = url
        if port.name:
            variables[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        link = f"{prefix}_PORT_{port.port}_{protocol}"
        variables |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": str(port.port)}
        variables[f"{link}_ADDR"] = address
    return variables


async def environment(
    pod: Pod,
    container: Container,
    configuration: Configuration,
    services: Iterable[Service],
    allocatable: Mapping[str, str],
    pod_ips: tuple[str, ...],
    host_ips: tuple[str, ...],
) -> dict[str, str]:
    """All variables of a container.  Raises ConfigurationError with Kubernetes' message."""
    links = pod.spec.enableServiceLinks is not False
    service_values = service_variables(services, pod.metadata.namespace, links)
    values = await _from_objects(pod, container, configuration)
    for variable in container.env:
        if variable.valueFrom is None:
            values[variable.name] = expand(variable.value, service_values | values)
            continue
        source = variable.valueFrom
        if source.fieldRef is not None or source.resourceFieldRef is not None:
            values[variable.name] = _downward(pod, container, source, allocatable, pod_ips, host_ips)
            continue
        found = await _keyed(pod, source, configuration)
        if found is not None:
            values[variable.name] = found
    return service_values | values


async def _from_objects(pod: Pod, container: Container, configuration: Configuration) -> dict[str, str]:
    values: dict[str, str] = {}
    namespace = pod.metadata.namespace
    for source in container.envFrom:
        data: dict[str, str] = {}
        optional: bool | None = None
        try:
            if source.configMapRef is not None:
                optional = source.configMapRef.optional
                data = (await configuration.config_map(namespace, source.configMapRef.name)).data
            elif source.secretRef is not None:
                optional = source.secretRef.optional
                data = decoded((await configuration.secret(namespace, source.secretRef.name)).data)
        except NotFound as error:
            if not optional:
                raise ConfigurationError(error.message) from error
        values.update({source.prefix + key: value for key, value in data.items()})
    return values


def decoded(data: Mapping[str, str]) -> dict[str, str]:
    """A Secret's values as text; bytes that are no UTF-8 survive as surrogates, as the system passes them on."""
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


def _downward(
    pod: Pod,
    container: Container,
    source: EnvVarSource,
    allocatable: Mapping[str, str],
    pod_ips: tuple[str, ...],
    host_ips: tuple[str, ...],
) -> str:
    try:
        if source.fieldRef is not None:
            return field_value(pod, source.fieldRef.fieldPath, pod_ips, host_ips)
        assert source.resourceFieldRef is not None
        return resource_value(pod, source.resourceFieldRef, allocatable, container)
    except FieldPathError as error:
        raise ConfigurationError(str(error)) from error


async def _keyed(pod: Pod, source: EnvVarSource, configuration: Configuration) -> str | None:
    """The value of one key, or None when it is optional and does not exist."""
    namespace = pod.metadata.namespace
    try:
        if source.configMapKeyRef is not None:
            kind, key, name = "ConfigMap", source.configMapKeyRef.key, source.configMapKeyRef.name
            optional = bool(source.configMapKeyRef.optional)
            value = (await configuration.config_map(namespace, name)).data.get(key)
        elif source.secretKeyRef is not None:
            kind, key, name = "Secret", source.secretKeyRef.key, source.secretKeyRef.name
            optional = bool(source.secretKeyRef.optional)
            value = decoded((await configuration.secret(namespace, name)).data).get(key)
        else:
            raise ConfigurationError("this source of an environment variable is not supported")
    except NotFound as error:
        if optional:
            return None
        raise ConfigurationError(error.message) from error
    if value is None and not optional:
        raise ConfigurationError(f"couldn't find key {key} in {kind} {namespace}/{name}")
    return value
