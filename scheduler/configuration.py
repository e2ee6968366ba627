"""KubeSchedulerConfiguration, the file of `--config`
(https://kubernetes.io/docs/reference/scheduling/config/)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.duration import parse_duration
from api.errors import FieldError, duplicate, forbidden, invalid_value, required
from api.model import Int32, Int64, Model, struct
from scheduler.plugin_args import API_VERSION, ConfigurationError, decoded

KIND = "KubeSchedulerConfiguration"
_NATIVE_SUFFIX = "kubernetes.io"


class PluginReference(Model):
    name: str = ""
    weight: Int32 | None = None


class PluginSet(Model):
    enabled: list[PluginReference] = []
    disabled: list[PluginReference] = []


class Plugins(Model):
    preEnqueue: PluginSet = struct()
    queueSort: PluginSet = struct()
    preFilter: PluginSet = struct()
    filter: PluginSet = struct()
    postFilter: PluginSet = struct()
    preScore: PluginSet = struct()
    score: PluginSet = struct()
    reserve: PluginSet = struct()
    permit: PluginSet = struct()
    preBind: PluginSet = struct()
    bind: PluginSet = struct()
    postBind: PluginSet = struct()
    placementGenerate: PluginSet = struct()
    placementScore: PluginSet = struct()
    multiPoint: PluginSet = struct()

    def at(self, point: str) -> PluginSet:
        found: PluginSet = getattr(self, point)
        return found


class PluginConfig(Model):
    name: str = ""
    args: dict[str, Any] = {}


class Profile(Model):
    schedulerName: str = "default-scheduler"
    percentageOfNodesToScore: Int32 | None = None
    plugins: Plugins = struct()
    pluginConfig: list[PluginConfig] = []


class TLSConfig(Model):
    insecure: bool = False
    serverName: str = ""
    certFile: str = ""
    keyFile: str = ""
    caFile: str = ""
    certData: str = ""
    keyData: str = ""
    caData: str = ""


class ManagedResource(Model):
    name: str = ""
    ignoredByScheduler: bool = False


class ExtenderConfig(Model):
    """One HTTP extender: https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/."""

    urlPrefix: str = ""
    filterVerb: str = ""
    preemptVerb: str = ""
    prioritizeVerb: str = ""
    weight: Int64 = 0
    bindVerb: str = ""
    enableHTTPS: bool = False
    tlsConfig: TLSConfig | None = None
    httpTimeout: str = ""
    nodeCacheCapable: bool = False
    managedResources: list[ManagedResource] = []
    ignorable: bool = False

    @property
    def seconds(self) -> float:
        return parse_duration(self.httpTimeout) if self.httpTimeout else 5.0


class LeaderElection(Model):
    leaderElect: bool | None = None
    leaseDuration: str = ""
    renewDeadline: str = ""
    retryPeriod: str = ""
    resourceLock: str = ""
    resourceName: str = ""
    resourceNamespace: str = ""


class ClientConnection(Model):
    kubeconfig: str = ""
    acceptContentTypes: str = ""
    contentType: str = ""
    qps: float | int = 0
    burst: Int32 = 0


class Configuration(Model):
    apiVersion: str = ""
    kind: str = ""
    parallelism: Int32 = 16
    leaderElection: LeaderElection = struct()
    clientConnection: ClientConnection = struct()
    enableProfiling: bool = True
    enableContentionProfiling: bool = True
    percentageOfNodesToScore: Int32 | None = None
    podInitialBackoffSeconds: Int64 = 1
    podMaxBackoffSeconds: Int64 = 10
    profiles: list[Profile] = []
    extenders: list[ExtenderConfig] = []
    delayCacheUntilActive: bool = False


def read(path: Path) -> Configuration:
    """The file's configuration with at least one profile.  Raises ConfigurationError."""
    import yaml

    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return parse(document)


def parse(document: object) -> Configuration:
    """The same from what the file holds."""
    if not isinstance(document, dict):
        raise ConfigurationError(f"the file holds no {KIND}")
    kind, version = document.get("kind"), document.get("apiVersion")
    if (kind, version) != (KIND, API_VERSION):
        raise ConfigurationError(f"the file holds {kind} of {version}, and has to hold {KIND} of {API_VERSION}")
    configuration = decoded(Configuration, document, KIND)
    configuration.profiles = configuration.profiles or [Profile()]
    errors = [*_problems(configuration)]
    if errors:
        raise ConfigurationError(*errors)
    return configuration


