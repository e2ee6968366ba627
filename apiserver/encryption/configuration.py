"""EncryptionConfiguration: which resources are encrypted, and with which keys.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-config-k8s-io-v1-EncryptionConfiguration
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from api.model import JSONObject, Model, Required
from apiserver.configuration_file import ConfigurationError, parse_configuration
from apiserver.encryption.providers import UNCONFIGURED, Cipher, Identity, Transformer, ciphers

_VERSIONS = ("apiserver.config.k8s.io/v1",)
_ANY = "*"


class Key(Model):
    """name: What stored values name it by.
    secret: The key itself, in base64.
    """

    name: Annotated[str, Required()] = ""
    secret: Annotated[str, Required()] = ""


class Keys(Model):
    """keys: The first writes, all read."""

    keys: list[Key] = []


class ProviderConfiguration(Model):
    """One of them.

    aesgcm: AES in Galois/counter mode.
    aescbc: AES in cipher block chaining.
    secretbox: XSalsa20 and Poly1305.
    identity: No encryption.
    kms: A key service, which this server does not ask.
    """

    aesgcm: Keys | None = None
    aescbc: Keys | None = None
    secretbox: Keys | None = None
    identity: JSONObject | None = None
    kms: JSONObject | None = None


class ResourceConfiguration(Model):
    """resources: `secrets`, `deployments.apps`, `*.` (all of the core group), `*.apps`, `*.*`.
    providers: The first writes, all read.
    """

    resources: list[str] = []
    providers: list[ProviderConfiguration] = []


class EncryptionConfiguration(Model):
    """resources: What is encrypted, and how."""

    kind: str = ""
    apiVersion: str = ""
    resources: list[ResourceConfiguration] = []


class Transformers:
    """The transformer of every resource, as the rules say."""

    def __init__(self, rules: Mapping[tuple[str, str], Transformer]) -> None:
        self._rules = rules
        self._found: dict[str, Transformer] = {}

    def of(self, key: str) -> Transformer:
        """`key` is one of the store: `/secrets/…`, `/deployments.apps/…`."""
        group_resource = key[1 : key.index("/", 1)]
        found = self._found.get(group_resource)
        if found is None:
            resource, _, group = group_resource.partition(".")
            found = next(
                (self._rules[rule] for rule in ((resource, group), (_ANY, group), (_ANY, _ANY)) if rule in self._rules),
                UNCONFIGURED,
            )
            self._found[group_resource] = found
        return found


def read_encryption(path: Path) -> tuple[bytes, Transformers]:
    """What the file says, as bytes and understood.  Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    configuration = parse_configuration(content, path, EncryptionConfiguration, _VERSIONS)
    try:
        return content, _transformers(configuration)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _transformers(configuration: EncryptionConfiguration) -> Transformers:
    """Raises ValueError."""
    if not configuration.resources:
        raise ValueError("resources: at least one is required")
    rules: dict[tuple[str, str], list[Cipher]] = {}
    for index, part in enumerate(configuration.resources):
        path = f"resources[{index}]"
        if not part.resources:
            raise ValueError(f"{path}.resources: at least one is required")
        if not part.providers:
            raise ValueError(f"{path}.providers: at least one is required")
        made: list[Cipher] = []
        for number, provider in enumerate(part.providers):
            try:
                made += _ciphers(provider)
            except ValueError as error:
                raise ValueError(f"{path}.providers[{number}]: {error}") from None
        ours = [_rule(name, f"{path}.resources") for name in part.resources]
        _refuse_overlap(ours, f"{path}.resources")
        for name, rule in zip(part.resources, ours, strict=True):
            for mask in {(_ANY, rule[1]), (_ANY, _ANY)} - {rule}:
                if mask in rules:
                    raise ValueError(f"{path}.resources: {name!r} is masked by the earlier rule {'.'.join(mask)!r}")
            rules[rule] = [*rules.get(rule, ()), *made]
    return Transformers({rule: Transformer(made) for rule, made in rules.items()})


def _refuse_overlap(rules: list[tuple[str, str]], path: str) -> None:
    """Raises ValueError: a list that names a resource and all of its group could not mean both."""
    if len(set(rules)) < len(rules):
        raise ValueError(f"{path}: the same resource is named more than once")
    groups = {group for resource, group in rules if resource == _ANY}
    if (_ANY in groups and len(rules) > 1) or any(group in groups and resource != _ANY for resource, group in rules):
        raise ValueError(f"{path}: a resource and the '*' that includes it are in the same list")


def _rule(name: str, path: str) -> tuple[str, str]:
    if name == _ANY:
        raise ValueError(f"{path}: write '*.' for all resources of the core group, or '*.*' for all of all groups")
    if name != name.lower():
        raise ValueError(f"{path}: {name!r} has capital letters, and resources have none")
    resource, _, group = name.partition(".")
    if not resource or (_ANY in resource and resource != _ANY) or (_ANY in group and (resource, group) != (_ANY, _ANY)):
        raise ValueError(f"{path}: {name!r} is no resource; a group's resources are '*.GROUP', and all are '*.*'")
    if group == "events.k8s.io":
        raise ValueError(f"{path}: {name!r} is stored as 'events': write that")
    return resource, group


def _ciphers(provider: ProviderConfiguration) -> list[Cipher]:
    given = [name for name in ProviderConfiguration.model_fields if getattr(provider, name) is not None]
    if len(given) != 1:
        raise ValueError("one provider is required" if not given else f"one provider, not {' and '.join(given)}")
    name = given[0]
    if name == "kms":
        raise ValueError("kms is not supported: use aesgcm, aescbc or secretbox")
    if name == "identity":
        return [Identity()]
    keys: Keys = getattr(provider, name)
    return list(ciphers(name, [(key.name, key.secret) for key in keys.keys]))
