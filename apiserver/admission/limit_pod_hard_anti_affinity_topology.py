"""LimitPodHardAntiAffinityTopology: pods keep others off their node at most, not off their zone.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#limitpodhardantiaffinitytopology
"""

from __future__ import annotations

from api.core_v1 import Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_HOSTNAME = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(AdmissionPlugin):
    name = "LimitPodHardAntiAffinityTopology"

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.subresource or request.object is None:
            return
        affinity = request.object.spec.affinity
        if affinity is None or affinity.podAntiAffinity is None:
            return
        for term in affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution:
            if term.topologyKey != _HOSTNAME:
                raise request.forbidden(
                    f"affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {term.topologyKey} but only "
                    f"key {_HOSTNAME} is allowed"
                )
