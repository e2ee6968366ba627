"""Network namespaces that outlive their maker, kept by a bind mount as `ip netns` keeps them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from kubelet.network.netlink import Netlink
from kubelet.runtime.process import linux

DIRECTORY = Path("/run/netns")

_SYSCTLS = {  # what containerd sets in every pod's namespace: low ports and ping need no privilege in there
    "/proc/sys/net/ipv4/ip_unprivileged_port_start": "0",
    "/proc/sys/net/ipv4/ping_group_range": "0 2147483647",
}


def create(path: Path, configure: Callable[[int, Netlink], None]) -> None:
    """Make a namespace, keep it at `path`, and call `configure` with a descriptor of it and a netlink socket in it,
    on the caller's thread.  Raises OSError, having removed it again."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
    made: list[tuple[int, Netlink]] = []
    failure: list[OSError] = []

    def inside() -> None:
        # In a thread of its own, that leaves the host's namespace for good and ends.
        try:
            linux.unshare(linux.CLONE_NEWNET)
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
            linux.mount("/proc/thread-self/ns/net", str(path), flags=linux.MS_BIND)
            for name, value in _SYSCTLS.items():
                with contextlib.suppress(OSError), open(name, "w") as sysctl:
                    sysctl.write(value)
            made.append((os.open(path, os.O_RDONLY | os.O_CLOEXEC), Netlink()))
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    try:
        if failure:
            raise failure[0]
        (fd, netlink) = made[0]
        try:
            configure(fd, netlink)
        finally:
            netlink.close()
            os.close(fd)
    except OSError:
        remove(path)
        raise


def exists(path: Path) -> bool:
    """Whether a namespace is kept there (not only the empty file a reboot leaves)."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def socket_in(path: str) -> socket.socket:
    """A TCP socket whose network is that namespace's, whoever uses it.  Raises OSError."""
    made: list[socket.socket] = []
    failure: list[OSError] = []

    def inside() -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                linux.setns(fd, linux.CLONE_NEWNET)
            finally:
                os.close(fd)
            made.append(socket.socket())
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return made[0]


def remove(path: Path) -> None:
    """Let go of it: it vanishes with its interfaces when no process is in it.  Idempotent."""
    with contextlib.suppress(OSError):
        linux.umount(str(path), linux.MNT_DETACH)
    path.unlink(missing_ok=True)
