"""All probes of one pod, and what they say together."""

from __future__ import annotations

from collections.abc import Callable

from api.core_v1 import Container, Pod, Probe
from kubelet.host import Host
from kubelet.probes.exec import probe_exec
from kubelet.probes.grpc import probe_grpc
from kubelet.probes.http import probe_http
from kubelet.probes.outcome import Outcome
from kubelet.probes.runner import LIVENESS, READINESS, STARTUP, ProbeRunner
from kubelet.probes.tcp import probe_tcp
from kubelet.runtime.protocol import ContainerStatus as Run

_SHOWN = 1024


class PodProbes:
    """Runs the probes of a pod's running containers; `on_change` is called when something below changed."""

    def __init__(self, host: Host, pod: Callable[[], Pod], pod_ip: Callable[[], str], on_change: Callable[[], None]):
        self._host, self._pod, self._pod_ip, self._on_change = host, pod, pod_ip, on_change
        self._runners: dict[str, dict[str, ProbeRunner]] = {}
        self._names: dict[str, str] = {}

    def watch(self, container: Container, run: Run) -> None:
        """Begin with a run (once)."""
        probes = {
            STARTUP: container.startupProbe,
            LIVENESS: container.livenessProbe,
            READINESS: container.readinessProbe,
        }
        wanted = {kind: probe for kind, probe in probes.items() if probe is not None}
        if not wanted or run.id in self._runners:
            return
        self._names[run.id] = container.name
        runners = self._runners[run.id] = {}
        was = self._before(run)
        for kind, probe in wanted.items():
            initial = kind == LIVENESS or was[0 if kind == STARTUP else 1]
            runners[kind] = self._runner(kind, probe, container, run, initial)

    def _before(self, run: Run) -> tuple[bool, bool]:
        """(started, ready) as an earlier kubelet left them: its restart is no reason to take a pod out of service."""
        status = self._pod().status
        for known in [*status.containerStatuses, *status.initContainerStatuses]:
            if known.containerID.endswith("://" + run.id):
                return bool(known.started), known.ready
        return False, False

    def _runner(self, kind: str, probe: Probe, container: Container, run: Run, initial: bool) -> ProbeRunner:
        started = run.started_at or self._host.clock.now()
        passed = (self._host.clock.now() - started).total_seconds()

        def failed(outcome: Outcome) -> None:
            words = "errored and resulted in unknown state" if outcome.error else "failed"
            message = f"{kind} probe {words}: {outcome.output[:_SHOWN]}"
            self._host.events.event(
                self._pod(), "Warning", "Unhealthy", message, field_path=f"spec.containers{{{container.name}}}"
            )

        def changed() -> None:
            if kind == STARTUP and runner.verdict:
                for other in self._runners.get(run.id, {}).values():
                    if other.kind != STARTUP:
                        other.hurry()
            self._on_change()

        def enabled() -> bool:
            startup = self._runners.get(run.id, {}).get(STARTUP)
            return kind == STARTUP or startup is None or startup.verdict

        runner = ProbeRunner(
            kind,
            probe,
            lambda: self._attempt(probe, container, run),
            clock=self._host.clock,
            timers=self._host.timers,
            delay=probe.initialDelaySeconds - passed,
            initial=initial,
            eager=kind != LIVENESS and probe.exec is None,
            enabled=enabled,
            on_change=changed,
            on_failure=failed,
        )
        return runner

    async def _attempt(self, probe: Probe, container: Container, run: Run) -> Outcome:
        if probe.exec is not None:
            timeout = float(probe.timeoutSeconds or 1)
            return await probe_exec(self._host.runtime, run.id, probe.exec.command, timeout)
        if probe.httpGet is not None:
            return await probe_http(probe.httpGet, container, self._pod_ip())
        if probe.tcpSocket is not None:
            return await probe_tcp(probe.tcpSocket, container, self._pod_ip())
        if probe.grpc is not None:
            return await probe_grpc(probe.grpc, self._pod_ip())
        return Outcome(False, "missing probe handler", error=True)

    def not_started(self) -> frozenset[str]:
        """Runs whose startup probe has not succeeded yet."""
        return frozenset(i for i, r in self._runners.items() if STARTUP in r and not r[STARTUP].verdict)

    def unready(self) -> frozenset[str]:
        """Runs whose readiness probe does not succeed."""
        return frozenset(i for i, r in self._runners.items() if READINESS in r and not r[READINESS].verdict)

    def unhealthy(self) -> dict[str, str]:
        """Runs that have to be ended, with the reason as the Killing event words it."""
        condemned = {}
        for run_id, runners in self._runners.items():
            for kind in (STARTUP, LIVENESS):
                runner = runners.get(kind)
                if runner is not None and runner.settled and not runner.verdict:
                    name = self._names[run_id]
                    condemned[run_id] = f"Container {name} failed {kind.lower()} probe, will be restarted"
        return condemned

    def condemned_by(self, run_id: str, container: Container) -> Probe | None:
        """The probe that ended a run: it may set its own grace period."""
        runners = self._runners.get(run_id, {})
        for kind, probe in ((STARTUP, container.startupProbe), (LIVENESS, container.livenessProbe)):
            runner = runners.get(kind)
            if runner is not None and runner.settled and not runner.verdict:
                return probe
        return None

    def forget(self, run_id: str) -> None:
        """The run is over."""
        for runner in self._runners.pop(run_id, {}).values():
            runner.stop()
        self._names.pop(run_id, None)

    def wind_down(self) -> None:
        """The pod is ending: only readiness is still of interest."""
        for runners in self._runners.values():
            for kind in (STARTUP, LIVENESS):
                if kind in runners:
                    runners[kind].stop()

    def stop(self) -> None:
        for run_id in [*self._runners]:
            self.forget(run_id)
