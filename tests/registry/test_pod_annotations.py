"""The annotations of pods that mean something to the server."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Pod
from apiserver.registry.pods import Pods
from tests.registry.builders import complaints, pod, update_complaints

MIRROR = "kubernetes.io/config.mirror"
COST = "controller.kubernetes.io/pod-deletion-cost"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
OF_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/c"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def annotated(annotations: dict[str, str], **spec: Any) -> Pod:
    obj = pod(**spec)
    obj.metadata.annotations = annotations
    return obj


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({MIRROR: "x"}, [f'[{MIRROR}]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set']),
        ({COST: "+1"}, [f'[{COST}]: Invalid value: "+1": must be a 32bit integer']),
        ({COST: "-2147483648"}, []),
        ({COST: "-01"}, []),
        ({COST: "01"}, [f'[{COST}]: Invalid value: "01": must be a 32bit integer']),
        ({TOLERATIONS: "["}, [f': Invalid value: "{TOLERATIONS}": unexpected end of JSON input']),
        (
            {TOLERATIONS: "{}"},
            [
                f': Invalid value: "{TOLERATIONS}": '
                "json: cannot unmarshal object into Go value of type []core.Toleration"
            ],
        ),
        (
            {TOLERATIONS: '[{"key": "a", "effect": "Never"}, 1]'},
            [
                f'.{TOLERATIONS}[0].effect: Unsupported value: "Never": '
                'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
            ],
        ),
        (
            {SECCOMP: "localhost/../x", OF_CONTAINER: "nope"},
            [
                f'.{OF_CONTAINER}: Invalid value: "nope": must be a valid seccomp profile',
                f".{SECCOMP}: Invalid value: \"../x\": must not contain '..'",
            ],
        ),
        (
            {APP_ARMOR + "d": "nope", APP_ARMOR + "c": "localhost/p"},
            [
                f'[{APP_ARMOR}d]: Invalid value: "d": container not found',
                f'[{APP_ARMOR}d]: Invalid value: "nope": invalid AppArmor profile name: "nope"',
            ],
        ),
    ],
)
def test_refusals(annotations: dict[str, str], expected: list[str]) -> None:
    found = complaints(Pods(), annotated(annotations))
    assert [each.removeprefix("metadata.annotations") for each in found] == expected


@pytest.mark.parametrize(
    ("annotation", "profile", "expected"),
    [
        ((SECCOMP, "runtime/default"), {"type": "RuntimeDefault"}, []),
        ((SECCOMP, "unconfined"), {"type": "RuntimeDefault"}, [".type: Forbidden: seccomp type"]),
        ((SECCOMP, "localhost/a"), {"type": "Localhost", "localhostProfile": "a"}, []),
        (
            (SECCOMP, "localhost/a"),
            {"type": "Localhost", "localhostProfile": "b"},
            [".localhostProfile: Forbidden: seccomp profile"],
        ),
    ],
)
def test_an_annotation_and_a_field_agree(
    annotation: tuple[str, str], profile: dict[str, str], expected: list[str]
) -> None:
    found = complaints(Pods(), annotated(dict([annotation]), securityContext={"seccompProfile": profile}))
    assert found == [
        f"spec.securityContext.seccompProfile{each} in annotation and field must match" for each in expected
    ]


def test_a_container_takes_the_profile_of_its_pod() -> None:
    obj = annotated({APP_ARMOR + "c": "unconfined"}, securityContext={"appArmorProfile": {"type": "RuntimeDefault"}})
    assert complaints(Pods(), obj) == [
        "spec.containers[0].securityContext.appArmorProfile.type: "
        "Forbidden: apparmor type in annotation and field must match"
    ]


def test_what_the_kubelet_has_acted_upon_stays() -> None:
    def change(obj: Pod) -> None:
        obj.metadata.annotations = {APP_ARMOR + "c": "unconfined", MIRROR: "y"}

    found = update_complaints(Pods(), annotated({APP_ARMOR + "c": "runtime/default"}, nodeName="n"), change)
    assert found == [
        f"metadata.annotations[{APP_ARMOR}c]: Forbidden: may not remove or update AppArmor annotations",
        f"metadata.annotations[{MIRROR}]: Forbidden: may not add mirror pod annotation",
    ]
