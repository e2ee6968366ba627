"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Delays that grow by `factor` from `initial` to `cap` seconds, each randomly lengthened by up to `jitter`.

    The randomness keeps many clients of one server from coming back all at the same moment.
    """

    def __init__(self, initial: float = 0.02, factor: float = 1.6, cap: float = 2.0, jitter: float = 0.3) -> None:
        self._initial, self._factor, self._cap, self._jitter = initial, factor, cap, jitter
        self._next = initial

    def next(self) -> float:
        """The seconds to wait this time."""
        delay, self._next = self._next, min(self._next * self._factor, self._cap)
        return delay * (1 + random.random() * self._jitter)

    def reset(self) -> None:
        """It worked: begin again with the shortest delay."""
        self._next = self._initial
