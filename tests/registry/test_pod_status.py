"""What may be reported of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Pod
from apiserver.registry.names import SUBDOMAIN_MESSAGE
from apiserver.registry.pod_status import PodStatus
from apiserver.registry.pods import Pods
from tests.registry.builders import created, pod

RUNS: dict[str, Any] = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0}


def in_state(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{**RUNS, "state": state}]}


def complaints(status: dict[str, Any], before: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    """What validation says of a status that takes the place of another."""
    document = created(Pods(), pod(**spec)).to_dict()
    old, new = (
        Pod.from_dict({**document, "status": {**document["status"], **part}}) for part in (before or {}, status)
    )
    old.metadata.resourceVersion = "1"
    PodStatus().prepare_for_update(new, old)
    return [str(error) for error in PodStatus().validate_update(new, old)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"qosClass": "Guaranteed"}, ['status.qosClass: Invalid value: "Guaranteed": field is immutable']),
        (
            {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": -1}]},
            ["status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer"],
        ),
        (
            {"podIPs": [{"ip": "x"}]},
            ['status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
        ),
        (
            {"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]},
            ['status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`'],
        ),
        (
            {"resourceClaimStatuses": [{"name": "a", "resourceClaimName": "B_"}]},
            [
                'status.resourceClaimStatuses[0].name: Invalid value: "a": '
                "must match the name of an entry in `spec.resourceClaims`",
                f'status.resourceClaimStatuses[0].resourceClaimName: Invalid value: "B_": {SUBDOMAIN_MESSAGE}',
            ],
        ),
        (
            {"containerStatuses": [{**RUNS, "user": {"linux": {"uid": -1, "gid": 0}}}]},
            [
                "status.containerStatuses[0].user.linux.uid: Invalid value: -1: "
                "must be between 0 and 2147483647, inclusive"
            ],
        ),
        (
            {"extendedResourceClaimStatus": {"requestMappings": [], "resourceClaimName": ""}},
            [
                "status.extendedResourceClaimStatus.requestMappings: Required value: "
                "at least one request mapping is required",
                "status.extendedResourceClaimStatus.resourceClaimName: Required value",
            ],
        ),
    ],
)
def test_refusals(status: dict[str, Any], expected: list[str]) -> None:
    assert complaints(status) == expected


def test_devices_are_those_that_the_container_asks_for() -> None:
    resources = [{"resourceID": "r", "health": "Healthy"}, {"resourceID": "r", "health": "Bad"}]
    devices = [{"name": "claim:gpu/one", "resources": resources}, {"name": "claim:gpu"}, {"name": "example.com/x"}]
    claims = {"claims": [{"name": "gpu", "request": "one"}]}
    found = complaints(
        {"containerStatuses": [{**RUNS, "allocatedResourcesStatus": devices}]},
        containers=[{"name": "c", "image": "i", "resources": claims}],
        resourceClaims=[{"name": "gpu", "resourceClaimName": "g"}],
    )
    assert [each.removeprefix("status.containerStatuses[0].allocatedResourcesStatus") for each in found] == [
        '[0].resources[1].health: Unsupported value: "Bad": supported values: "Healthy", "Unhealthy", "Unknown"',
        '[0].resources[1].resourceID: Duplicate value: "r"',
        '[1].name: Invalid value: "claim:gpu": must match one of the container\'s resource claims in a format '
        "'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
        '[2].name: Invalid value: "example.com/x": must match one of the container\'s resource requests',
    ]


RULE = {"action": "Restart", "exitCodes": {"operator": "In", "values": [7]}}


@pytest.mark.parametrize(
    ("policy", "container", "code", "may"),
    [
        ("Always", {}, 0, True),
        ("OnFailure", {}, 1, True),
        ("OnFailure", {}, 0, False),
        ("Never", {}, 1, False),
        ("Never", {"restartPolicy": "Always"}, 0, True),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [RULE]}, 7, True),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [RULE]}, 8, False),
    ],
)
def test_a_container_that_has_ended_may_run_again_if_its_policy_says_so(
    policy: str, container: dict[str, Any], code: int, may: bool
) -> None:
    found = complaints(
        in_state(running={}),
        in_state(terminated={"exitCode": code}),
        restartPolicy=policy,
        containers=[{"name": "c", "image": "i", **container}],
    )
    refusal = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    assert found == ([] if may else [refusal])


def test_a_pod_with_a_node_is_nominated_for_none() -> None:
    assert complaints({"nominatedNodeName": "n"}) == []
    assert complaints({"nominatedNodeName": "n"}, nodeName="m") == [
        "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"
    ]


def test_who_does_not_know_of_generations_keeps_them() -> None:
    condition = {"type": "Ready", "status": "True", "observedGeneration": 3}
    document = created(Pods(), pod()).to_dict()
    old = Pod.from_dict({**document, "status": {"observedGeneration": 3, "conditions": [condition]}})
    new = Pod.from_dict({**document, "status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    PodStatus().prepare_for_update(new, old)
    assert (new.status.observedGeneration, new.status.conditions[0].observedGeneration) == (3, 3)