def _problems(configuration: Configuration) -> Iterator[FieldError]:
    if configuration.parallelism <= 0:
        detail = "should be an integer value greater than zero"
        yield invalid_value("parallelism", configuration.parallelism, detail)
    names: dict[str, int] = {}
    for i, profile in enumerate(configuration.profiles):
        path = f"profiles[{i}]"
        if not profile.schedulerName:
            yield required(f"{path}.schedulerName")
        if profile.schedulerName in names:
            yield duplicate(f"{path}.schedulerName", f"profiles[{names[profile.schedulerName]}].schedulerName")
        names[profile.schedulerName] = i
        yield from _percentage(f"{path}.percentageOfNodesToScore", profile.percentageOfNodesToScore)
        if profile.plugins.queueSort != configuration.profiles[0].plugins.queueSort:
            where = f"{path}.plugins.queueSort"
            yield invalid_value(where, profile.plugins.queueSort.to_dict(), "has to match for all profiles")
        configured = [entry.name for entry in profile.pluginConfig]
        for j, name in enumerate(configured):
            if not name:
                yield required(f"{path}.pluginConfig[{j}].name")
            if name in configured[:j]:
                yield duplicate(f"{path}.pluginConfig[{j}]", name)
    yield from _percentage("percentageOfNodesToScore", configuration.percentageOfNodesToScore)
    first, last = configuration.podInitialBackoffSeconds, configuration.podMaxBackoffSeconds
    if first <= 0:
        yield invalid_value("podInitialBackoffSeconds", first, "must be greater than 0")
    if last < first:
        yield invalid_value("podMaxBackoffSeconds", last, "must be greater than or equal to PodInitialBackoffSeconds")
    yield from _extender_problems(configuration.extenders)
    for name in ("leaseDuration", "renewDeadline", "retryPeriod"):
        text = getattr(configuration.leaderElection, name)
        if text and not _is_duration(text):
            yield invalid_value(f"leaderElection.{name}", text, "must be a duration such as 15s")


def _percentage(path: str, value: int | None) -> Iterator[FieldError]:
    if value is not None and not 0 <= value <= 100:
        yield invalid_value(path, value, "not in valid range [0-100]")


def _extender_problems(extenders: list[ExtenderConfig]) -> Iterator[FieldError]:
    managed: set[str] = set()
    for i, extender in enumerate(extenders):
        path = f"extenders[{i}]"
        if extender.prioritizeVerb and extender.weight <= 0:
            yield invalid_value(f"{path}.weight", extender.weight, "must have a positive weight applied to it")
        if extender.httpTimeout and not _is_duration(extender.httpTimeout):
            yield invalid_value(f"{path}.httpTimeout", extender.httpTimeout, "must be a duration such as 5s")
        if extender.tlsConfig is not None and (extender.tlsConfig.certData or extender.tlsConfig.keyData):
            yield forbidden(f"{path}.tlsConfig", "name the client's certificate and key by certFile and keyFile")
        for j, resource in enumerate(extender.managedResources):
            where, group = f"{path}.managedResources[{j}].name", resource.name.rpartition("/")[0]
            if not group or group == _NATIVE_SUFFIX or group.endswith(f".{_NATIVE_SUFFIX}"):
                detail = f"{resource.name} is an invalid extended resource name"
                yield invalid_value(where, resource.name, detail)
            if resource.name in managed:
                yield invalid_value(where, resource.name, "duplicate extender managed resource name")
            managed.add(resource.name)
    binders = sum(bool(extender.bindVerb) for extender in extenders)
    if binders > 1:
        found = f"found {binders} extenders implementing bind"
        yield invalid_value("extenders", found, "only one extender can implement bind")


def _is_duration(text: str) -> bool:
    try:
        return parse_duration(text) >= 0
    except ValueError:
        return False


__all__ = ["Configuration", "ConfigurationError", "ExtenderConfig", "PluginSet", "Profile", "parse", "read"]
