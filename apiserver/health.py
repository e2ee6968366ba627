"""`/healthz`, `/livez`, `/readyz`: is the server alive, may it be sent requests?

https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from apiserver.start_work import StartWork
from apiserver.storage.watch_cache import WatchCache

Check = Callable[[], str]
"""Says what is wrong; an empty string is good health."""


ENDPOINTS = ("healthz", "livez", "readyz")


class Indicators:
    """What the checks have come to whenever somebody asked (`/metrics/slis`).

    https://kubernetes.io/docs/reference/instrumentation/slis/
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], bool] = {}
        self._totals: Counter[tuple[str, str, str]] = Counter()

    def note(self, endpoint: str, name: str, good: bool) -> None:
        self._last[name, endpoint] = good
        self._totals[name, "success" if good else "error", endpoint] += 1

    def render(self) -> str:
        """The Prometheus text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        if not self._last:
            return
        yield "# HELP kubernetes_healthcheck [STABLE] What a single check came to the last time."
        yield "# TYPE kubernetes_healthcheck gauge"
        for (name, endpoint), good in sorted(self._last.items()):
            yield f'kubernetes_healthcheck{{name="{name}",type="{endpoint}"}} {int(good)}'
        yield "# HELP kubernetes_healthchecks_total [STABLE] What all checks came to."
        yield "# TYPE kubernetes_healthchecks_total counter"
        for (name, status, endpoint), count in sorted(self._totals.items()):
            yield f'kubernetes_healthchecks_total{{name="{name}",status="{status}",type="{endpoint}"}} {count}'


@dataclass(frozen=True)
class Health:
    """Named checks.  Those in `readiness_only` do not count for liveness: a server that is shutting down lives."""

    checks: Mapping[str, Check]
    readiness_only: Collection[str] = ("etcd-readiness", "informer-sync", "shutdown")
    indicators: Indicators = field(default_factory=Indicators)

    def names(self, endpoint: str) -> list[str]:
        """The checks of one of the ENDPOINTS."""
        return [name for name in self.checks if endpoint == "readyz" or name not in self.readiness_only]

    def examine(self, path: str, excluded: Collection[str], verbose: bool) -> tuple[int, str] | None:
        """HTTP status and text for `/healthz`, `/livez`, `/readyz` or, with a check's name behind, that check alone.

        None when there is no such check.
        """
        endpoint, slash, single = path.removeprefix("/").partition("/")
        names = self.names(endpoint)
        if slash:
            if single not in names:
                return None
            problem = self.checks[single]()
            return (500, f"internal server error: {problem}\n") if problem else (200, "ok")
        lines, failed = [], False
        for name in names:
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            problem = self.checks[name]()
            self.indicators.note(endpoint, name, not problem)
            failed = failed or bool(problem)
            # What is wrong may say too much to somebody who is nobody in particular; the log has it.
            lines.append(f"[-]{name} failed: reason withheld" if problem else f"[+]{name} ok")
        if unknown := sorted(set(excluded).difference(names)):
            quoted = ",".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        if failed:
            return 500, "\n".join([*lines, f"{endpoint} check failed"]) + "\n"
        if verbose:
            return 200, "\n".join([*lines, f"{endpoint} check passed"]) + "\n"
        return 200, "ok"


def health_of(cache: WatchCache, start_work: StartWork, is_stopping: Callable[[], bool]) -> Health:
    """The checks of this server, in the order of Kubernetes'."""
    problems = start_work.problems
    return Health(
        {
            "ping": lambda: "",
            "log": lambda: "",
            "etcd": lambda: str(cache.failure or ""),
            "etcd-readiness": lambda: str(cache.failure or ""),
            "informer-sync": lambda: "" if cache.revision else "the watch cache is not loaded",
            **{f"poststarthook/{name}": partial(problems.__getitem__, name) for name in problems},
            "shutdown": lambda: "shutting down" if is_stopping() else "",
        }
    )
