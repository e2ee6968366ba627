"""A container's shim: the small process that is parent of the container's, and outlives the kubelet.

It starts the main process, reaps every orphan of the tree, writes the log, runs exec's commands, and at the end kills
what is left and writes how the container ended to `state.json`.  Where there is a process namespace it is that
namespace's process 1, so that not even its own death leaves a process of the container behind; signals sent to
process 1 from inside are handed to the main process.

The kubelet talks to it over the unix socket `shim.sock` (SOCK_SEQPACKET, one JSON object a message, file descriptors
as SCM_RIGHTS).  It greets with {"running": true} when the main process runs; the end of the connection means: look
into `state.json`.  Requests, and what is answered:

    {"op": "signal", "signal": 15}                                  nothing
    {"op": "kill"}                                                  nothing: the whole tree dies
    {"op": "exec", "id": 1, "argv": [...], "tty": false} + streams  {"exec": 1, "pid": 9} or {"exec": 1, "error": "…"},
                                                                    and at its end {"exec": 1, "exit": 0}
    {"op": "kill_exec", "id": 1}                                    nothing
    {"op": "attach", "id": 2} + stdout, stderr                      {"attach": 2} + stdin or the terminal, if any
    {"op": "close_stdin"}                                           nothing

Part of the shim (see zygote.py).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from typing import Any

from kubelet.runtime.process import launch, linux
from kubelet.runtime.process.log_writer import LogWriter
from kubelet.runtime.process.process_tree import descendants, start_time

_CHUNK = 65536
_MESSAGE = 1 << 18


class Shim:
    def __init__(self, spec: dict[str, Any], work_dir: str) -> None:
        self.spec = spec
        self.work_dir = work_dir
        self.poll = select.poll()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connections: dict[int, socket.socket] = {}
        self.commands: dict[int, tuple[int, int]] = {}  # pid → (connection's fd, the kubelet's id for it)
        self.outputs: dict[int, str] = {}  # fd → stream
        self.sinks: dict[str, list[int]] = {"stdout": [], "stderr": []}  # attached readers
        self.stdin = -1
        self.terminal = -1
        self.mount_namespace = -1
        self.wake = -1  # readable after a signal
        self.main_pid = 0
        self.host_pid = 0
        self.started_at = 0
        self.exit_status: int | None = None
        log = spec["log"]
        self.log = LogWriter(log["path"], log["max_bytes"], log["max_files"]) if log["path"] else None

    # --- start ---

    def listen(self) -> None:
        """Raises OSError when another shim has, or had, this container."""
        directory = os.open(self.work_dir, os.O_PATH | os.O_CLOEXEC)
        # Through /proc, since a socket's address is limited to 107 bytes and data directories may be deep.
        self.listener.bind(f"/proc/self/fd/{directory}/shim.sock")
        os.close(directory)
        self.listener.listen(8)

    def start(self) -> str:
        """Start the main process.  Returns an error message, or "" when its exec has succeeded."""
        streams = self._open_streams()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.started_at = time.time_ns()
        self.main_pid = os.fork()
        if self.main_pid == 0:
            launch.run_container(self.spec, self.work_dir, theirs, streams)
        theirs.close()
        for fd in streams:
            os.close(fd)
        error = "the container's process ended before its program was started"
        while True:
            message, fds = linux.receive(ours, _MESSAGE, 1)
            if not message:
                break
            news = json.loads(message)
            if "error" in news:
                error = news["error"]
                self.host_pid = 0
                break
            self.host_pid, error = news["pid"], ""
            if fds:
                self.mount_namespace = fds[0]
        ours.close()
        if error:
            os.waitpid(self.main_pid, 0)
            self._write_state({"state": "exited", "exit_code": 128, "reason": "StartError", "message": error})
            return str(error)
        self._take_signals()
        self._write_state({"state": "running", "pid": self.host_pid, "start_time": start_time(self.host_pid)})
        return ""

    def _open_streams(self) -> list[int]:
        if self.spec["tty"]:
            self.terminal, slave = os.openpty()
            self._watch_output(self.terminal, "stdout")
            return [slave]
        if self.spec["stdin"]:
            stdin, self.stdin = os.pipe()
        else:
            stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        streams = [stdin]
        for name in ("stdout", "stderr"):
            ours, theirs = os.pipe()
            self._watch_output(ours, name)
            streams.append(theirs)
        return streams

    def _watch_output(self, fd: int, stream: str) -> None:
        os.set_blocking(fd, False)
        self.outputs[fd] = stream
        self.poll.register(fd, select.POLLIN)

    def _write_state(self, state: dict[str, Any]) -> None:
        state["started_at"] = self.started_at
        path = os.path.join(self.work_dir, "state.json")
        try:
            with open(path + ".new", "w") as file:
                json.dump(state, file)
            os.rename(path + ".new", path)
        except OSError:
            pass  # a full disk: the kubelet will call the end unknown, and the container still runs

    # --- the loop ---

    def _take_signals(self) -> None:
        """What is sent to us reaches the main process from here on: before anybody knows that it runs."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in launch.FORWARDED:
            signal.signal(number, self._forward)
        self.wake = wake_read
        self.poll.register(wake_read, select.POLLIN)

    def run(self) -> None:
        """Serve until the container has ended."""
        self.poll.register(self.listener, select.POLLIN)
        self._reap()
        while self.exit_status is None:
            for fd, _ in self.poll.poll():
                if fd in self.outputs:
                    self._take_output(fd)
                elif fd == self.wake:
                    os.read(fd, 4096)
                    self._reap()
                elif fd == self.listener.fileno():
                    self._accept()
                elif fd in self.connections:
                    self._serve(self.connections[fd])
        self._finish()

    def _forward(self, number: int, _frame: object) -> None:
        self._signal_main(number)

    def _signal_main(self, number: int) -> None:
        if self.exit_status is None:
            try:
                os.kill(self.main_pid, number)
            except ProcessLookupError:
                return

    def _reap(self, flags: int = os.WNOHANG) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, flags)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.main_pid:
                self.exit_status = status
            elif pid in self.commands:
                connection, number = self.commands.pop(pid)
                self._send(connection, {"exec": number, "exit": _exit_code(status)})

    def _finish(self) -> None:
        finished_at = time.time_ns()
        self.kill_tree()
        self._reap(0)
        for fd in list(self.outputs):
            while fd in self.outputs and self._take_output(fd):
                pass
        if self.log:
            self.log.close()
        status = self.exit_status or 0
        code = _exit_code(status)
        self._write_state(
            {
                "state": "exited",
                "exit_code": code,
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                "reason": "Completed" if code == 0 else "Error",
                "message": "",
                "finished_at": finished_at,
            }
        )

    # --- processes ---

    def kill_tree(self) -> None:
        """SIGKILL to every process of the container; orphans included, since we are their reaper."""
        if self.spec["namespaces"]["pid"]:
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                return
            return
        while True:
            found = descendants(os.getpid())
            if not found:
                return
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                except PermissionError:  # a setuid program
                    return
            if self.exit_status is None:
                return  # the loop will reap, see the main process' end and come back
            self._reap(0)

    # --- output ---

    def _take_output(self, fd: int) -> bool:
        """Move one chunk from the container to its log and its attached readers.  False when there is none."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the terminal's last user is gone
            data = b""
        stream = self.outputs[fd]
        if not data:
            self.poll.unregister(fd)
            del self.outputs[fd]
            if fd != self.terminal:
                os.close(fd)
            return False
        if self.log:
            self.log.write(stream, data)
        for sink in self.sinks[stream][:]:
            try:
                written = os.write(sink, data)
            except OSError:
                written = -1
            if written != len(data):  # gone, or so slow that it would hold the container up
                self.sinks[stream].remove(sink)
                os.close(sink)
        return True

    # --- the kubelet's requests ---

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        self.connections[connection.fileno()] = connection
        self.poll.register(connection, select.POLLIN)
        self._send(connection.fileno(), {"running": True})

    def _send(self, fd: int, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        connection = self.connections.get(fd)
        if connection is not None:
            try:
                socket.send_fds(connection, [json.dumps(message).encode()], fds)
            except OSError:
                self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self.poll.unregister(connection)
        del self.connections[connection.fileno()]
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            data, fds = linux.receive(connection, _MESSAGE, 4)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._drop(connection)
            return
        request = json.loads(data)
        operation = request["op"]
        if operation == "signal":
            self._signal_main(request["signal"])
        elif operation == "kill":
            self.kill_tree()
        elif operation == "exec":
            self._exec(connection.fileno(), request, fds)
        elif operation == "kill_exec":
            self._kill_exec(request["id"])
        elif operation == "attach":
            self._attach(connection.fileno(), request, fds)
            return  # keeps its descriptors
        elif operation == "close_stdin" and self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1
        for fd in fds:
            os.close(fd)

    def _exec(self, connection: int, request: dict[str, Any], streams: list[int]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            launch.run_command(self.spec, request["argv"], request["tty"], self.mount_namespace, theirs, streams)
        theirs.close()
        message = ours.recv(_MESSAGE)  # until exec has closed their end, or told why it could not
        ours.close()
        if message:
            os.waitpid(pid, 0)
            self._send(connection, {"exec": request["id"], **json.loads(message)})
            return
        self.commands[pid] = (connection, request["id"])
        self._send(connection, {"exec": request["id"], "pid": pid})

    def _kill_exec(self, number: int) -> None:
        for pid, (_, known) in self.commands.items():
            if known == number:
                # In a process namespace our numbers are not those of the /proc we see: its session must do.
                own_numbers = self.spec["namespaces"]["pid"]
                for target in (-pid,) if own_numbers else (-pid, pid, *descendants(pid)):
                    try:
                        os.kill(target, signal.SIGKILL)
                    except OSError:
                        continue

    def _attach(self, connection: int, request: dict[str, Any], fds: list[int]) -> None:
        for fd, stream in zip(fds, ("stdout", "stderr"), strict=False):
            os.set_blocking(fd, False)
            self.sinks[stream].append(fd)
        given = tuple(fd for fd in (self.terminal, self.stdin) if fd >= 0)
        self._send(connection, {"attach": request["id"]}, given[:1])


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def run(work_dir: str, result: socket.socket) -> None:
    """The life of one shim, in a process just forked by the zygote.  `result` gets one message: the error, or
    nothing at all when the container runs."""
    try:
        with open(os.path.join(work_dir, "spec.json")) as file:
            spec = json.load(file)
        launch.enter_namespaces(spec)
        pid = os.fork()
        if pid:
            os._exit(0)
        os.setsid()
        linux.set_process_name("nanokube-shim")
        if not spec["namespaces"]["pid"]:
            linux.become_subreaper()
        shim = Shim(spec, work_dir)
        shim.listen()
        error = shim.start()
    except Exception as problem:
        result.send(json.dumps({"error": f"{type(problem).__name__}: {problem}"}).encode())
        os._exit(1)
    result.send(json.dumps({"error": error}).encode())
    result.close()
    if not error:
        shim.run()
    os._exit(0)
