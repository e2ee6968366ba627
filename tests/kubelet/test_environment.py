"""Environment variables: where they come from, and who wins."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from api.core_v1 import ConfigMap, Pod, Secret, Service
from api.errors import NotFound
from kubelet.environment import ConfigurationError, environment, expand, service_variables
from tests.kubelet.support import pod


class Objects:
    """A configuration with one ConfigMap and one Secret."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        if name != "settings":
            raise NotFound(f'configmap "{name}" not found')
        return ConfigMap.from_dict({"data": {"COLOR": "blue", "SIZE": "small"}})

    async def secret(self, namespace: str, name: str) -> Secret:
        if name != "keys":
            raise NotFound(f'secret "{name}" not found')
        return Secret.from_dict({"data": {"password": base64.b64encode(b"s3cret").decode()}})


async def variables(container: dict[str, Any], services: list[Service] | None = None, **spec: Any) -> dict[str, str]:
    subject: Pod = pod("web", containers=[container], **spec)
    subject.metadata.labels = {"app": "shop", "tier": "front"}
    return await environment(
        subject,
        subject.spec.containers[0],
        Objects(),
        services or [],
        {"cpu": "4", "memory": "8Gi"},
        ("10.0.0.7", "fd00::7"),
        ("192.168.0.1",),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$(A", "$(A"),
        ("$A", "$A"),
        ("a$", "a$"),
        ("$()", "$()"),
    ],
)
def test_references_are_expanded(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


async def test_later_variables_see_earlier_ones() -> None:
    found = await variables(
        {"env": [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "b"}, {"name": "C", "value": "$(B)c"}]}
    )
    assert found == {"A": "$(B)", "B": "b", "C": "bc"}


async def test_sources() -> None:
    def ref(kind: str, **fields: Any) -> dict[str, Any]:
        return {kind: fields}

    found = await variables(
        {
            "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "CFG_"}, {"secretRef": {"name": "keys"}}],
            "env": [
                {"name": "COLOR", "valueFrom": ref("configMapKeyRef", name="settings", key="COLOR")},
                {"name": "PASSWORD", "valueFrom": ref("secretKeyRef", name="keys", key="password")},
                {"name": "NONE", "valueFrom": ref("configMapKeyRef", name="settings", key="no", optional=True)},
                {"name": "NAME", "valueFrom": ref("fieldRef", fieldPath="metadata.name")},
                {"name": "TIER", "valueFrom": ref("fieldRef", fieldPath="metadata.labels['tier']")},
                {"name": "IP", "valueFrom": ref("fieldRef", fieldPath="status.podIP")},
                {"name": "IPS", "valueFrom": ref("fieldRef", fieldPath="status.podIPs")},
                {"name": "HOST", "valueFrom": ref("fieldRef", fieldPath="status.hostIP")},
                {"name": "CPU", "valueFrom": ref("resourceFieldRef", resource="limits.cpu")},
                {"name": "MILLI", "valueFrom": ref("resourceFieldRef", resource="requests.cpu", divisor="1m")},
                {"name": "MEMORY", "valueFrom": ref("resourceFieldRef", resource="limits.memory", divisor="1Mi")},
            ],
            "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "100Mi"}},
        }
    )
    assert found == {
        "CFG_COLOR": "blue",
        "CFG_SIZE": "small",
        "password": "s3cret",
        "COLOR": "blue",
        "PASSWORD": "s3cret",
        "NAME": "web",
        "TIER": "front",
        "IP": "10.0.0.7",
        "IPS": "10.0.0.7,fd00::7",
        "HOST": "192.168.0.1",
        "CPU": "4",
        "MILLI": "250",
        "MEMORY": "100",
    }


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "no"}}}]},
            "couldn't find key no in ConfigMap default/settings",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "no"}}}]},
            "couldn't find key no in Secret default/keys",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "no"}}}]},
            'secret "gone" not found',
        ),
        ({"envFrom": [{"configMapRef": {"name": "gone"}}]}, 'configmap "gone" not found'),
    ],
)
async def test_what_is_missing_is_named(container: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        await variables(container)
    assert str(raised.value) == message


async def test_optional_objects_may_be_missing() -> None:
    assert await variables({"envFrom": [{"configMapRef": {"name": "gone", "optional": True}}]}) == {}


def service(name: str, namespace: str, address: str, *ports: dict[str, Any]) -> Service:
    return Service.from_dict(
        {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": address, "ports": list(ports)}}
    )


def test_services_are_told_as_docker_links_did() -> None:
    found = service_variables(
        [
            service("kubernetes", "default", "10.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"}),
            service("my-db", "shop", "10.96.0.9", {"port": 5432, "protocol": "TCP"}),
            service("headless", "shop", "None", {"port": 1}),
            service("elsewhere", "other", "10.96.0.10", {"port": 1}),
        ],
        "shop",
        links=True,
    )
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert found["KUBERNETES_SERVICE_PORT"] == "443"
    assert found["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.9"
    assert found["MY_DB_PORT"] == "tcp://10.96.0.9:5432"
    assert found["MY_DB_PORT_5432_TCP"] == "tcp://10.96.0.9:5432"
    assert found["MY_DB_PORT_5432_TCP_PROTO"] == "tcp"
    assert found["MY_DB_PORT_5432_TCP_PORT"] == "5432"
    assert found["MY_DB_PORT_5432_TCP_ADDR"] == "10.96.0.9"
    assert not any(name.startswith(("HEADLESS", "ELSEWHERE")) for name in found)


def test_without_links_only_the_api_server_is_told() -> None:
    services = [
        service("kubernetes", "default", "10.96.0.1", {"name": "https", "port": 443}),
        service("db", "shop", "10.96.0.9", {"port": 5432}),
    ]
    found = service_variables(services, "shop", links=False)
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert "DB_SERVICE_HOST" not in found


async def test_own_variables_win_over_services() -> None:
    services = [service("db", "default", "10.96.0.9", {"port": 5432})]
    container = {"env": [{"name": "DB_SERVICE_PORT", "value": "1"}, {"name": "URL", "value": "$(DB_SERVICE_HOST)"}]}
    found = await variables(container, services)
    assert found["DB_SERVICE_PORT"] == "1"
    assert found["URL"] == "10.96.0.9"
