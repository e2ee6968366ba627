"""The parent of all shims: a bare interpreter that has imported the shim's few modules and waits to be forked.

A shim must be quick to start and small, since every container has one and it outlives the kubelet; the kubelet's own
process is neither.  So the kubelet starts this one with `python -I -S`, and each container's shim is a fork of it.
This module and what it imports (linux, root_view, launch, log_writer, shim) use the standard library's smallest
modules only.

Requests come over a SOCK_SEQPACKET socket, the first inherited descriptor:
    {"op": "start", "dir": "…"} + the socket for the result      fork a shim for the container in that directory
    {"op": "probe", "dir": "…"} + the socket for the result      try what this machine lets us do; answered with
                                                                 {"user": bool, "mount": bool, "pid": bool, "net": bool}
The zygote leaves when the kubelet closes its end; shims stay.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
from collections.abc import Callable

from kubelet.runtime.process import launch, linux, root_view, shim


def main(control_fd: int) -> None:
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    os.setsid()  # a Ctrl-C meant for the kubelet is none of ours
    linux.set_process_name("nanokube-zygote")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()
    gc.freeze()  # pages shared with the shims stay shared
    os.chdir("/")
    while True:
        message, fds = linux.receive(control, 65536, 1)
        if not message:
            return
        request = json.loads(message)
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            result = socket.socket(fileno=fds[0])
            if request["op"] == "start":
                shim.run(request["dir"], result)
            else:
                result.send(json.dumps(probe(request["dir"])).encode())
            os._exit(0)
        for fd in fds:
            os.close(fd)


def probe(work_dir: str) -> dict[str, bool]:
    """What namespaces this user may make here, found by making them, from the richest down."""
    root = os.geteuid() == 0
    found = {"user": False, "mount": False, "pid": False, "net": False}
    for user, pid in ((False, True), (False, False)) if root else ((True, True), (True, False)):
        if _can_make_view(work_dir, user=user, pid=pid):
            found.update(user=user, mount=True, pid=pid)
            break
    if root:
        found["net"] = _in_child(lambda: linux.unshare(linux.CLONE_NEWNET))
    return found


def _can_make_view(work_dir: str, *, user: bool, pid: bool) -> bool:
    spec = {
        "namespaces": {"net": "", "user": [os.geteuid(), os.getegid()] if user else None}
        | {"pid": pid, "ipc": True, "uts": True},
        "hostname": "probe",
        "mounts": [],
        "cwd": "/",
        "all_devices": False,
        "hidden": [],
        "read_only_root": False,
    }

    def attempt() -> None:
        launch.enter_namespaces(spec)
        if not _in_child(enter_view):
            raise OSError

    def enter_view() -> None:
        linux.unshare(linux.CLONE_NEWNS)
        root_view.enter(spec, work_dir, own_proc=pid, user_namespace=user)

    return _in_child(attempt)


def _in_child(attempt: Callable[[], None]) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0
