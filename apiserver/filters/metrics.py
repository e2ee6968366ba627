"""Counts and times requests under Kubernetes' metric names.

https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from apiserver.request import ASGI, Receive, Scope, Send, request_of

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_VERBS = {"create": "POST", "update": "PUT"}
"""What metrics call a verb, where not by its own name in capitals."""

Labels = tuple[str, ...]
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "dry_run")


def _shown(labels: Labels, *more: str) -> str:
    """Labels as text, in alphabetical order; `more` are ready: `code="200"`."""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(_LABELS, labels, strict=True)]
    return ",".join(sorted([*pairs, 'component="apiserver"', *more]))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Metrics:
    """The server's counters.  `gauges` are read when somebody asks."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.durations: dict[Labels, list[int]] = {}
        self.duration_sums: Counter[Labels] = Counter()
        self.inflight: Counter[str] = Counter()
        """Requests being answered, by "readOnly" or "mutating"."""
        self.long_running: Counter[Labels] = Counter()
        self.gauges: list[Callable[[], Iterator[str]]] = []

    def one_in_flight(self) -> bool:
        """Whether a single request is being answered, watches aside."""
        return sum(self.inflight.values()) == 1

    def observe(self, labels: Labels, code: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None for one that lasts as long as its client likes."""
        self.requests[(*labels, str(code))] += 1
        if seconds is None:
            return
        counts = self.durations.setdefault(labels, [0] * (len(_BUCKETS) + 1))
        for index, bound in enumerate(_BUCKETS):
            if seconds <= bound:
                counts[index] += 1
                break
        else:
            counts[-1] += 1
        self.duration_sums[labels] += seconds  # type: ignore[assignment]

    def render(self) -> str:
        """The Prometheus text format, version 0.0.4."""
        lines = ["# TYPE apiserver_request_total counter"]
        for counted, count in sorted(self.requests.items()):
            shown = _shown(counted[:-1], f'code="{counted[-1]}"')
            lines.append(f"apiserver_request_total{{{shown}}} {count}")
        lines.append("# TYPE apiserver_request_duration_seconds histogram")
        for labels, counts in sorted(self.durations.items()):
            lines += self._histogram(labels, counts)
        lines.append("# TYPE apiserver_current_inflight_requests gauge")
        for kind in ("mutating", "readOnly"):
            lines.append(f'apiserver_current_inflight_requests{{request_kind="{kind}"}} {self.inflight[kind]}')
        lines.append("# TYPE apiserver_longrunning_requests gauge")
        for labels, count in sorted(self.long_running.items()):
            lines.append(f"apiserver_longrunning_requests{{{_shown(labels)}}} {count}")
        for gauge in self.gauges:
            lines += gauge()
        return "\n".join(lines) + "\n"

    def _histogram(self, labels: Labels, counts: list[int]) -> Iterator[str]:
        text = _shown(labels)
        total = 0
        for bound, count in zip((*map(str, _BUCKETS), "+Inf"), counts, strict=True):
            total += count
            yield f'apiserver_request_duration_seconds_bucket{{{text},le="{bound}"}} {total}'
        yield f"apiserver_request_duration_seconds_sum{{{text}}} {self.duration_sums[labels]:.6f}"
        yield f"apiserver_request_duration_seconds_count{{{text}}} {total}"


class MetricsFilter:
    """Observes every request with its verb, resource and status code."""

    def __init__(self, app: ASGI, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        info = request.info
        one = bool(info.name) or info.verb == "create"
        where = "resource" if one else "namespace" if info.namespace else "cluster" if info.is_resource else ""
        verb = _VERBS.get(info.verb, info.verb.upper())
        dry_run = "" if "dryRun" not in request.query else "All" if request.query["dryRun"] == "All" else "invalid"
        labels = (verb, info.group, info.version, info.resource, info.subresource, where, dry_run)
        long_running = info.verb == "watch" or info.connects
        kind = "readOnly" if info.verb in ("get", "list") else "mutating"
        code = 0

        async def observed(message: dict[str, object]) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = int(message["status"])  # type: ignore[call-overload]
            await send(message)

        started = time.perf_counter()
        # Long ones are counted by what they are, all others by whether they change something.
        counter: Counter[Any] = self._metrics.long_running if long_running else self._metrics.inflight
        place = labels if long_running else kind
        counter[place] += 1
        try:
            await self._app(scope, receive, observed)  # type: ignore[arg-type]
        finally:
            counter[place] -= 1
            self._metrics.observe(labels, code, None if long_running else time.perf_counter() - started)
