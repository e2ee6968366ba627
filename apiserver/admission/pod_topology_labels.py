"""PodTopologyLabels: a pod learns the zone and region of its node (KEP-4742)."""

from __future__ import annotations

from collections.abc import Mapping

from api.core_v1 import Node, Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_COPIED = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


def topology_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of a node's labels that its pods get, where they have none of that name."""
    return {key: labels[key] for key in _COPIED if key in labels}


class PodTopologyLabels(AdmissionPlugin):
    """For pods that come with a node; binding does the same for all others."""

    name = "PodTopologyLabels"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.operation != "CREATE" or request.subresource:
            return
        pod = request.object
        node = request.context.peek(Node, "", pod.spec.nodeName) if pod.spec.nodeName else None
        if node is not None:
            pod.metadata.labels = {**topology_labels(node.metadata.labels), **pod.metadata.labels}
