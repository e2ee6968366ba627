"""Hooks that run right after a container's start and right before its end.

See https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/.
"""

from __future__ import annotations

from api.core_v1 import Container, LifecycleHandler
from kubelet.host import Host
from kubelet.http_get import PortError, http_get, target_of
from kubelet.runtime.protocol import RuntimeFailure


class HookFailed(Exception):
    """The text is what the hook had to say."""


async def run_hook(host: Host, container: Container, container_id: str, pod_ip: str, handler: LifecycleHandler) -> None:
    """Run a hook to its end; bound it in time from outside.  Raises HookFailed."""
    if handler.exec is not None:
        command = handler.exec.command
        try:
            result = await host.runtime.exec_sync(container_id, command, 0)
        except RuntimeFailure as error:
            raise HookFailed(error.message) from error
        if result.exit_code:
            output = (result.stdout + result.stderr)[:1024].decode(errors="replace")
            words = " ".join(command)
            raise HookFailed(f"command '{words}' exited with {result.exit_code}: {output}")
    elif handler.httpGet is not None:
        try:
            answer = await http_get(target_of(handler.httpGet, container, pod_ip))
        except (OSError, ValueError, PortError) as error:
            raise HookFailed(str(error)) from error
        if not 200 <= answer.status < 400:
            raise HookFailed(f"HTTP hook failed with statuscode: {answer.status}")
    elif handler.sleep is not None:
        await host.clock.sleep(float(handler.sleep.seconds))
