"""CEL in files of configuration, over values that are JSON of no particular type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.configuration_file import ConfigurationError


class ConfiguredExpression:
    """One expression over the named variables; `where` is its place in the file."""

    def __init__(self, text: str, variables: Sequence[str], where: str, result: str = "dyn") -> None:
        raise ConfigurationError(f"{where}: not yet")

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Raises ValueError when it cannot be evaluated."""
