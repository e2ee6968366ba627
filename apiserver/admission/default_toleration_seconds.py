"""DefaultTolerationSeconds: a pod stays five minutes on a node that is lost before it is evicted.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from api.core_v1 import Pod, Toleration
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

SECONDS = 300
_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds(AdmissionPlugin):
    name = "DefaultTolerationSeconds"

    def __init__(self, not_ready: int = SECONDS, unreachable: int = SECONDS) -> None:
        self._seconds = {_NOT_READY: not_ready, _UNREACHABLE: unreachable}

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        """`configuration` is made of flags: the parameters by name."""
        return cls(**(configuration or {}))

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return
        spec = request.object.spec
        missing = [taint for taint in self._seconds if not any(_tolerates(each, taint) for each in spec.tolerations)]
        if missing:
            spec.tolerations = [
                *spec.tolerations,
                *(
                    Toleration(key=taint, operator="Exists", effect="NoExecute", tolerationSeconds=self._seconds[taint])
                    for taint in missing
                ),
            ]


def _tolerates(toleration: Toleration, taint: str) -> bool:
    return toleration.key in (taint, "") and toleration.effect in ("NoExecute", "")
