"""What a node takes of the pods that are bound to it."""

from __future__ import annotations

import pytest

from api.core_v1 import Pod
from kubelet.admission import admit


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("example.com/gpu", None),  # known to an extender or to the drivers of devices, not to the node
        ("deviceclass.resource.kubernetes.io/gpu", None),
        ("example.com/nic", "OutOfexample.com/nic"),
        ("hugepages-2Mi", "OutOfhugepages-2Mi"),
    ],
)
def test_resources_that_a_node_does_not_know_are_others_business(resource: str, reason: str | None) -> None:
    container = {"name": "c", "resources": {"requests": {resource: "2"}}}
    pod = Pod.from_dict({"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    refusal = admit(pod, [], {"pods": "10", "example.com/nic": "1"}, {})
    assert (refusal and refusal.reason) == reason
