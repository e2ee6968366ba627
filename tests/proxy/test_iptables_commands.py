"""The programs that write rules end before whoever has called them goes on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from proxy.iptables import Iptables
from proxy.iptables_rules import Settings


@pytest.mark.parametrize("call", ["_run", "_succeeds"])
async def test_a_cancelled_command_does_not_go_on(tmp_path: Path, call: str) -> None:
    rules, told = Iptables(Settings(instance="a")), tmp_path / "pid"
    os.mkfifo(told)
    reader = os.open(told, os.O_RDONLY | os.O_NONBLOCK)
    try:
        command = ("sh", "-c", f"echo $$ > {told}; exec sleep 1000")
        work = asyncio.create_task(getattr(rules, call)(*command))
        begun = asyncio.Event()
        asyncio.get_running_loop().add_reader(reader, begun.set)
        await asyncio.wait_for(begun.wait(), 60)
        asyncio.get_running_loop().remove_reader(reader)
        pid = int(os.read(reader, 100))
    finally:
        os.close(reader)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
