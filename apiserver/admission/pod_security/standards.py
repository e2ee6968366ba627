"""Judges a pod by a level and version of the Pod Security Standards."""

from __future__ import annotations

from functools import lru_cache

from api.core_v1 import PodSpec
from api.meta_v1 import ObjectMeta
from apiserver.admission.pod_security import baseline, restricted
from apiserver.admission.pod_security.check import CheckFunction, Pod, Violation
from apiserver.admission.pod_security.policy import LevelVersion


def violations(asked: LevelVersion, metadata: ObjectMeta, spec: PodSpec) -> list[Violation]:
    """What keeps a pod, or the pods of a template, from a level; empty when nothing does."""
    pod = Pod(metadata, spec)
    return [found for check in _checks(asked.level, asked.minor) if (found := check(pod)) is not None]


@lru_cache(64)
def _checks(level: str, minor: int) -> tuple[CheckFunction, ...]:
    if level == "privileged":
        return ()
    stricter = [check for check in restricted.CHECKS if level == "restricted" and check.as_of(minor)]
    replaced = {check.replaces for check in stricter}
    checks = [check for check in baseline.CHECKS if check.name not in replaced] + stricter
    return tuple(function for check in checks if (function := check.as_of(minor)) is not None)
