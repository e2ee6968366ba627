"""DefaultTolerationSeconds: a pod stays five minutes on a node that is lost before it is evicted.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
"""

from __future__ import annotations

from api.core_v1 import Pod, Toleration
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(AdmissionPlugin):
    name = "DefaultTolerationSeconds"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return
        spec = request.object.spec
        missing = [taint for taint in _TAINTS if not any(_tolerates(each, taint) for each in spec.tolerations)]
        if missing:
            spec.tolerations = [
                *spec.tolerations,
                *(
                    Toleration(key=taint, operator="Exists", effect="NoExecute", tolerationSeconds=_SECONDS)
                    for taint in missing
                ),
            ]


def _tolerates(toleration: Toleration, taint: str) -> bool:
    return toleration.key in (taint, "") and toleration.effect in ("NoExecute", "")
