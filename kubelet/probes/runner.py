"""One probe of one run of a container: when it is tried, and what its attempts add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from api.clock import Clock
from api.core_v1 import Probe
from kubelet.probes.outcome import Outcome
from kubelet.timers import Timer, Timers

LIVENESS, READINESS, STARTUP = "Liveness", "Readiness", "Startup"

EAGER = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between extra attempts right after a start, so that a pod is ready as soon as it can be and not a
period later.  Their failures are not counted and not told."""

Attempt = Callable[[], Awaitable[Outcome]]


class ProbeRunner:
    """Attempts every `periodSeconds` from `initialDelaySeconds` after the start, until `stop()`.

    `verdict` changes after `successThreshold` successes or `failureThreshold` failures in a row; it starts as
    `initial`.  `on_failure(output)` is told of every failed attempt that counts, `on_change()` of every change
    of the verdict.
    """

    def __init__(
        self,
        kind: str,
        probe: Probe,
        attempt: Attempt,
        *,
        clock: Clock,
        timers: Timers,
        delay: float,
        initial: bool,
        eager: bool,
        enabled: Callable[[], bool],
        on_change: Callable[[], None],
        on_failure: Callable[[Outcome], None],
    ) -> None:
        self.kind = kind
        self.verdict = initial
        self.settled = False
        self._probe = probe
        self._attempt = attempt
        self._clock, self._timers = clock, timers
        self._enabled, self._on_change, self._on_failure = enabled, on_change, on_failure
        self._row = 0
        self._last = initial
        self._eager = list(EAGER) if eager and not initial else []
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._timer: Timer = timers.call_after(delay, self._fire)

    def stop(self) -> None:
        """Make no further attempt; the verdict stays."""
        self._stopped = True
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def hurry(self) -> None:
        """Try now: what held this probe back is over."""
        if not self._stopped and self._task is None:
            self._timer.cancel()
            self._fire()

    def _fire(self) -> None:
        if not self._stopped:
            self._task = asyncio.ensure_future(self._try())

    async def _try(self) -> None:
        begun = self._clock.monotonic()
        period = float(self._probe.periodSeconds or 10)
        if self._enabled():
            outcome = await self._bounded()
            if self._eager and not outcome.success and not self.settled:
                period = self._eager.pop(0)
            else:
                self._eager.clear()
                self._count(outcome)
        self._task = None
        if not self._stopped:
            spent = self._clock.monotonic() - begun
            self._timer = self._timers.call_after(period - spent, self._fire)

    async def _bounded(self) -> Outcome:
        """One attempt, a failure if it takes longer than `timeoutSeconds`."""
        timeout = float(self._probe.timeoutSeconds or 1)
        attempt = asyncio.ensure_future(self._attempt())
        limit = asyncio.ensure_future(self._clock.sleep(timeout + (5 if self._probe.exec else 0)))
        try:
            await asyncio.wait((attempt, limit), return_when=asyncio.FIRST_COMPLETED)
            if attempt.done():
                error = attempt.exception()  # of a host that is no name, say: the next attempt is made all the same
                return attempt.result() if error is None else Outcome(False, str(error), error=True)
            return Outcome(False, _timeout_message(self._probe, timeout))
        finally:
            attempt.cancel()
            limit.cancel()

    def _count(self, outcome: Outcome) -> None:
        if outcome.error or not outcome.success:
            self._on_failure(outcome)
        if outcome.error or self._stopped:
            return
        self._row = self._row + 1 if outcome.success == self._last else 1
        self._last = outcome.success
        threshold = self._probe.successThreshold if outcome.success else self._probe.failureThreshold
        if self._row < (threshold or (1 if outcome.success else 3)):
            return
        changed = self.verdict != outcome.success or not self.settled
        self.verdict, self.settled = outcome.success, True
        if self.kind != READINESS and not outcome.success:
            self._stopped = True  # the container is condemned; its next run has a probe of its own
        if self.kind == STARTUP and outcome.success:
            self._stopped = True
        if changed:
            self._on_change()


def _timeout_message(probe: Probe, timeout: float) -> str:
    if probe.httpGet is not None:
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if probe.tcpSocket is not None:
        return "dial tcp: i/o timeout"
    return f"timed out after {timeout:g}s"
