"""Counts and times requests under Kubernetes' metric names.

https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from apiserver.request import ASGI, Receive, Scope, Send, request_of

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_LONG_RUNNING = ("WATCH", "CONNECT", "PROXY")

Labels = tuple[str, ...]


class Metrics:
    """The server's counters.  `gauges` are read when somebody asks."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.durations: dict[Labels, list[int]] = {}
        self.duration_sums: Counter[Labels] = Counter()
        self.inflight: Counter[str] = Counter()
        self.gauges: list[Callable[[], Iterator[str]]] = []

    def observe(self, labels: Labels, code: int, seconds: float) -> None:
        self.requests[(*labels, str(code))] += 1
        if labels[0] in _LONG_RUNNING:
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
        for (verb, group, version, resource, subresource, scope, code), count in sorted(self.requests.items()):
            lines.append(
                f'apiserver_request_total{{code="{code}",component="apiserver",dry_run="",group="{group}",'
                f'resource="{resource}",scope="{scope}",subresource="{subresource}",verb="{verb}",'
                f'version="{version}"}} {count}'
            )
        lines.append("# TYPE apiserver_request_duration_seconds histogram")
        for labels, counts in sorted(self.durations.items()):
            lines += self._histogram(labels, counts)
        lines.append("# TYPE apiserver_current_inflight_requests gauge")
        for kind in ("mutating", "readOnly"):
            lines.append(f'apiserver_current_inflight_requests{{request_kind="{kind}"}} {self.inflight[kind]}')
        for gauge in self.gauges:
            lines += gauge()
        return "\n".join(lines) + "\n"

    def _histogram(self, labels: Labels, counts: list[int]) -> Iterator[str]:
        verb, group, version, resource, subresource, scope = labels
        text = (
            f'component="apiserver",dry_run="",group="{group}",resource="{resource}",scope="{scope}",'
            f'subresource="{subresource}",verb="{verb}",version="{version}"'
        )
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
        info = request_of(scope).info
        where = "resource" if info.name else "namespace" if info.namespace else "cluster" if info.is_resource else ""
        kind = "readOnly" if info.verb in ("get", "list", "watch") else "mutating"
        code = 0

        async def observed(message: dict[str, object]) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = int(message["status"])  # type: ignore[call-overload]
            await send(message)

        started = time.perf_counter()
        self._metrics.inflight[kind] += 1
        try:
            await self._app(scope, receive, observed)  # type: ignore[arg-type]
        finally:
            self._metrics.inflight[kind] -= 1
            labels = (info.verb.upper(), info.group, info.version, info.resource, info.subresource, where)
            self._metrics.observe(labels, code, time.perf_counter() - started)
