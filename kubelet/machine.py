"""Facts about the machine, as a node's status reports them."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

from api.core_v1 import NodeSystemInfo
from api.quantity import format_as, parse
from kubelet.runtime.protocol import RuntimeVersion

KUBELET_VERSION = "v1.36.2-nanokube"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
_RESERVED_MEMORY = 100 << 20
"""Bytes below which a kubelet calls memory short."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """Whether something is running out."""

    memory: bool
    disk: bool
    processes: bool


def architecture() -> str:
    """As GOARCH names it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def system_info(runtime: RuntimeVersion) -> NodeSystemInfo:
    uname = os.uname()
    machine_id = _read("/etc/machine-id")
    return NodeSystemInfo(
        architecture=architecture(),
        bootID=_read("/proc/sys/kernel/random/boot_id"),
        containerRuntimeVersion=f"{runtime.name}://{runtime.version}",
        kernelVersion=uname.release,
        kubeProxyVersion="",
        kubeletVersion=KUBELET_VERSION,
        machineID=machine_id,
        operatingSystem=uname.sysname.lower(),
        osImage=_os_image(),
        systemUUID=_read("/sys/class/dmi/id/product_uuid") or machine_id,
    )


def capacity(root: Path, max_pods: int) -> dict[str, str]:
    """What the machine has: cores, memory, the space of the kubelet's file system, and places for pods."""
    stat = os.statvfs(root)
    return {
        "cpu": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
        "memory": f"{_memory()['MemTotal'] >> 10}Ki",
        "ephemeral-storage": f"{(stat.f_blocks * stat.f_frsize) >> 10}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(max_pods),
    }


def allocatable(available: dict[str, str]) -> dict[str, str]:
    """What of it pods may use: a tenth of the space and 100 MiB of memory are kept back."""
    memory = parse(available["memory"]) - _RESERVED_MEMORY
    storage = (parse(available["ephemeral-storage"]) * 9 / 10).to_integral_value()
    return available | {"memory": format_as(memory, "binary"), "ephemeral-storage": format_as(storage)}


def pressure(root: Path) -> Pressure:
    """With Kubernetes' default eviction thresholds."""
    memory, stat = _memory(), os.statvfs(root)
    short_of_inodes = stat.f_files > 0 and stat.f_favail < stat.f_files * 0.05
    return Pressure(
        memory=memory.get("MemAvailable", memory["MemTotal"]) < _RESERVED_MEMORY,
        disk=stat.f_bavail < stat.f_blocks * 0.02 or short_of_inodes,
        processes=False,
    )


def default_ip() -> str:
    """The address this machine uses to reach others, 127.0.0.1 when it reaches none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation range: nothing is sent by connecting
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _memory() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    values = {"MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number and number[0].isdigit():
            values[name] = int(number[0]) * (1024 if len(number) > 1 else 1)
    return values


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.platform()
