"""The old form of a line in the audit log (`--audit-log-format=legacy`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.quoting import quoted


def legacy_line(event: Mapping[str, Any]) -> bytes:
    user, acting = event["user"], event.get("impersonatedUser")
    reference, status = event.get("objectRef") or {}, event.get("responseStatus")
    sources = event.get("sourceIPs") or ["<unknown>"]
    values = {
        "id": event["auditID"],
        "stage": event["stage"],
        "ip": sources[0],
        "method": event["verb"],
        "user": user.get("username") or "<none>",
        "groups": _listed(user.get("groups")) or "<none>",
        "as": "<self>" if acting is None else acting.get("username", ""),
        "asgroups": "<lookup>" if acting is None else _listed(acting.get("groups")),
        "user-agent": event.get("userAgent", ""),
        "namespace": reference.get("namespace") or "<none>",
        "uri": event["requestURI"],
        "response": "<deferred>" if status is None else str(status.get("code", 0)),
    }
    shown = " ".join(f"{name}={quoted(value)}" for name, value in values.items())
    return f"{event['requestReceivedTimestamp']} AUDIT: {shown}".encode()


def _listed(values: list[str] | None) -> str:
    return ",".join(quoted(value) for value in values or ())
