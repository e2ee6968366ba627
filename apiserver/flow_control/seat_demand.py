"""How many seats a priority level has wanted over a period: those taken and those waited for."""

from __future__ import annotations

import math


class SeatDemand:
    """Sums up over time: `set` says what is wanted from `now` on, in seats and seconds."""

    __slots__ = ("_at", "_square_sum", "_sum", "highest", "smoothed", "value")

    _SMOOTHING = 0.977
    """How much of the former figure stays in each period, when demand falls (KEP-1040)."""

    def __init__(self, now: float) -> None:
        self.value = self.highest = 0
        self.smoothed = 0.0
        self._at = now
        self._sum = self._square_sum = 0.0

    def set(self, value: int, now: float) -> None:
        lasted = self.value * (now - self._at)
        self._sum += lasted
        self._square_sum += self.value * lasted
        self.value, self._at = value, now
        if value > self.highest:
            self.highest = value

    def close_period(self, seconds: float, now: float) -> int:
        """End a period that has lasted so long: brings `smoothed` up to date and returns the period's highest."""
        self.set(self.value, now)
        average = self._sum / seconds if seconds > 0 else 0.0
        variance = self._square_sum / seconds - average * average if seconds > 0 else 0.0
        envelope = average + math.sqrt(max(variance, 0.0))
        self.smoothed = max(self._SMOOTHING * self.smoothed + (1 - self._SMOOTHING) * envelope, envelope)
        highest, self.highest = self.highest, self.value
        self._sum = self._square_sum = 0.0
        return highest
