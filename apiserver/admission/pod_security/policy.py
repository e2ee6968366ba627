"""Which level of the Pod Security Standards holds in a namespace: labels say so, or the configuration's defaults.

https://kubernetes.io/docs/concepts/security/pod-security-admission/#pod-security-admission-labels-for-namespaces
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from api.errors import FieldError, invalid_value

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
"""From the least to the most strict."""
MODES = ("enforce", "audit", "warn")
_is_version = re.compile(r"v1\.(0|[1-9][0-9]{0,8})").fullmatch
_LATEST = 1 << 31


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A level as of a minor version of Kubernetes, such as `baseline:v1.30`."""

    level: str = "privileged"
    minor: int = _LATEST

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.level)

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == _LATEST else f'v1.{self.minor}'}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What pods are refused for, what is noted in the audit log, what users are warned of."""

    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()

    def modes(self) -> Iterator[tuple[str, LevelVersion]]:
        for mode in MODES:
            yield mode, getattr(self, mode)

    @property
    def is_privileged(self) -> bool:
        """Whether it lets everything pass in silence."""
        return all(asked.level == "privileged" for _, asked in self.modes())


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """The policy of a namespace with these labels, and what is wrong with them.

    A level that is none refuses what it can (enforce) and says nothing (audit, warn); a version that is none is the
    latest.
    """
    policy, errors = defaults, []
    for mode, asked in defaults.modes():
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if level is not None:
            if level in LEVELS:
                asked = replace(asked, level=level)
            else:
                asked = replace(asked, level="restricted" if mode == "enforce" else "privileged")
                errors.append(_invalid(mode, level, f"must be one of {', '.join(LEVELS)}"))
        if version is not None:
            minor = minor_of(version)
            asked = replace(asked, minor=_LATEST if minor is None else minor)
            if minor is None:
                errors.append(_invalid(f"{mode}-version", version, 'must be "latest" or "v1.x"'))
        policy = replace(policy, **{mode: asked})
    return _warning_too(policy, labels), errors


def _warning_too(policy: Policy, labels: Mapping[str, str]) -> Policy:
    """Whoever enforces a level, and says nothing of warnings, is warned of templates whose pods would be refused."""
    enforce, warn = policy.enforce, policy.warn
    asked = labels.get(f"{PREFIX}enforce") in LEVELS and f"{PREFIX}warn" not in labels
    if not asked or enforce.strictness <= warn.strictness:
        return policy
    minor = warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor
    return replace(policy, warn=LevelVersion(enforce.level, minor))


def minor_of(version: str) -> int | None:
    """The minor version that `v1.30` or `latest` names; None when it names none."""
    if version == "latest":
        return _LATEST
    return int(version.removeprefix("v1.")) if _is_version(version) else None


def _invalid(name: str, value: str, detail: str) -> FieldError:
    return invalid_value(f"metadata.labels[{PREFIX}{name}]", value, detail)
