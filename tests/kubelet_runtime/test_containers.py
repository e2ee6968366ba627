from __future__ import annotations

from kubelet.runtime.protocol import ContainerState
from tests.kubelet_runtime.conftest import Bench


async def test_a_command_runs_and_its_output_is_the_log(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "echo hello; echo problem >&2; exit 3")
    assert await bench.output(container) in ("hello\nproblem\n", "problem\nhello\n")
    status = await bench.status(container)
    assert (status.state, status.exit_code, status.signal, status.reason) == (ContainerState.EXITED, 3, 0, "Error")
