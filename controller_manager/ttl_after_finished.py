"""Deletes jobs some time after they have ended.

https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
"""

from __future__ import annotations

from datetime import datetime, timedelta

from api.batch_v1 import Job
from api.errors import NotFound
from client.controller import Controller, Key, Watches
from client.store import split_key
from controller_manager.job.conditions import finished


class TtlAfterFinishedController(Controller):
    name = "ttl-after-finished-controller"

    def setup(self, watch: Watches) -> None:
        self.jobs = watch(Job)

    async def reconcile(self, key: Key) -> None:
        job = self.jobs.get(key)
        if job is None or not self._is_due(key, job):
            return
        namespace, name = split_key(key)
        try:
            # The copy may be old, and the time to live a longer one by now.
            job = await self.client.get(Job, name, namespace)
            if self._is_due(key, job):
                await self.client.delete(Job, name, namespace, propagation="Foreground", uid=job.metadata.uid)
        except NotFound:
            return

    def _is_due(self, key: Key, job: Job) -> bool:
        """Whether the job is to be deleted now; if later, its key comes again then."""
        expires = expires_at(job)
        if expires is None:
            return False
        wait = (expires - self.clock.now()).total_seconds()
        if wait > 0:
            self.queue.add_after(key, wait)
        return wait <= 0


def expires_at(job: Job) -> datetime | None:
    """When a job is to be deleted; None while it has not ended, or when nobody asked for it."""
    end, seconds = finished(job), job.spec.ttlSecondsAfterFinished
    if job.metadata.deletionTimestamp is not None or seconds is None or end is None:
        return None
    return None if end.lastTransitionTime is None else end.lastTransitionTime + timedelta(seconds=seconds)
