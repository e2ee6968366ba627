"""The commands in README.md."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def shell_blocks() -> list[list[str]]:
    """The lines of each block of shell commands, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    return [block.strip().splitlines() for block in blocks]


def docker_block() -> list[str]:
    """The block that needs a Docker engine: `tests/cluster/test_compose.py` runs it."""
    return next(block for block in shell_blocks() if any("docker compose" in line for line in block))
