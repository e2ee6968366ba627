"""The launcher: starts the components, restarts one that ends by itself, ends all of them in order.

It is one thread around one `select`: nothing runs in it while nothing happens, and forking it is safe.

Guarantees: a component that ends is started again, at once the first time, then after 0.2 s doubling to 10 s
until it has run for a minute; pods are not touched by any of that.  At the end the control plane goes first,
then the nodes with their pods, then the API server, so that nothing is written to an API that is gone and
nothing replaces pods that are being ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.clock import Clock
from client.cluster.components import Component, last_line
from client.cluster.data_dir import DataDir, RunState
from client.cluster.errors import ClusterError
from client.cluster.process import component_body, fork_child
from client.cluster.report import Report

STOP_GRACE = 10.0
CLEANUP_GRACE = 20.0
LONGEST_BACKOFF = 10.0
LONG_ENOUGH = 60.0
TOO_OFTEN = 3
_WAITER = "readiness"


@dataclass
class _Child:
    component: Component
    pid: int
    started: float
    log_start: int


class Supervisor:
    """Runs the components of one cluster until it is told to stop (SIGTERM, SIGINT).

    `wait(pipe)` makes the body of a child that closes the pipe when the cluster can be used, until then writes a line
    to it for each step, and may go on for a while.  `preload` imports what the components share, before they are
    forked.
    """

    def __init__(
        self,
        data: DataDir,
        components: Sequence[Component],
        report: Report,
        clock: Clock,
        *,
        wait: Callable[[int], Callable[[], int]],
        preload: Callable[[], None] = lambda: None,
        timeout: float = 60.0,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.data = data
        self.components = list(components)
        self._report = report
        self._clock = clock
        self._wait = wait
        self._preload = preload
        self._timeout = timeout
        self._log = log
        self._children: dict[int, _Child] = {}
        self._restarts: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._stop_requests = 0
        self._ready = False
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._started_at: datetime = clock.now()

    # --- life ------------------------------------------------------------------------------------

    def run(self, on_ready: Callable[[float], None]) -> int:
        """Start everything, call `on_ready` with the seconds it took, and stay until told to stop.

        Returns 0 after an orderly end.  Raises ClusterError, with everything ended again, when the cluster does
        not become ready.
        """
        begin = self._clock.monotonic()
        self._take_signals()
        try:
            self._start(begin)
            if self._stop_requests == 0:
                self._ready = True
                self._save()
                on_ready(self._clock.monotonic() - begin)
            while self._stop_requests == 0:
                self._turn(self._next_deadline())
        finally:
            self._log("stopping")
            self.stop()
        return 0

    def _start(self, begin: float) -> None:
        deadline = begin + self._timeout
        first = [component for component in self.components if not component.needs_api]
        later = [component for component in self.components if component.needs_api]
        gc.disable()  # until all is imported: nothing of that is garbage
        _load_pod_spec()
        serving_read, serving_write = os.pipe()
        gate_read, gate_write = os.pipe()
        nodes_read, nodes_write = os.pipe()
        for component in first:
            self._spawn(component, ready=serving_write)
        os.close(serving_write)
        _load_types()
        self._preload()
        for component in later:
            for module in component.modules:
                importlib.import_module(module)
        gc.freeze()
        for component in later:
            self._spawn(component, gate=nodes_read if component.needs_nodes else gate_read)
        gc.enable()
        os.close(gate_read)
        os.close(nodes_read)
        try:
            self._open_gates(first, deadline, serving_read, gate_write)
        finally:
            os.close(nodes_write)

    def _open_gates(self, first: list[Component], deadline: float, serving_read: int, gate_write: int) -> None:
        """Let the components that need the API begin when it is served, and return when the nodes are ready."""
        try:
            if first and not self._serving(serving_read, deadline, first[0].name):
                return
        except BaseException:
            self.stop()  # with the gate still closed: what waits behind it need not begin
            raise
        finally:
            os.close(gate_write)
        self._report.progress(f"{first[0].name} serves" if first else "no API server")
        report_read, report_write = os.pipe()
        waiter = fork_child(
            _WAITER,
            self._wait(report_write),
            self.data.log("launcher"),
            keep=[report_write],
        )
        os.close(report_write)
        usable = False
        try:
            usable = self._lines(report_read, deadline, self._report.progress, "the nodes")
        finally:
            if not usable:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(waiter, signal.SIGTERM)

    def _serving(self, handle: int, deadline: float, name: str) -> bool:
        """Wait for the byte that says that the API is served; False when the user asked to stop.

        Raises ClusterError when the server ends instead.
        """
        self._selector.register(handle, selectors.EVENT_READ)
        try:
            while self._stop_requests == 0:
                self._check(deadline, f"the {name}")
                if handle in self._turn(deadline):
                    if os.read(handle, 1):
                        return True
                    self._selector.unregister(handle)  # it has ended; `_turn` will find out and raise
            return False
        finally:
            with contextlib.suppress(KeyError):
                self._selector.unregister(handle)
            os.close(handle)

    def _check(self, deadline: float, what: str) -> None:
        if self._clock.monotonic() > deadline:
            raise ClusterError(
                f"{what} did not become ready within {self._timeout:g} s; the logs are in {self.data.logs}"
            )

    def _lines(self, handle: int, deadline: float, tell: Callable[[str], None], what: str) -> bool:
        """Pass on the lines that come through a pipe until its end; keep the cluster going meanwhile.

        False when the user asked to stop.  Raises ClusterError when it takes too long.
        """
        self._selector.register(handle, selectors.EVENT_READ)
        rest = b""
        try:
            while self._stop_requests == 0:
                self._check(deadline, what)
                due = self._next_deadline()
                if handle in self._turn(deadline if due is None else min(due, deadline)):
                    chunk = os.read(handle, 65536)
                    if not chunk:
                        return True
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        tell(line.decode(errors="replace"))
            return False
        finally:
            self._selector.unregister(handle)
            os.close(handle)

    # --- one turn --------------------------------------------------------------------------------

    def _turn(self, deadline: float | None) -> set[int]:
        """Wait until something happens or the deadline; start what is due; returns the pipes that can be read."""
        timeout = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
        readable = {int(key.fd) for key, _ in self._selector.select(timeout)}
        if self._wake_read in readable:
            for number in os.read(self._wake_read, 4096):
                if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    self._stop_requests += 1
            self._reap()
        now = self._clock.monotonic()
        if self._stop_requests == 0:
            for component in self.components:
                if self._due.get(component.name, now + 1) <= now:
                    del self._due[component.name]
                    self._spawn(component)
        return readable - {self._wake_read}

    def _next_deadline(self) -> float | None:
        return min(self._due.values(), default=None)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None and self._stop_requests == 0:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: _Child, code: int) -> None:
        """Plan the restart of a component that ended by itself."""
        name = child.component.name
        now = self._clock.monotonic()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        why = last_line(self.data.log(name), child.log_start) if code > 0 else ""
        failures = 0 if now - child.started > LONG_ENOUGH else self._failures.get(name, 0)
        self._failures[name] = failures + 1
        if not self._ready and (not child.component.needs_api or (code > 0 and failures + 1 >= TOO_OFTEN)):
            raise ClusterError(why or f"{name} {how}; its log is {self.data.log(name)}")
        delay = 0.0 if failures == 0 else min(LONGEST_BACKOFF, 0.1 * 2.0**failures)
        self._log(f"{name} (process {child.pid}) {how}; starting it again" + (f" in {delay:g} s" if delay else ""))
        self._restarts[name] = self._restarts.get(name, 0) + 1
        self._due[name] = now + delay

    def _spawn(self, component: Component, *, ready: int | None = None, gate: int | None = None) -> None:
        arguments = list(component.arguments)
        if ready is not None and component.ready_flag:
            arguments += [component.ready_flag, str(ready)]
        log = self.data.log(component.name)
        log_start = log.stat().st_size if log.exists() else 0
        pid = fork_child(
            component.name,
            component_body(component.modules, arguments, gate),
            log,
            keep=[handle for handle in (ready, gate) if handle is not None],
        )
        self._children[pid] = _Child(component, pid, self._clock.monotonic(), log_start)
        self._save()

    def _save(self) -> None:
        RunState(
            pid=os.getpid(),
            started=self._started_at.timestamp(),
            ready=self._ready,
            components={child.component.name: pid for pid, child in self._children.items()},
            restarts=dict(self._restarts),
        ).save(self.data.run_state)

    def _take_signals(self) -> None:
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._wake_read, selectors.EVENT_READ)

    # --- the end ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """End every component and what the nodes run, in order.  A second request to stop hurries it."""
        self._stop_requests = max(self._stop_requests, 1)
        last = [child for child in self._children.values() if not child.component.needs_api]
        self._end([child for child in self._children.values() if child.component.needs_api])
        self.clean_up()
        self._end(last)
        with contextlib.suppress(FileNotFoundError):
            self.data.run_state.unlink()

    def stop_leftovers(self) -> None:
        """Clean up after a launcher that was killed; its components are gone already."""
        self._take_signals()
        self.stop()

    def clean_up(self) -> None:
        """Take away what kubelets and proxies leave for their successors: pods, interfaces, rules."""
        children = []
        for component in self.components:
            if component.cleanup:
                log = self.data.log(component.name)
                body = component_body(component.modules, list(component.cleanup))
                pid = fork_child(component.name, body, log, dies_with_parent=False)
                children.append(_Child(component, pid, self._clock.monotonic(), 0))
                self._children[pid] = children[-1]
        self._wait_for(children, CLEANUP_GRACE)

    def _end(self, children: Iterable[_Child]) -> None:
        children = list(children)
        _signal(children, signal.SIGTERM)
        self._wait_for(children, STOP_GRACE)

    def _wait_for(self, children: Sequence[_Child], grace: float) -> None:
        deadline = self._clock.monotonic() + grace
        requests = self._stop_requests
        self._reap()  # of two that ended at once, the first may have been why all are stopped
        while alive := [child for child in children if child.pid in self._children]:
            if self._clock.monotonic() >= deadline or self._stop_requests > requests:
                self._log(f"{', '.join(child.component.name for child in alive)}: not ended in time, killed")
                _signal(alive, signal.SIGKILL)
                deadline, requests = self._clock.monotonic() + grace, self._stop_requests
            self._turn(deadline)


def _load_pod_spec() -> None:
    """Import the API's types and build the one that takes longest, which every component needs, the first too.

    Kinds that hold a built one take it over: built first, it is built once and not once for each of them.
    """
    from api.core_v1 import PodSpec

    importlib.import_module("api.scheme")
    PodSpec.model_rebuild()


def _load_types() -> None:
    """Build the validators of the kinds that every cluster uses, which each component would do on first use."""
    from api.scheme import everyday_resources

    for resource in everyday_resources():
        resource.model.model_rebuild()


def _signal(children: Iterable[_Child], number: signal.Signals) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)
