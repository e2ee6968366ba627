"""A command in the container that ends with 0."""

from __future__ import annotations

from collections.abc import Sequence

from kubelet.http_get import BODY_LIMIT
from kubelet.probes.outcome import Outcome
from kubelet.runtime.protocol import ExecFailed, ExecTimeout, Runtime, RuntimeFailure


async def probe_exec(runtime: Runtime, container_id: str, command: Sequence[str], timeout: float) -> Outcome:
    try:
        result = await runtime.exec_sync(container_id, command, timeout)
    except ExecTimeout:
        words = " ".join(command)
        return Outcome(False, f'command timed out: "{words}" timed out after {timeout:g}s')
    except ExecFailed as error:
        return Outcome(False, error.message)
    except RuntimeFailure as error:
        return Outcome(False, error.message, error=True)
    output = (result.stdout + result.stderr)[:BODY_LIMIT].decode(errors="replace")
    return Outcome(result.exit_code == 0, output)
