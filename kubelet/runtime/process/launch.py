"""From a fork to the container's own program: namespaces, the root view, terminal, credentials, exec.

Part of the shim (see zygote.py).  Everything here runs in a process about to become something else, so failure has
one form: `LaunchError`, whose message the shim hands to the kubelet for the user to read.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import termios
from typing import Any, NoReturn

from kubelet.runtime.process import linux, root_view

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LaunchError(Exception):
    """The message says what could not be done, in the words Kubernetes' users know."""


def enter_namespaces(spec: dict[str, Any]) -> None:
    """Leave the host's namespaces for the container's.  The process namespace counts for children only."""
    wanted = spec["namespaces"]
    if wanted["net"]:
        fd = os.open(wanted["net"], os.O_RDONLY | os.O_CLOEXEC)
        linux.setns(fd, linux.CLONE_NEWNET)
        os.close(fd)
    if wanted["user"]:
        _enter_user_namespace(*wanted["user"])
    flags = (linux.CLONE_NEWPID if wanted["pid"] else 0) | (linux.CLONE_NEWIPC if wanted["ipc"] else 0)
    if wanted["uts"]:
        flags |= linux.CLONE_NEWUTS
    if flags:
        linux.unshare(flags)
    if wanted["uts"]:
        socket.sethostname(spec["hostname"])


def _enter_user_namespace(uid: int, gid: int) -> None:
    """A namespace in which this process' user is `uid` and its group `gid`, with every capability."""
    own_uid, own_gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {own_uid} 1"),
        ("gid_map", f"{gid} {own_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as table:
            table.write(text)


def run_container(spec: dict[str, Any], work_dir: str, status: socket.socket, streams: list[int]) -> NoReturn:
    """In the forked child: become the container's main process.  `streams` are its stdin, stdout and stderr, or
    one terminal.  Over `status` go the host's idea of our pid with our mount namespace, then an error or nothing."""
    try:
        host_pid = int(os.readlink("/proc/self"))  # while this still is the host's /proc
        _take_streams(streams, spec["tty"])
        fds = []
        if spec["namespaces"]["mount"]:
            linux.unshare(linux.CLONE_NEWNS)
            fds = [os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)]
            try:
                root_view.enter(
                    spec, work_dir, own_proc=spec["namespaces"]["pid"], user_namespace=bool(spec["namespaces"]["user"])
                )
            except root_view.ViewError as error:
                raise LaunchError(str(error)) from error
            except OSError as error:
                raise LaunchError(f"cannot make the container's file system: {error}") from error
        socket.send_fds(status, [json.dumps({"pid": host_pid}).encode()], fds)
        _become_user_and_exec(spec, spec["argv"])
    except BaseException as error:
        _report(status, error)
    os._exit(128)


def run_command(
    spec: dict[str, Any], argv: list[str], tty: bool, mount_namespace: int, status: socket.socket, streams: list[int]
) -> NoReturn:
    """In the forked child: become a command beside the container's main process (exec)."""
    try:
        _take_streams(streams, tty)
        if mount_namespace >= 0:
            linux.setns(mount_namespace, linux.CLONE_NEWNS)
        if tty:
            spec = {**spec, "env": {"TERM": "xterm", **spec["env"]}}
        _become_user_and_exec(spec, argv)
    except BaseException as error:
        _report(status, error)
    os._exit(128)


def _report(status: socket.socket, error: BaseException) -> None:
    message = str(error) if isinstance(error, LaunchError) else f"{type(error).__name__}: {error}"
    status.send(json.dumps({"error": message}).encode()[:60000])


def _take_streams(streams: list[int], tty: bool) -> None:
    os.setsid()
    if tty:
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
        streams = [streams[0]] * 3
    for number, fd in enumerate(streams):
        os.dup2(fd, number, inheritable=True)


def _become_user_and_exec(spec: dict[str, Any], argv: list[str]) -> NoReturn:
    _change_directory(spec["cwd"])
    env = dict(spec["env"])
    env.setdefault("PATH", DEFAULT_PATH)
    env.setdefault("HOSTNAME", spec["hostname"])
    env.setdefault("HOME", _home_directory(spec["uid"]))
    _take_credentials(spec)
    os.umask(0o022)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, *FORWARDED, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    program = _find_program(argv[0], env["PATH"])
    try:
        os.execve(program, argv, env)
    except OSError as error:
        # The kernel says "no such file" of a script whose interpreter is missing, too.
        raise LaunchError(f'exec: "{argv[0]}": {os.strerror(error.errno or 0).lower()}') from error


FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


def _change_directory(path: str) -> None:
    if not path:
        path = "/"
    try:
        os.makedirs(path, exist_ok=True)
        os.chdir(path)
    except OSError as error:
        raise LaunchError(f'chdir to cwd ("{path}") failed: {os.strerror(error.errno or 0).lower()}') from error


def _home_directory(uid: int) -> str:
    try:
        with open("/etc/passwd", encoding="utf-8", errors="replace") as users:
            for line in users:
                fields = line.split(":")
                if len(fields) > 5 and fields[2] == str(uid):
                    return fields[5]
    except OSError:
        pass
    return "/"


def _take_credentials(spec: dict[str, Any]) -> None:
    try:
        for capability in spec["drop_capabilities"]:
            if not linux.drop_from_bounding_set(capability):
                break
        if spec["set_user"]:
            streams = {0, 1, 2}
            for fd in streams:
                try:
                    os.fchown(fd, spec["uid"], spec["gid"])  # so that it may open /dev/stdout again
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EROFS, errno.EINVAL):
                        raise
            os.setgroups(spec["groups"])
            os.setresgid(spec["gid"], spec["gid"], spec["gid"])
            os.setresuid(spec["uid"], spec["uid"], spec["uid"])
        if spec["no_new_privileges"]:
            linux.forbid_new_privileges()
    except OSError as error:
        raise LaunchError(f"cannot run as user {spec['uid']}: {error}") from error


def _find_program(name: str, path: str) -> str:
    if "/" in name:
        if not os.path.exists(name):
            raise LaunchError(f'exec: "{name}": stat {name}: no such file or directory')
        if not os.access(name, os.X_OK) or os.path.isdir(name):
            raise LaunchError(f'exec: "{name}": permission denied')
        return name
    for directory in path.split(":"):
        candidate = os.path.join(directory or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise LaunchError(f'exec: "{name}": executable file not found in $PATH')
