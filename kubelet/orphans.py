"""Ends pods that nobody asks for any more: they were deleted while the kubelet was away."""

from __future__ import annotations

import asyncio

from api.core_v1 import Pod
from api.meta_v1 import ObjectMeta
from kubelet.annotations import GRACE
from kubelet.host import Host
from kubelet.pod_view import is_running
from kubelet.runtime.protocol import ContainerStatus, Sandbox

_DEFAULT_GRACE = 30.0


async def remove_orphan(host: Host, sandboxes: list[Sandbox], runs: list[ContainerStatus]) -> None:
    """Stop the containers with the grace period they were made with, then remove all of the pod.

    Raises RuntimeFailure, OSError.
    """
    running = [run for run in runs if is_running(run)]
    await asyncio.gather(*(host.runtime.stop_container(run.id, _grace(run)) for run in running))
    for sandbox in sandboxes:
        await host.runtime.remove_sandbox(sandbox.id)
    for config in {sandbox.config.pod_uid: sandbox.config for sandbox in sandboxes}.values():
        meta = ObjectMeta(name=config.pod_name, namespace=config.pod_namespace, uid=config.pod_uid)
        await host.preparation.release(config.pod_uid)
        await host.preparation.remove(Pod(metadata=meta))


def _grace(run: ContainerStatus) -> float:
    try:
        return float(run.config.annotations.get(GRACE, _DEFAULT_GRACE))
    except ValueError:
        return _DEFAULT_GRACE
