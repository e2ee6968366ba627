"""Makes the API server pass on requests for metrics.k8s.io to a server on the same machine."""

from __future__ import annotations

from api.apiregistration_v1 import APIService
from api.core_v1 import Service
from api.errors import AlreadyExists
from api.model import Model
from client.rest import RestClient
from controller_manager.metrics_server.answers import GROUP, VERSION

_NAME, _NAMESPACE = "metrics-server", "kube-system"
_LABELS = {"k8s-app": "metrics-server"}


async def register(client: RestClient, port: int) -> None:
    """The Service is a name for the machine itself, so that nothing but this machine can reach the port.

    Raises StatusError, Unreachable.
    """
    await _ensure(
        client,
        Service.from_dict({
            "metadata": {"name": _NAME, "namespace": _NAMESPACE, "labels": _LABELS},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }),
        _NAMESPACE,
    )  # fmt: skip
    await _ensure(
        client,
        APIService.from_dict({
            "metadata": {"name": f"{VERSION}.{GROUP}", "labels": _LABELS},
            "spec": {
                "group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": _NAME, "namespace": _NAMESPACE, "port": port},
            },
        }),
        "",
    )  # fmt: skip


async def _ensure(client: RestClient, wanted: Service | APIService, namespace: str) -> None:
    """Somebody else's, which is told by its labels, stays as it is."""
    model: type[Model] = type(wanted)
    try:
        await client.create(wanted)
    except AlreadyExists:
        found = await client.get(type(wanted), wanted.metadata.name, namespace)
        if found.metadata.labels.items() >= _LABELS.items() and _differs(found, wanted):
            body = {"spec": wanted.spec.to_dict()}
            await client.patch(model, wanted.metadata.name, namespace, body)


def _differs(found: Service | APIService, wanted: Service | APIService) -> bool:
    present = found.spec.to_dict()
    return any(present.get(name) != value for name, value in wanted.spec.to_dict().items())
