"""Makes and deletes a DaemonSet's pods, and keeps the history of its templates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.apps_v1 import ControllerRevision, DaemonSet
from api.core_v1 import Node, Pod
from client.controller import Controller, Key, NotYet, Watches, controller_of, owner
from client.store import key_of
from controller_manager import revision_history
from controller_manager.claim import OWNER, by_controller, claim
from controller_manager.daemon_set.backoff import FailedPods
from controller_manager.daemon_set.fleet import Fleet, Work, sort_out, status_of, work_on
from controller_manager.daemon_set.placement import Placement, daemon_pod, daemon_template, placement, target_node
from controller_manager.daemon_set.rolling_update import next_steps
from controller_manager.expectations import Expectations
from controller_manager.pod_control import PodControl, namespace_is_ending
from controller_manager.pod_state import next_availability
from controller_manager.revision_history import REVISION_LABEL, History
from controller_manager.selectors import is_empty, matches
from controller_manager.status_writer import write_status
from controller_manager.written import LastWritten

_BURST = 250
_COALESCE = 0.03
"""Seconds within which a DaemonSet's pod events become one reconcile."""


class DaemonSetController(Controller):
    name = "daemonset-controller"

    def setup(self, watch: Watches) -> None:
        self.expectations = Expectations(self.clock)
        self.control = PodControl(self.client, self.events, self.expectations)
        self.failed_pods = FailedPods(self.clock)
        self.daemon_sets = watch(DaemonSet, enqueue=self._changed)
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={OWNER: by_controller}, delay=_COALESCE)
        self.nodes = watch(Node, enqueue=self._node_changed)
        self.revisions = watch(ControllerRevision, enqueue=self._revision_changed, indexers={OWNER: by_controller})
        self.newest = LastWritten(self.revisions)

    def _changed(self, old: DaemonSet | None, new: DaemonSet | None) -> Iterable[Key]:
        if new is None and old is not None:
            self.expectations.forget(key_of(old))
            self.newest.forget(key_of(old))
            self.failed_pods.forget(old.metadata.uid)
        return (key_of(new or old),)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        keys = [*_owner_keys(old, new)]
        for key in keys:
            self.expectations.observe(key, old, new)
        return keys or self._could_adopt(new)

    def _revision_changed(self, old: ControllerRevision | None, new: ControllerRevision | None) -> Iterable[Key]:
        """One that is gone may have to be made again, one that nobody owns be adopted."""
        if new is None and old is not None:
            self.newest.deleted(old)
            return [*_owner_keys(old, None)]
        return self._could_adopt(new)

    def _could_adopt(self, orphan: Pod | ControllerRevision | None) -> list[Key]:
        if orphan is None or controller_of(orphan.metadata) is not None:
            return []
        candidates = self.daemon_sets.in_namespace(orphan.metadata.namespace)
        return [key_of(d) for d in candidates if matches(d.spec.selector, orphan.metadata.labels)]

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        """Only what decides where pods run: nodes report their state all the time."""
        if old is not None and new is not None and _same_for_placement(old, new):
            return
        for daemon_set in self.daemon_sets:
            if _placement(daemon_set, old) is not _placement(daemon_set, new):
                yield key_of(daemon_set)

    async def reconcile(self, key: Key) -> None:
        daemon_set = self.daemon_sets.get(key)
        if daemon_set is None:
            return
        selector = daemon_set.spec.selector
        if is_empty(selector):
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self.events.event(daemon_set, "Warning", "SelectingAll", message)
            return
        if daemon_set.metadata.deletionTimestamp is not None:
            return
        if not self.newest.is_shown(key, self.queue.failures(key)):
            raise NotYet(f"the cache has not seen the newest revision of {key}")
        revisions = await claim(self.client, daemon_set, selector, self.revisions)
        history = await revision_history.present(self.client, daemon_set, revisions, REVISION_LABEL)
        if history is None:
            return
        self.newest.note(key, history.newest)
        acting = self.expectations.met(key)  # asked before the pods are read: later is safe, earlier is not
        pods = await claim(self.client, daemon_set, selector, self.pods)
        await self._drop_duplicates(history, pods)
        fleet = sort_out(daemon_set, mark_of(history.newest), self.nodes, pods)
        failure = await self._act(key, fleet) if acting else None
        now = self.clock.now()
        generation = daemon_set.metadata.generation if acting else daemon_set.status.observedGeneration
        status = status_of(fleet, generation, history.collisions, now)
        await write_status(self.client, daemon_set, status, of_others=("conditions",))
        if failure is not None and not namespace_is_ending(failure):
            raise failure
        if acting:
            await self._truncate(daemon_set, history, pods)
        wait = next_availability(pods, daemon_set.spec.minReadySeconds, now)
        if wait is not None:
            self.queue.add_after(key, wait)

    async def _act(self, key: Key, fleet: Fleet) -> Exception | None:
        """An update goes on only when nothing else was to be done: `fleet` does not show what was."""
        now = self.clock.now()
        work = work_on(fleet, now)
        work.surplus += self._replaceable(key, fleet, work.finished)
        if not work.missing and not work.surplus and fleet.daemon_set.spec.updateStrategy.type == "RollingUpdate":
            work = next_steps(fleet, now)
        return await self._do(key, fleet, work)

    async def _do(self, key: Key, fleet: Fleet, work: Work) -> Exception | None:
        if not (work.missing or work.surplus):
            return None
        daemon_set = fleet.daemon_set
        nodes, doomed = work.missing[:_BURST], work.surplus[:_BURST]
        self.expectations.expect(key, creations=len(nodes), deletions=[pod.metadata.uid for pod in doomed])
        template = daemon_template(daemon_set, fleet.revision)
        made = [daemon_pod(daemon_set, template, node) for node in nodes]
        failure = await self.control.create(key, daemon_set, made)
        return await self.control.delete(key, daemon_set, doomed) or failure

    def _replaceable(self, key: Key, fleet: Fleet, finished: Sequence[Pod]) -> list[Pod]:
        """The finished pods whose place may be taken now; a place where pods keep failing has to wait."""
        result = []
        for pod in finished:
            where = f"daemon pod {key_of(pod)} on node {target_node(pod)}"
            if pod.status.phase == "Failed":
                wait = self.failed_pods.wait(fleet.daemon_set.metadata.uid, target_node(pod))
                if wait > 0:
                    self.queue.add_after(key, wait)
                    continue
                message = f"Found failed {where}, will try to kill it"
                self.events.event(fleet.daemon_set, "Warning", "FailedDaemonPod", message)
            else:
                message = f"Found succeeded {where}, will try to delete it"
                self.events.event(fleet.daemon_set, "Normal", "SucceededDaemonPod", message)
            result.append(pod)
        return result

    # --- history ---------------------------------------------------------------------------------

    async def _drop_duplicates(self, history: History, pods: Sequence[Pod]) -> None:
        """Pods of another revision with the same template count as those of the newest."""
        mark = mark_of(history.newest)
        for duplicate in history.duplicates:
            for pod in pods:
                if pod.metadata.labels.get(REVISION_LABEL) == mark_of(duplicate) != mark:
                    body = {"metadata": {"labels": {REVISION_LABEL: mark}}}
                    await self.client.patch(Pod, pod.metadata.name, pod.metadata.namespace, body)
            await revision_history.delete(self.client, duplicate)

    async def _truncate(self, daemon_set: DaemonSet, history: History, pods: Sequence[Pod]) -> None:
        live = {pod.metadata.labels.get(REVISION_LABEL) for pod in pods}
        unused = [revision for revision in history.old if mark_of(revision) not in live]
        limit = daemon_set.spec.revisionHistoryLimit
        await revision_history.truncate(self.client, unused, len(history.old), limit)


def mark_of(revision: ControllerRevision) -> str:
    """What the pods of a revision carry in their label."""
    return revision.metadata.labels.get(REVISION_LABEL, revision.metadata.name)


def _same_for_placement(old: Node, new: Node) -> bool:
    return old.spec.taints == new.spec.taints and old.metadata.labels == new.metadata.labels


def _placement(daemon_set: DaemonSet, node: Node | None) -> Placement:
    return Placement.NOT_THERE if node is None else placement(daemon_set, node)


_owner_keys: Any = owner(DaemonSet)
