"""`/healthz`, `/livez`, `/readyz`: is the server alive, may it be sent requests?

https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

Check = Callable[[], str]
"""Says what is wrong; an empty string is good health."""


@dataclass(frozen=True)
class Health:
    """Named checks.  Those in `readiness_only` do not count for liveness: a server that is shutting down lives."""

    checks: Mapping[str, Check]
    readiness_only: Collection[str] = ("shutdown",)

    def examine(self, path: str, excluded: Collection[str], verbose: bool) -> tuple[int, str]:
        """HTTP status and text for `/healthz`, `/livez`, `/readyz` or, with a check's name behind, that check alone."""
        endpoint, _, single = path.strip("/").partition("/")
        names = [name for name in self.checks if endpoint == "readyz" or name not in self.readiness_only]
        if single:
            if single not in names:
                return 404, f"{single}: no such check; there are {', '.join(names)}\n"
            names, excluded = [single], ()
        lines, failed = [], False
        for name in names:
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            problem = self.checks[name]()
            failed = failed or bool(problem)
            # What is wrong may say too much to somebody who is nobody in particular; the log has it.
            lines.append(f"[-]{name} failed: reason withheld" if problem else f"[+]{name} ok")
        lines += [
            f'warn: some health checks cannot be excluded: no matches for "{name}"'
            for name in excluded
            if name not in self.checks
        ]
        if failed:
            return 500, "\n".join([*lines, f"{endpoint} check failed"]) + "\n"
        if verbose:
            return 200, "\n".join([*lines, f"{endpoint} check passed"]) + "\n"
        return 200, "ok"
