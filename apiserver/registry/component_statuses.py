"""ComponentStatuses: how the parts of the control plane are, asked at every request.

Deprecated since v1.19, since it only knows components that run beside the API server and on their usual ports.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from api.core_v1 import ComponentCondition, ComponentStatus
from api.meta_v1 import ObjectMeta
from api.scheme import resource_of
from apiserver.registry.columns import NAME
from apiserver.registry.strategy import Column, Strategy

_HOST = "127.0.0.1"
_PORTS: Mapping[str, int] = {"scheduler": 10259, "controller-manager": 10257}
_STORE = "etcd-0"
_SECONDS = 20


class ComponentStatuses(Strategy[ComponentStatus]):
    resource = resource_of(ComponentStatus)
    columns = (
        NAME,
        Column("Status", lambda c, now: _word(c), description="Whether it is healthy."),
        Column("Message", lambda c, now: _of(c, "message"), description="What it answered."),
        Column("Error", lambda c, now: _of(c, "error"), description="What went wrong while asking."),
    )

    async def compute(self) -> list[ComponentStatus]:
        """The scheduler, the controller manager, and the store, without which nobody could ask."""
        found = await asyncio.gather(*(_ask(port) for port in _PORTS.values()))
        return [
            *(_status(name, *answer) for name, answer in zip(_PORTS, found, strict=True)),
            _status(_STORE, "True", "ok"),
        ]


def _status(name: str, status: str, message: str) -> ComponentStatus:
    condition = ComponentCondition(type="Healthy", status=status, message=message)
    return ComponentStatus(metadata=ObjectMeta(name=name), conditions=[condition])


async def _ask(port: int) -> tuple[str, str]:
    """The status of a component and what it said, from its /healthz."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    what = f'Get "https://{_HOST}:{port}/healthz": dial tcp {_HOST}:{port}: '
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(_HOST, port, ssl=context)
            try:
                writer.write(b"GET /healthz HTTP/1.0\r\nHost: %s\r\n\r\n" % _HOST.encode())
                answer = await reader.read(64 * 1024)
            finally:
                writer.close()
    except ConnectionRefusedError:
        return "False", what + "connect: connection refused"
    except (OSError, TimeoutError) as error:
        return "False", what + str(error)
    head, _, body = answer.partition(b"\r\n\r\n")
    code = head.split(b" ", 2)[1].decode(errors="replace") if b" " in head else "0"
    return (
        ("True", body.decode(errors="replace"))
        if code == "200"
        else (
            "False",
            f"HTTP probe failed with statuscode: {code}",
        )
    )


def _word(component: ComponentStatus) -> str:
    status = _of(component, "status")
    return {"True": "Healthy", "False": "Unhealthy"}.get(status, "Unknown")


def _of(component: ComponentStatus, field: str) -> str:
    return next((getattr(each, field) for each in component.conditions if each.type == "Healthy"), "")
