"""The configuration of PodSecurity: defaults for namespaces that say nothing, and who is exempt.

https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.admission.configuration import expect_kind, strings
from apiserver.admission.pod_security.policy import LEVELS, MODES, LevelVersion, Policy, minor_of
from apiserver.configuration_file import ConfigurationError

_GROUP = "pod-security.admission.config.k8s.io"
_EXEMPTIONS = {"namespaces": "namespace", "usernames": "user", "runtimeClasses": "runtimeClass"}


@dataclass(frozen=True)
class PodSecurityConfiguration:
    defaults: Policy
    exemptions: Mapping[str, frozenset[str]]

    def exempt(self, what: str) -> frozenset[str]:
        """The names that are exempt: of a `namespace`, `user` or `runtimeClass`."""
        return self.exemptions.get(what, frozenset())


def parse(document: Mapping[str, Any]) -> PodSecurityConfiguration:
    """Raises ConfigurationError for what is no PodSecurityConfiguration."""
    expect_kind(document, "PodSecurityConfiguration", tuple(f"{_GROUP}/{v}" for v in ("v1", "v1beta1", "v1alpha1")))
    defaults, exemptions = document.get("defaults") or {}, document.get("exemptions") or {}
    for name in defaults:
        if name.removesuffix("-version") not in MODES:
            raise ConfigurationError(f"PodSecurityConfiguration: unknown field defaults.{name}")
    for name in exemptions:
        if name not in _EXEMPTIONS:
            raise ConfigurationError(f"PodSecurityConfiguration: unknown field exemptions.{name}")
    policy = {}
    for mode in MODES:
        level, version = defaults.get(mode) or "privileged", defaults.get(f"{mode}-version") or "latest"
        minor = minor_of(version) if isinstance(version, str) else None
        if level not in LEVELS:
            raise ConfigurationError(f"defaults.{mode}: {level!r} is not one of {', '.join(LEVELS)}")
        if minor is None:
            raise ConfigurationError(f'defaults.{mode}-version: {version!r} is neither "latest" nor "v1.x"')
        policy[mode] = LevelVersion(level, minor)
    exempt = {what: frozenset(strings(exemptions, name)) for name, what in _EXEMPTIONS.items()}
    return PodSecurityConfiguration(Policy(**policy), exempt)
