"""Where the recorded conversations and the tool that replays them are, and which of them do not fully pass yet."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

GROUPS = ("machinery", "kinds", "extend")

UNSERVED: dict[str, str] = {}
"""Conversations, by how their names begin, about what the server does not do yet, and would wait for."""

BEHIND: dict[str, int] = {
    "kinds/kind-service-kubernetes": 4,
}
"""How many steps of a conversation pass now, where some do not.

One that passes more, or less, fails its test until its number is corrected: what is reached stays.
"""


def oracle_folder() -> Path | None:
    """The folder of the tool: `NANOKUBE_ORACLE`, or `shared/oracle` beside one of this checkout's parents."""
    named = os.environ.get("NANOKUBE_ORACLE")
    places = [Path(named)] if named else [parent / "shared/oracle" for parent in Path(__file__).resolve().parents]
    return next((place for place in places if (place / "oracle.py").is_file()), None)


def recorded(folder: Path) -> list[Path]:
    """Every recorded conversation, in a fixed order."""
    return [path for group in GROUPS for path in sorted((folder / "recorded" / group).glob("*.json"))]


def load_tool(folder: Path) -> ModuleType:
    """The tool as a module: it is no part of this project and is not installed."""
    spec = importlib.util.spec_from_file_location("recorded_oracle", folder / "oracle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
