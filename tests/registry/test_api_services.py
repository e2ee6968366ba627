"""APIServices: who serves which group version."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiregistration_v1 import APIService
from api.scheme import RESOURCES
from apiserver.local_api_services import local_api_service, local_versions
from apiserver.registry.api_services import APIServices
from tests.registry.builders import NOW, complaints, created


def api_service(name: str = "v1.a.b", **spec: Any) -> APIService:
    fields = {"group": "a.b", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, **spec}
    return APIService.from_dict({"metadata": {"name": name}, "spec": fields})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (api_service(), []),
        (
            api_service("v2.a.b"),
            ['metadata.name: Invalid value: "v2.a.b": must be `spec.version+"."+spec.group`: "v1.a.b"'],
        ),
        (
            api_service(groupPriorityMinimum=20001, versionPriority=0),
            [
                "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            ],
        ),
        (
            api_service(insecureSkipTLSVerify=True),
            ["spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify"],
        ),
        (
            api_service(service={"name": "", "namespace": "n"}, caBundle="YQ==", insecureSkipTLSVerify=True),
            [
                "spec.service.name: Required value",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ],
        ),
    ],
)
def test_rules(given: APIService, expected: list[str]) -> None:
    assert complaints(APIServices(), given) == expected


def test_local_ones_are_available_and_others_may_be() -> None:
    local = created(APIServices(), api_service())
    assert APIServices().cells(local, NOW)[1:3] == ["Local", "True"]
    remote = created(APIServices(), api_service(service={"name": "s", "namespace": "n"}))
    assert remote.spec.service.port == 443
    assert APIServices().cells(remote, NOW)[1:3] == ["n/s", "Unknown"]


def test_what_the_server_serves_is_said_in_valid_objects() -> None:
    versions = local_versions(RESOURCES)
    assert {"v1.", "v1.apps", "v1.networking.k8s.io"} <= versions.keys()
    assert set(versions.values()) == {resource.group_version for resource in RESOURCES} - {
        APIServices.resource.group_version
    }
    for name, version in versions.items():
        assert complaints(APIServices(), local_api_service(name, version)) == []
