"""What to do next for a StatefulSet: make, replace, update or end a pod."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from api.apps_v1 import ControllerRevision, StatefulSet
from api.core_v1 import PersistentVolumeClaim, Pod
from api.errors import AlreadyExists, NotFound, StatusError
from client.controller import Controller, Key, NotYet, Watches, controller_of, owner
from client.rest import Unreachable
from client.store import key_of
from controller_manager import revision_history
from controller_manager.claim import OWNER, by_controller, claim
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_state import is_finished, next_availability
from controller_manager.revision_history import REVISION_LABEL, History
from controller_manager.selectors import is_empty, matches
from controller_manager.slow_start import slow_start
from controller_manager.stateful_set.claims import ClaimNotReady, Claims
from controller_manager.stateful_set.identity import is_member, parent_and_ordinal, with_identity
from controller_manager.stateful_set.rollout import (
    Rollout,
    first_unhealthy,
    is_running_and_available,
    sort_out,
    status_of,
    to_update,
)
from controller_manager.status_writer import write_status
from controller_manager.written import LastWritten

_HASH_LABEL = "controller.kubernetes.io/hash"
_COALESCE = 0.01
"""Seconds within which pod events become one reconcile: short, for in order every pod is waited for."""


class StatefulSetController(Controller):
    """Pods have names of their own, so that what was made already cannot be made again by a controller that does not
    see it yet: there is nothing to expect."""

    name = "statefulset-controller"

    def setup(self, watch: Watches) -> None:
        self.stateful_sets = watch(StatefulSet, enqueue=self._changed)
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={OWNER: by_controller}, delay=_COALESCE)
        self.revisions = watch(ControllerRevision, enqueue=self._revision_changed, indexers={OWNER: by_controller})
        self.newest = LastWritten(self.revisions)
        self.claims = Claims(self.client, self.events, watch(PersistentVolumeClaim, enqueue=self._claim_changed))

    def _changed(self, old: StatefulSet | None, new: StatefulSet | None) -> Iterable[Key]:
        if new is None and old is not None:
            self.newest.forget(key_of(old))
        return (key_of(new or old),)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        keys = [*_owner_keys(old, new)]
        if keys or new is None or controller_of(new.metadata) is not None:
            return keys
        return self._could_adopt(new) & {f"{new.metadata.namespace}/{parent_and_ordinal(new.metadata.name)[0]}"}

    def _revision_changed(self, old: ControllerRevision | None, new: ControllerRevision | None) -> Iterable[Key]:
        """One that is gone may have to be made again, one that nobody owns be adopted."""
        if new is None:
            assert old is not None
            self.newest.deleted(old)
            return [*_owner_keys(old, None)]
        return self._could_adopt(new) if controller_of(new.metadata) is None else ()

    def _could_adopt(self, orphan: Pod | ControllerRevision) -> set[Key]:
        candidates = self.stateful_sets.in_namespace(orphan.metadata.namespace)
        return {key_of(s) for s in candidates if matches(s.spec.selector, orphan.metadata.labels)}

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
        """A pod waits until the claim of its predecessor is gone."""
        if new is None and old is not None:
            parent, _ = parent_and_ordinal(old.metadata.name)
            for stateful_set in self.stateful_sets.in_namespace(old.metadata.namespace):
                if stateful_set.spec.volumeClaimTemplates and parent.endswith(f"-{stateful_set.metadata.name}"):
                    yield key_of(stateful_set)

    async def reconcile(self, key: Key) -> None:
        stateful_set = self.stateful_sets.get(key)
        if stateful_set is None or is_empty(stateful_set.spec.selector):
            return
        if not self.newest.is_shown(key, self.queue.failures(key)):
            raise NotYet(f"the cache has not seen the newest revision of {key}")
        selector = stateful_set.spec.selector
        revisions = await claim(self.client, stateful_set, selector, self.revisions)
        pods = await claim(self.client, stateful_set, selector, self.pods, lambda pod: is_member(stateful_set, pod))
        ending = stateful_set.metadata.deletionTimestamp is not None
        if ending and not revision_history.is_known(stateful_set, revisions):
            return  # nothing is made for a StatefulSet that goes: the garbage collector would have to delete it again
        history = await revision_history.present(self.client, stateful_set, revisions, _HASH_LABEL)
        if history is None:
            return
        self.newest.note(key, history.newest)
        rollout = sort_out(stateful_set, pods, current_revision(stateful_set, history), history.newest)
        failure: Exception | None = None
        if not ending:
            try:
                await self._step(rollout)
            except (StatusError, Unreachable, ClaimNotReady, NotYet) as error:
                failure = error
        now = self.clock.now()
        status = status_of(rollout, pods, history.collisions, now)
        await write_status(self.client, stateful_set, status, of_others=("conditions",))
        await self._truncate(rollout, history, pods)
        wait = next_availability(pods, stateful_set.spec.minReadySeconds, now)
        if wait is not None:
            self.queue.add_after(key, wait)
        if isinstance(failure, ClaimNotReady):
            raise NotYet(str(failure))
        if failure is not None and not namespace_is_ending(failure):
            raise failure

    async def _truncate(self, rollout: Rollout, history: History, pods: Sequence[Pod]) -> None:
        live = {pod.metadata.labels.get(REVISION_LABEL) for pod in pods}
        live |= {rollout.current.metadata.name, rollout.update.metadata.name}
        every = revision_history.by_number([*history.old, *history.duplicates])
        unused = [revision for revision in every if revision.metadata.name not in live]
        limit = rollout.stateful_set.spec.revisionHistoryLimit
        await revision_history.truncate(self.client, unused, len(unused), limit)

    # --- steps -----------------------------------------------------------------------------------

    async def _step(self, rollout: Rollout) -> None:
        """First all pods wanted, then those that are not, then those of old revisions; in order, each waits for the
        one before."""
        if not await self._each(rollout, rollout.replicas, self._keep):
            return
        for pod in rollout.condemned:
            await self.claims.settle_owners(rollout.stateful_set, pod)
        if not await self._each(rollout, rollout.condemned, self._condemn):
            return
        for pod in to_update(rollout, self.clock.now()):
            await self._delete(rollout.stateful_set, pod)

    async def _each(
        self, rollout: Rollout, pods: Sequence[Pod], act: Callable[[Rollout, Pod], Awaitable[bool]]
    ) -> bool:
        """Act on the pods, in order until one has to be waited for or all at once.  Returns whether to go on."""
        if rollout.in_order:
            for pod in pods:
                if not await act(rollout, pod):
                    return False
            return True

        async def one(number: int) -> None:
            await act(rollout, pods[number])

        _, error = await slow_start(len(pods), one)
        if error is not None:
            raise error
        return True

    async def _keep(self, rollout: Rollout, pod: Pod) -> bool:
        """See to a pod that is wanted.  Returns whether the next may have its turn."""
        stateful_set = rollout.stateful_set
        if is_finished(pod):
            if pod.metadata.deletionTimestamp is None:
                await self._delete(stateful_set, pod)
            return False
        if not pod.metadata.uid:
            if not self.claims.are_stale(stateful_set, pod):
                await self._create(stateful_set, pod)
            return False
        if pod.status.phase == "Pending":
            await self.claims.ensure(stateful_set, pod)
        if rollout.in_order and (
            pod.metadata.deletionTimestamp is not None
            or not is_running_and_available(pod, stateful_set.spec.minReadySeconds, self.clock.now())
        ):
            return False
        await self._settle(stateful_set, pod)
        return True

    async def _condemn(self, rollout: Rollout, pod: Pod) -> bool:
        """End a pod that is no longer wanted.  In order, one at a time, and none while another one is unwell."""
        if pod.metadata.deletionTimestamp is not None:
            return False
        now, seconds = self.clock.now(), rollout.stateful_set.spec.minReadySeconds
        waits = rollout.in_order and not is_running_and_available(pod, seconds, now)
        if not waits or pod is first_unhealthy(rollout, now):
            await self._delete(rollout.stateful_set, pod)
        return False

    # --- pods ------------------------------------------------------------------------------------

    async def _create(self, stateful_set: StatefulSet, pod: Pod) -> None:
        try:
            await self.claims.ensure(stateful_set, pod)
            await self.client.create(pod)
        except AlreadyExists as error:
            raise NotYet(str(error)) from None  # by us, and not seen yet; or somebody else's, whose end we await
        except Exception as error:
            if not namespace_is_ending(error):
                self._tell(stateful_set, "create", pod, error)
            raise
        self._tell(stateful_set, "create", pod)
        await self.claims.settle_owners(stateful_set, pod)

    async def _delete(self, stateful_set: StatefulSet, pod: Pod) -> None:
        meta = pod.metadata
        try:
            await self.client.delete(Pod, meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            return
        except Exception as error:
            self._tell(stateful_set, "delete", pod, error)
            raise
        self._tell(stateful_set, "delete", pod)

    async def _settle(self, stateful_set: StatefulSet, pod: Pod) -> None:
        """Give an adopted pod the identity it lacks, and its claims their owners."""
        await self.claims.settle_owners(stateful_set, pod)
        fixed = with_identity(stateful_set, pod)
        if fixed is pod:
            return
        try:
            await self.claims.ensure(stateful_set, fixed)
            await self.client.update(fixed)
        except Exception as error:
            self._tell(stateful_set, "update", pod, error)
            raise
        self._tell(stateful_set, "update", pod)

    def _tell(self, stateful_set: StatefulSet, verb: str, pod: Pod, error: Exception | None = None) -> None:
        what = f"{verb} Pod {pod.metadata.name} in StatefulSet {stateful_set.metadata.name}"
        if error is None:
            self.events.event(stateful_set, "Normal", f"Successful{verb.title()}", f"{what} successful")
        else:
            self.events.event(stateful_set, "Warning", f"Failed{verb.title()}", f"{what} failed error: {error}")


def current_revision(stateful_set: StatefulSet, history: History) -> ControllerRevision:
    """The one that status names, the newest when there is none by that name."""
    known = [*history.old, *history.duplicates, history.newest]
    name = stateful_set.status.currentRevision
    return next((revision for revision in known if revision.metadata.name == name), history.newest)


_owner_keys: Any = owner(StatefulSet)
