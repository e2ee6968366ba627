"""What to do next for a Deployment: scale, roll, recreate, pause, clean up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.apps_v1 import Deployment, DeploymentStatus, ReplicaSet
from api.core_v1 import Pod
from api.errors import AlreadyExists, Conflict, NotFound, StatusError
from client.controller import Controller, Key, NotYet, Watches, controller_of, owner
from client.store import key_of
from controller_manager.claim import OWNER, by_controller, claim
from controller_manager.deployment import progress, revisions
from controller_manager.deployment.sizes import (
    Sizes,
    is_rolling,
    is_saturated,
    new_size,
    old_sizes,
    proportional,
    size,
    wanted,
)
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_state import is_finished
from controller_manager.pod_template import same_template
from controller_manager.selectors import is_empty, matches
from controller_manager.status_writer import write_status
from controller_manager.written import LastWritten


@dataclass
class Rollout:
    """A Deployment with its ReplicaSets sorted out.  `old` is oldest first."""

    deployment: Deployment
    new: ReplicaSet | None
    old: list[ReplicaSet]

    @property
    def all(self) -> list[ReplicaSet]:
        return [*self.old, *([self.new] if self.new else [])]

    @property
    def active(self) -> list[ReplicaSet]:
        return [rs for rs in self.all if size(rs) > 0]


class DeploymentController(Controller):
    name = "deployment-controller"

    def setup(self, watch: Watches) -> None:
        self.deployments = watch(Deployment)
        self.replica_sets = watch(ReplicaSet, enqueue=self._replica_set_changed, indexers={OWNER: by_controller})
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={OWNER: by_controller})
        self.made = LastWritten(self.replica_sets)

    def _replica_set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> Iterable[Key]:
        if new is None and old is not None:
            self.made.deleted(old)
        keys = [*_owner_keys(old, new)]
        if keys or new is None or controller_of(new.metadata) is not None:
            return keys
        candidates = self.deployments.in_namespace(new.metadata.namespace)
        return [key_of(d) for d in candidates if matches(d.spec.selector, new.metadata.labels)]

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        """A Recreate waits for the last old pod to go."""
        if old is None or (new is not None and not is_finished(new)):
            return
        for key in _pod_owner_keys(old, new):
            replica_set = self.replica_sets.get(key)
            reference = replica_set and controller_of(replica_set.metadata)
            if reference:
                deployment = self.deployments.get(f"{old.metadata.namespace}/{reference.name}")
                if deployment is not None and not is_rolling(deployment):
                    yield key_of(deployment)

    async def reconcile(self, key: Key) -> None:
        deployment = self.deployments.get(key)
        if deployment is None:
            self.made.forget(key)
        if deployment is None or is_empty(deployment.spec.selector):
            return
        if not self.made.is_shown(key, self.queue.failures(key)):
            raise NotYet(f"the cache has not seen the newest replica set of {key}")
        replica_sets = await claim(self.client, deployment, deployment.spec.selector, self.replica_sets)
        rollout = self._sort_out(deployment, replica_sets)
        if deployment.metadata.deletionTimestamp is not None:
            await self._write(rollout, progress.counted(deployment, rollout.all, rollout.new, self.clock.now()))
            return
        await self._note_pause(rollout)
        if deployment.spec.paused or needs_scaling(rollout):
            await self._adopt_revision(rollout)
            await self._scale(rollout)
            if deployment.spec.paused:
                await self._clean_up(rollout)
            await self._write(rollout, progress.counted(rollout.deployment, rollout.all, rollout.new, self.clock.now()))
        elif is_rolling(deployment):
            await self._roll(rollout)
        else:
            await self._recreate(rollout)

    def _sort_out(self, deployment: Deployment, replica_sets: list[ReplicaSet]) -> Rollout:
        new = revisions.find_new(deployment, replica_sets)
        return Rollout(deployment, new, revisions.by_age(revisions.old_ones(new, replica_sets)))

    # --- strategies ------------------------------------------------------------------------------

    async def _roll(self, rollout: Rollout) -> None:
        """A step of a rolling update: grow the new, else shrink the old, as far as the limits allow now."""
        new = await self._ensure_new(rollout)
        if new is None:
            return
        target = wanted(rollout.deployment)
        if size(new) > target:
            changed = await self._resize(rollout, {new.metadata.name: target})
        else:
            changed = await self._resize(rollout, {new.metadata.name: new_size(rollout.deployment, rollout.all, new)})
            if not changed:
                changed = await self._resize(rollout, old_sizes(rollout.deployment, rollout.old, new))
        await self._finish(rollout, settled=not changed)

    async def _recreate(self, rollout: Rollout) -> None:
        """First all old pods go, then the new ones come."""
        await self._adopt_revision(rollout)
        gone = await self._resize(rollout, {rs.metadata.name: 0 for rs in rollout.old if size(rs)})
        if gone or self._old_pods_remain(rollout):
            await self._finish(rollout, settled=False)
            return
        new = await self._ensure_new(rollout)
        if new is None:
            return
        changed = await self._resize(rollout, {new.metadata.name: wanted(rollout.deployment)})
        await self._finish(rollout, settled=not changed)

    def _old_pods_remain(self, rollout: Rollout) -> bool:
        return any(not is_finished(pod) for rs in rollout.old for pod in self.pods.by_index(OWNER, rs.metadata.uid))

    async def _finish(self, rollout: Rollout, *, settled: bool) -> None:
        now = self.clock.now()
        status = progress.rollout_status(rollout.deployment, rollout.all, rollout.new, now)
        if settled and progress.is_complete(rollout.deployment, status):
            await self._clean_up(rollout)
        await self._write(rollout, status)
        wait = progress.seconds_to_deadline(rollout.deployment, status, now)
        if wait is not None:
            self.queue.add_after(key_of(rollout.deployment), wait)

    # --- scaling ---------------------------------------------------------------------------------

    async def _scale(self, rollout: Rollout) -> None:
        """Follow spec.replicas outside of an update's steps."""
        deployment, active = rollout.deployment, rollout.active
        if len(active) <= 1:
            latest = active or ([rollout.new] if rollout.new else rollout.old[-1:])
            await self._resize(rollout, {rs.metadata.name: wanted(deployment) for rs in latest})
        elif is_saturated(deployment, rollout.new):
            await self._resize(rollout, {rs.metadata.name: 0 for rs in rollout.old if size(rs)})
        elif is_rolling(deployment):
            await self._resize(rollout, proportional(deployment, active))

    async def _resize(self, rollout: Rollout, sizes: Sizes) -> bool:
        """Write new sizes and note what they were made for.  Returns whether any size changed."""
        changed = False
        for replica_set in rollout.all:
            new = sizes.get(replica_set.metadata.name)
            if new is None:
                continue
            annotations = replica_set.metadata.annotations | revisions.size_annotations(rollout.deployment)
            before = size(replica_set)
            if new == before and annotations == replica_set.metadata.annotations:
                continue
            updated = replica_set.copy_deep()
            updated.spec.replicas = new
            updated.metadata.annotations = annotations
            self._replace(rollout, await self.client.update(updated))
            if new != before:
                changed = True
                self._tell_scaled(rollout.deployment, replica_set.metadata.name, before, new)
        return changed

    def _tell_scaled(self, deployment: Deployment, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {name} from {before} to {after}"
        self.events.event(deployment, "Normal", "ScalingReplicaSet", message)

    @staticmethod
    def _replace(rollout: Rollout, replica_set: ReplicaSet) -> None:
        if rollout.new is not None and rollout.new.metadata.name == replica_set.metadata.name:
            rollout.new = replica_set
        else:
            rollout.old = [replica_set if r.metadata.name == replica_set.metadata.name else r for r in rollout.old]

    # --- the newest ReplicaSet -------------------------------------------------------------------

    async def _ensure_new(self, rollout: Rollout) -> ReplicaSet | None:
        """The ReplicaSet of the present template, made if need be.  None: its namespace is ending."""
        if rollout.new is None:
            rollout.new = await self._create_new(rollout)
            if rollout.new is None:
                return None
            message = f'Created new replica set "{rollout.new.metadata.name}"'
            await self._note_revision(rollout, progress.CREATED, message)
        else:
            await self._adopt_revision(rollout)
        return rollout.new

    async def _create_new(self, rollout: Rollout) -> ReplicaSet | None:
        deployment = rollout.deployment
        made = revisions.make_new(deployment, rollout.old)
        try:
            created = await self.client.create(made)
        except AlreadyExists as error:
            return await self._existing(rollout, made, error)
        except StatusError as error:
            if namespace_is_ending(error):
                return None
            message = f'Failed to create new replica set "{made.metadata.name}": {error}'
            if progress.has_deadline(deployment):
                status = deployment.status.model_copy()
                status.conditions = progress.with_condition(
                    status.conditions,
                    progress.PROGRESSING,
                    "False",
                    progress.CREATE_FAILED,
                    message,
                    self.clock.now(),
                )
                await self._write(rollout, status)
            self.events.event(deployment, "Warning", progress.CREATE_FAILED, message)
            raise
        self.made.note(key_of(deployment), created)
        if size(created):
            self._tell_scaled(deployment, created.metadata.name, 0, size(created))
        return created

    async def _existing(self, rollout: Rollout, made: ReplicaSet, error: AlreadyExists) -> ReplicaSet:
        """Either ours, and only our copy is old, or a collision of hashes: then count it and use another."""
        deployment = rollout.deployment
        present = await self.client.get(ReplicaSet, made.metadata.name, made.metadata.namespace)
        reference = controller_of(present.metadata)
        if (
            reference is not None
            and reference.uid == deployment.metadata.uid
            and same_template(present.spec.template, deployment.spec.template)
        ):
            return present
        status = deployment.status.model_copy(update={"collisionCount": (deployment.status.collisionCount or 0) + 1})
        await self._write(rollout, status)
        raise error

    async def _adopt_revision(self, rollout: Rollout) -> None:
        """Bring the annotations of an existing newest ReplicaSet up to date: after an undo it becomes the latest
        revision again."""
        new = rollout.new
        if new is None:
            return
        annotations = revisions.annotations_for(rollout.deployment, new, revisions.next_revision(rollout.old))
        seconds = rollout.deployment.spec.minReadySeconds
        if annotations != new.metadata.annotations or new.spec.minReadySeconds != seconds:
            updated = new.copy_deep()
            updated.metadata.annotations = annotations
            updated.spec.minReadySeconds = seconds
            rollout.new = await self.client.update(updated)
        await self._note_revision(rollout, progress.FOUND, f'Found new replica set "{new.metadata.name}"')

    async def _note_revision(self, rollout: Rollout, reason: str, message: str) -> None:
        """The Deployment shows the revision of its newest ReplicaSet, and that its rollout began."""
        deployment, new = rollout.deployment, rollout.new
        assert new is not None
        revision = new.metadata.annotations.get(revisions.REVISION, "")
        conditions = deployment.status.conditions
        begun = reason == progress.CREATED or progress.find(conditions, progress.PROGRESSING) is None
        if begun and progress.has_deadline(deployment):
            conditions = progress.with_condition(
                conditions, progress.PROGRESSING, "True", reason, message, self.clock.now()
            )
        if deployment.metadata.annotations.get(revisions.REVISION) == revision and (
            conditions == deployment.status.conditions
        ):
            return
        updated = deployment.copy_deep()
        updated.metadata.annotations[revisions.REVISION] = revision
        updated.status.conditions = conditions
        rollout.deployment = await self.client.update(updated, subresource="status")

    # --- the rest --------------------------------------------------------------------------------

    async def _note_pause(self, rollout: Rollout) -> None:
        """A pause stops the progress deadline, which the condition says."""
        deployment = rollout.deployment
        known = progress.find(deployment.status.conditions, progress.PROGRESSING)
        if not progress.has_deadline(deployment) or (known is not None and known.reason == progress.TIMED_OUT):
            return
        noted = known is not None and known.reason == progress.PAUSED
        if deployment.spec.paused == noted:
            return
        reason, message = progress.PAUSED, "Deployment is paused"
        if noted:
            reason, message = progress.RESUMED, "Deployment is resumed"
        status = deployment.status.model_copy()
        status.conditions = progress.with_condition(
            status.conditions, progress.PROGRESSING, "Unknown", reason, message, self.clock.now()
        )
        await self._write(rollout, status)

    async def _clean_up(self, rollout: Rollout) -> None:
        for replica_set in revisions.to_clean_up(rollout.deployment, rollout.old):
            meta = replica_set.metadata
            try:
                await self.client.delete(ReplicaSet, meta.name, meta.namespace, uid=meta.uid)
            except (NotFound, Conflict):
                continue

    async def _write(self, rollout: Rollout, status: DeploymentStatus) -> None:
        """Raises NotYet when the Deployment has changed since it was sorted out: the rest would be about another."""
        generation = rollout.deployment.metadata.generation
        rollout.deployment = await write_status(self.client, rollout.deployment, status)
        if rollout.deployment.metadata.generation != generation:
            raise NotYet(f"{key_of(rollout.deployment)} has changed meanwhile")


def needs_scaling(rollout: Rollout) -> bool:
    """spec.replicas changed since an active ReplicaSet was last sized."""
    if len(rollout.active) > 1 and not is_rolling(rollout.deployment):
        return False  # the strategy changed on the way: recreating settles the sizes too
    desired = str(wanted(rollout.deployment))
    return any(rs.metadata.annotations.get(revisions.DESIRED, desired) != desired for rs in rollout.active)


_owner_keys: Any = owner(Deployment)
_pod_owner_keys: Any = owner(ReplicaSet)
