"""What the process runtime keeps on disk, so that a restarted kubelet finds everything again.

STATE/sandboxes/<id>.json                 a sandbox: its configuration, addresses, state
STATE/containers/<id>/record.json         a container: its configuration and its sandbox
STATE/containers/<id>/spec.json           the same, resolved into what its shim carries out
STATE/containers/<id>/state.json          written by the shim: running, then how it ended
STATE/containers/<id>/shim.sock           the shim's socket: whoever answers there is alive
STATE/containers/<id>/layers, rootfs      the container's writable layer and the place its view is built
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from kubelet.runtime.protocol import (
    ContainerConfig,
    ContainerState,
    ContainerStatus,
    Mount,
    Resources,
    Sandbox,
    SandboxConfig,
    SandboxState,
    SecurityConfig,
)


@dataclass(slots=True)
class SandboxRecord:
    sandbox: Sandbox
    network_namespace: str = ""  # path; "" when the pod shares the host's


@dataclass(slots=True)
class ContainerRecord:
    """A container and what is known of it in memory; `status` follows `state.json`."""

    status: ContainerStatus
    directory: Path
    shim_pid: int = 0

    @property
    def id(self) -> str:
        return self.status.id


def _write(path: Path, value: Any) -> None:
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # environments hold secrets
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(value))
    temporary.rename(path)


def _read(path: Path) -> Any:
    """None when it is missing or was never finished."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None


def _known(cls: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Without what an older or newer version wrote and this one does not know."""
    names = {field.name for field in fields(cls)}
    return {name: value for name, value in values.items() if name in names}


def save_sandbox(state_dir: Path, record: SandboxRecord) -> None:
    value = {"sandbox": record.sandbox, "network_namespace": record.network_namespace}
    _write(state_dir / "sandboxes" / f"{record.sandbox.id}.json", value)


def load_sandboxes(state_dir: Path) -> dict[str, SandboxRecord]:
    found = {}
    for path in (state_dir / "sandboxes").glob("*.json"):
        value = _read(path)
        if value is None:
            continue
        stored = value["sandbox"]
        sandbox = Sandbox(
            id=stored["id"],
            config=SandboxConfig(**_known(SandboxConfig, stored["config"])),
            state=SandboxState(stored["state"]),
            created_at=datetime.fromisoformat(stored["created_at"]),
            ips=tuple(stored["ips"]),
        )
        found[sandbox.id] = SandboxRecord(sandbox, value["network_namespace"])
    return found


def forget_sandbox(state_dir: Path, sandbox_id: str) -> None:
    (state_dir / "sandboxes" / f"{sandbox_id}.json").unlink(missing_ok=True)


def save_container(status: ContainerStatus, directory: Path, spec: dict[str, Any]) -> None:
    value = {
        "id": status.id,
        "sandbox_id": status.sandbox_id,
        "pod_uid": status.pod_uid,
        "created_at": status.created_at,
        "config": status.config,
    }
    _write(directory / "spec.json", spec)
    _write(directory / "record.json", value)  # last: with it the container exists


def load_containers(state_dir: Path) -> dict[str, ContainerRecord]:
    """As they were left; running ones are yet to be verified."""
    found = []
    for directory in (state_dir / "containers").iterdir():
        value = _read(directory / "record.json")
        if value is None:
            remove_tree(directory)  # its creation was interrupted
            continue
        config = _known(ContainerConfig, value["config"])
        config["mounts"] = tuple(Mount(**_known(Mount, m)) for m in config["mounts"])
        config["command"], config["args"] = tuple(config["command"]), tuple(config["args"])
        security: dict[str, Any] = _known(SecurityConfig, config["security"])
        security |= {name: tuple(value) for name, value in security.items() if isinstance(value, list)}
        config["security"] = SecurityConfig(**security)
        config["resources"] = Resources(**_known(Resources, config["resources"]))
        status = ContainerStatus(
            id=value["id"],
            sandbox_id=value["sandbox_id"],
            pod_uid=value["pod_uid"],
            config=ContainerConfig(**config),
            state=ContainerState.CREATED,
            created_at=datetime.fromisoformat(value["created_at"]),
        )
        found.append(ContainerRecord(read_state(status, directory), directory))
    return {record.id: record for record in sorted(found, key=lambda record: record.status.created_at)}


def _time(nanoseconds: int) -> datetime | None:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC) if nanoseconds else None


def read_raw_state(directory: Path) -> dict[str, Any]:
    """What the shim wrote last; empty when it has not yet."""
    value = _read(directory / "state.json")
    return value if isinstance(value, dict) else {}


def read_state(status: ContainerStatus, directory: Path) -> ContainerStatus:
    """The status brought up to what the shim wrote last."""
    value = read_raw_state(directory)
    if not value:
        return status
    return replace(
        status,
        state=ContainerState(value["state"]),
        started_at=_time(value.get("started_at", 0)),
        finished_at=_time(value.get("finished_at", 0)),
        pid=value.get("pid", 0),
        exit_code=value.get("exit_code", 0),
        signal=value.get("signal", 0),
        reason=value.get("reason", ""),
        message=value.get("message", ""),
    )


def write_end(directory: Path, *, finished_at: datetime, code: int, reason: str, message: str) -> None:
    """Record an end that no shim recorded."""
    started_at = read_raw_state(directory).get("started_at", 0)
    finish = int(finished_at.timestamp() * 1e9)
    _write(
        directory / "state.json",
        {"state": "exited", "exit_code": code, "reason": reason, "message": message}
        | {"started_at": started_at or finish, "finished_at": finish},
    )


def remove_tree(path: Path) -> None:
    """Delete a directory with everything in it; never follows a link.  Overlays leave directories that not even
    their owner may enter."""
    try:
        entries = list(os.scandir(path))
    except PermissionError:
        path.chmod(stat.S_IRWXU)
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(Path(entry.path))
        else:
            _unlink(entry.path)
    path.rmdir()


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except PermissionError:
        os.chmod(os.path.dirname(path), stat.S_IRWXU)
        os.unlink(path)
