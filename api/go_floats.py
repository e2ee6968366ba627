"""Floats as Go prints them, which many messages of Kubernetes contain."""

from __future__ import annotations

_FEW, _MANY = 1e-4, 1e6


def go_float(value: float) -> str:
    """A float as Go's `%v` prints it, with no more digits than tell it from others: 3, 1.5, 1e+06, 1e-07."""
    if value != 0 and not _FEW <= abs(value) < _MANY:
        return _exponent(value)
    return repr(value).removesuffix(".0")


def _exponent(value: float) -> str:
    digits = repr(value)
    if "e" in digits:
        return digits
    return next(shown for places in range(17) if float(shown := f"{value:.{places}e}") == value)
