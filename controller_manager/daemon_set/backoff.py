"""How long a node that makes pods fail waits for its next one."""

from __future__ import annotations

from api.clock import Clock

_FIRST, _LONGEST = 1.0, 900.0  # seconds


class FailedPods:
    """A delay for every node that doubles with each pod that failed there, for a DaemonSet and a kubelet that refuses
    its pods would otherwise keep each other busy."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._delays: dict[tuple[str, str], tuple[float, float]] = {}

    def wait(self, daemon_set: str, node: str) -> float:
        """Seconds until a failed pod may be replaced.  0: it is now, and the next will wait longer."""
        now = self._clock.monotonic()
        delay, since = self._delays.get((daemon_set, node), (0.0, now))
        if now - since > 2 * _LONGEST:
            delay = 0.0
        if now - since < delay:
            return delay - (now - since)
        self._delays[daemon_set, node] = (min(delay * 2, _LONGEST) or _FIRST, now)
        return 0.0

    def forget(self, daemon_set: str) -> None:
        """The DaemonSet of this UID is gone."""
        self._delays = {key: value for key, value in self._delays.items() if key[0] != daemon_set}
