"""From what the kubelet asks for to what a shim carries out on this machine, or why it cannot."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubelet.runtime.protocol import ContainerConfig, CreateContainerFailed, ImageCannotRun, Mount, SandboxConfig

# By number, as linux/capability.h counts.
CAPABILITIES = tuple(
    name.strip()
    for name in """
    CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, LINUX_IMMUTABLE,
    NET_BIND_SERVICE, NET_BROADCAST, NET_ADMIN, NET_RAW, IPC_LOCK, IPC_OWNER, SYS_MODULE, SYS_RAWIO, SYS_CHROOT,
    SYS_PTRACE, SYS_PACCT, SYS_ADMIN, SYS_BOOT, SYS_NICE, SYS_RESOURCE, SYS_TIME, SYS_TTY_CONFIG, MKNOD, LEASE,
    AUDIT_WRITE, AUDIT_CONTROL, SETFCAP, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, WAKE_ALARM, BLOCK_SUSPEND, AUDIT_READ,
    PERFMON, BPF, CHECKPOINT_RESTORE""".split(",")  # noqa: SIM905
)

# What containerd and Docker leave a container that asks for nothing.
DEFAULT_CAPABILITIES = frozenset(
    {"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"}
    | {"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"}
)


@dataclass(frozen=True, slots=True)
class HostAbilities:
    """What the kernel lets this kubelet do, found by trying (zygote.probe)."""

    root: bool
    user_namespace: bool
    mounts: bool
    process_namespace: bool
    network_namespace: bool


def check_runnable(image: str, command: Sequence[str]) -> None:
    """Raises ImageCannotRun: without a command there is nothing to run, as no image is ever read."""
    if not command:
        raise ImageCannotRun(
            f'the process runtime runs programs of its host and cannot read the image "{image}" to learn its entry '
            "point: set the container's command (a program that is installed on the node), or use a node whose "
            "kubelet runs with --container-runtime-endpoint of containerd or CRI-O"
        )


def build_spec(
    config: ContainerConfig,
    sandbox: SandboxConfig,
    network_namespace: str,
    host: HostAbilities,
    hidden: Sequence[str],
) -> dict[str, Any]:
    """The JSON object that the shim works from (see shim.py and launch.py).

    Raises ImageCannotRun, and CreateContainerFailed for what this machine does not allow.
    """
    check_runnable(config.image, config.command)
    uid, gid = _user(config, host)
    namespaced = host.root or host.user_namespace
    return {
        "argv": [*config.command, *config.args],
        "env": dict(config.environment),
        "cwd": config.working_dir,
        "hostname": socket.gethostname() if sandbox.host_network else sandbox.hostname,
        "namespaces": {
            "user": [uid, gid] if host.user_namespace else None,
            "mount": host.mounts,
            "pid": host.process_namespace and not sandbox.host_pid,
            "ipc": host.mounts and not sandbox.host_ipc,
            "uts": host.mounts and not sandbox.host_network,
            "net": network_namespace,
        },
        "mounts": [
            [mount.host_path, mount.container_path, mount.read_only, mount.optional] for mount in _mounts(config, host)
        ],
        "hidden": [path for path in hidden if os.path.isdir(path)] if host.mounts else [],
        "read_only_root": config.security.read_only_root and host.mounts,
        "all_devices": config.security.privileged,
        "uid": uid,
        "gid": gid,
        "groups": sorted({gid, *config.security.supplemental_groups}),
        "set_user": host.root,
        "drop_capabilities": _dropped(config) if namespaced else [],
        "no_new_privileges": config.security.no_new_privileges,
        "tty": config.tty,
        "stdin": config.stdin,
        "log": {"path": config.log_path, "max_bytes": config.log_max_bytes, "max_files": config.log_max_files},
    }


def _user(config: ContainerConfig, host: HostAbilities) -> tuple[int, int]:
    security = config.security
    uid = os.geteuid() if security.run_as_user is None else security.run_as_user
    if security.run_as_group is not None:
        gid = security.run_as_group
    elif security.run_as_user is None:
        gid = os.getegid()
    else:
        try:
            gid = pwd.getpwuid(uid).pw_gid
        except KeyError:
            gid = 0 if host.root else os.getegid()
    if not host.root and not host.user_namespace and (uid, gid) != (os.geteuid(), os.getegid()):
        raise CreateContainerFailed(
            f"cannot run as user {uid}, group {gid}: the kubelet runs as user {os.geteuid()} and may not make user "
            "namespaces here"
        )
    return uid, gid


def _mounts(config: ContainerConfig, host: HostAbilities) -> list[Mount]:
    if host.mounts:
        return list(config.mounts)
    refused = [mount.container_path for mount in config.mounts if not mount.optional]
    if refused:
        raise CreateContainerFailed(
            f"cannot mount {', '.join(refused)}: the kubelet is not root and may not make user namespaces here "
            "(on Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0; in Docker: --privileged)"
        )
    return []


def _dropped(config: ContainerConfig) -> list[int]:
    security = config.security
    if security.privileged:
        return []
    added = {name.upper().removeprefix("CAP_") for name in security.add_capabilities}
    removed = {name.upper().removeprefix("CAP_") for name in security.drop_capabilities}
    kept = set(CAPABILITIES) if "ALL" in added else set() if "ALL" in removed else set(DEFAULT_CAPABILITIES)
    kept = (kept - removed) | (added & set(CAPABILITIES))
    return [number for number, name in enumerate(CAPABILITIES) if name not in kept]
