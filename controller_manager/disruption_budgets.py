"""Keeps the status of PodDisruptionBudgets: how many pods may be evicted now.

https://kubernetes.io/docs/tasks/run-application/configure-pdb/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from api.apps_v1 import Deployment, ReplicaSet
from api.core_v1 import Pod
from api.errors import NotFound, StatusError
from api.meta_v1 import Condition, OwnerReference
from api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from client.controller import Controller, Key, Watches, controller_of, nothing
from client.store import key_of
from controller_manager.deployment.sizes import scaled, size, wanted
from controller_manager.pod_state import condition, is_finished, is_ready
from controller_manager.scale import NoScale, NoSuchKind, Scales
from controller_manager.selectors import matches, shown

DELETION_TIMEOUT = timedelta(minutes=2)
"""How long an evicted pod is taken for gone, though it is still there."""
_STALE = "pod:"
_COALESCE = 0.03
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of "
    "the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please "
    'set ".spec.minAvailable" field of the PDB to an integer value.'
)


class Unknowable(Exception):
    """Why it cannot be said how many pods there should be."""


class DisruptionController(Controller):
    """Keys are budgets, and pods (after `pod:`) whose eviction may have come to nothing."""

    name = "disruption-controller"

    def setup(self, watch: Watches) -> None:
        self.scales = Scales(self.client)
        self.budgets = watch(PodDisruptionBudget)
        self.pods = watch(Pod, enqueue=self._pod_changed, delay=_COALESCE)
        self.replica_sets = watch(ReplicaSet, enqueue=nothing)
        self.deployments = watch(Deployment, enqueue=nothing)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        keys = {key_of(b) for pod in (old, new) if pod is not None for b in self._budgets_of(pod)}
        if new is not None and _stale_at(new) is not None:
            keys.add(_STALE + key_of(new))
        return keys

    def _budgets_of(self, pod: Pod) -> list[PodDisruptionBudget]:
        found = self.budgets.in_namespace(pod.metadata.namespace)
        return [each for each in found if matches(each.spec.selector, pod.metadata.labels)]

    async def reconcile(self, key: Key) -> None:
        if key.startswith(_STALE):
            await self._clear_stale(key)
            return
        budget = self.budgets.get(key)
        if budget is None:
            return
        try:
            await self._sync(key, budget)
        except Unknowable as error:
            await self._fail_safe(budget, str(error))
            raise

    async def _sync(self, key: Key, budget: PodDisruptionBudget) -> None:
        selector, now = budget.spec.selector, self.clock.now()
        pods = [p for p in self.pods.in_namespace(budget.metadata.namespace) if matches(selector, p.metadata.labels)]
        if not pods:
            self.events.event(budget, "Normal", "NoPods", "No matching pods found")
        for pod in pods:
            self._warn_of_others(pod, budget)
        try:
            expected, desired = await self._expected(budget, pods)
        except Unknowable as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self.events.event(budget, "Warning", "CalculateExpectedPodCountFailed", message)
            raise
        disrupted, late = still_disrupted(pods, budget.status.disruptedPods, now)
        for pod in late:
            namespace = budget.metadata.namespace  # where the name of the budget is meant; Kubernetes says it so
            message = f"Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't"
            self.events.event(pod, "Warning", "NotDeleted", message)
        healthy = sum(is_healthy(pod, disrupted, now) for pod in pods)
        if disrupted:
            again = min(disrupted.values()) + DELETION_TIMEOUT - now
            self.queue.add_after(key, again.total_seconds() + 0.01)
        await self._write(budget, status_of(budget, expected, desired, healthy, disrupted, now))

    def _warn_of_others(self, pod: Pod, budget: PodDisruptionBudget) -> None:
        """Evictions of a pod with several budgets fail; one of them says so."""
        found = sorted(self._budgets_of(pod), key=key_of)
        if len(found) > 1 and found[0] is budget:
            meta = pod.metadata
            message = (
                f'Pod "{meta.namespace}"/"{meta.name}" matches multiple PodDisruptionBudgets.  '
                f'Chose "{budget.metadata.name}" arbitrarily.'
            )
            self.events.event(pod, "Warning", "MultiplePodDisruptionBudgets", message)

    async def _expected(self, budget: PodDisruptionBudget, pods: list[Pod]) -> tuple[int, int]:
        """(pods there should be, pods that must be healthy).  Raises Unknowable."""
        spec = budget.spec
        if spec.maxUnavailable is not None:
            expected = await self._replicas(budget, pods)
            return expected, max(0, expected - scaled(spec.maxUnavailable, expected, up=True))
        if isinstance(spec.minAvailable, int):
            return len(pods), spec.minAvailable
        if spec.minAvailable is None:
            return 0, 0
        expected = await self._replicas(budget, pods)
        return expected, scaled(spec.minAvailable, expected, up=True)

    async def _replicas(self, budget: PodDisruptionBudget, pods: list[Pod]) -> int:
        """The replicas that the pods' controllers want in all; pods without a controller are counted by nobody."""
        asked: dict[str, tuple[str, int]] = {}
        unmanaged = False
        for pod in pods:
            reference = controller_of(pod.metadata)
            if reference is None:
                unmanaged = True
            elif reference.uid not in asked:
                found = await self._scale_of(reference, pod.metadata.namespace)
                if found is None:
                    raise Unknowable(f'found no controllers for pod "{pod.metadata.name}"')
                asked[reference.uid] = found
        if unmanaged:
            self.events.event(budget, "Warning", "UnmanagedPods", _UNMANAGED.format(shown(budget.spec.selector)))
        return sum(dict(asked.values()).values())

    async def _scale_of(self, reference: OwnerReference, namespace: str) -> tuple[str, int] | None:
        """(UID, wanted replicas) of a controller, or of the Deployment behind a ReplicaSet; None when it is gone."""
        version, kind, key = reference.apiVersion, reference.kind, f"{namespace}/{reference.name}"
        if kind == "ReplicaSet" and version.startswith("apps/"):
            replica_set = self.replica_sets.get(key)
            if replica_set is None or replica_set.metadata.uid != reference.uid:
                return None
            above = controller_of(replica_set.metadata)
            if above is None or above.kind != "Deployment":
                return reference.uid, size(replica_set)
            deployment = self.deployments.get(f"{namespace}/{above.name}")
            if deployment is None or deployment.metadata.uid != above.uid:
                return None
            return above.uid, wanted(deployment)
        try:
            _, scale = await self.scales.get(version, kind, namespace, reference.name)
        except NotFound:
            return None
        except (StatusError, NoSuchKind, NoScale) as error:
            raise Unknowable(str(error)) from error
        return (reference.uid, scale.spec.replicas) if scale.metadata.uid == reference.uid else None

    async def _write(self, budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus) -> None:
        """An eviction writes the status as well: a Conflict means that all must be counted anew."""
        if status != budget.status:
            try:
                await self.client.update(budget.model_copy(update={"status": status}), subresource="status")
            except NotFound:
                return

    async def _fail_safe(self, budget: PodDisruptionBudget, message: str) -> None:
        """Nothing may be evicted while nobody knows what is allowed."""
        status = budget.status.copy_deep()
        status.disruptionsAllowed = 0
        status.conditions = with_condition(budget, "False", "SyncFailed", message, self.clock.now())
        await self._write(budget, status)

    async def _clear_stale(self, key: Key) -> None:
        """A pod that was to be evicted and lives on is not a target of disruption any more."""
        pod = self.pods.get(key.removeprefix(_STALE))
        at = _stale_at(pod) if pod is not None else None
        if pod is None or at is None:
            return
        now = self.clock.now()
        if at > now:
            self.queue.add_after(key, (at - now).total_seconds() + 0.01)
            return
        target = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": f"{now:%FT%TZ}"}
        meta = pod.metadata
        body = {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "status": {"conditions": [target]},
        }  # fmt: skip
        await self.client.patch(
            Pod, meta.name, meta.namespace, body, type="apply", subresource="status",
            field_manager="DisruptionController", force=True,
        )  # fmt: skip


def _stale_at(pod: Pod) -> datetime | None:
    """When the DisruptionTarget condition of a pod will have been there for too long; the kubelet's stays."""
    target = condition(pod, "DisruptionTarget")
    if target is None or target.status != "True" or target.reason == "TerminationByKubelet":
        return None
    if pod.metadata.deletionTimestamp is not None or is_finished(pod) or target.lastTransitionTime is None:
        return None
    return target.lastTransitionTime + DELETION_TIMEOUT


def still_disrupted(
    pods: list[Pod], marked: Mapping[str, datetime], now: datetime
) -> tuple[dict[str, datetime], list[Pod]]:
    """(pods whose eviction was allowed and that are about to go, pods that ought to have gone long ago)"""
    disrupted: dict[str, datetime] = {}
    late = []
    for pod in pods:
        at = marked.get(pod.metadata.name)
        if at is None or pod.metadata.deletionTimestamp is not None:
            continue
        if at + DELETION_TIMEOUT < now:
            late.append(pod)
        else:
            disrupted[pod.metadata.name] = at
    return disrupted, late


def is_healthy(pod: Pod, disrupted: Mapping[str, datetime], now: datetime) -> bool:
    """Ready, and neither going nor about to go."""
    at = disrupted.get(pod.metadata.name)
    leaving = pod.metadata.deletionTimestamp is not None or (at is not None and at + DELETION_TIMEOUT > now)
    return not leaving and is_ready(pod)


def status_of(
    budget: PodDisruptionBudget,
    expected: int,
    desired: int,
    healthy: int,
    disrupted: dict[str, datetime],
    now: datetime,
) -> PodDisruptionBudgetStatus:
    """The status.  A budget of no pods allows nothing: its first pods may be there before it is counted again."""
    allowed = max(0, healthy - desired) if expected > 0 else 0
    reason = "SufficientPods" if allowed else "InsufficientPods"
    return PodDisruptionBudgetStatus(
        conditions=with_condition(
            budget, "True" if allowed else "False", reason, "", now, generation=budget.metadata.generation
        ),
        currentHealthy=healthy,
        desiredHealthy=desired,
        disruptedPods=disrupted,
        disruptionsAllowed=allowed,
        expectedPods=expected,
        observedGeneration=budget.metadata.generation,
    )


def with_condition(
    budget: PodDisruptionBudget, status: str, reason: str, message: str, now: datetime, generation: int | None = None
) -> list[Condition]:
    """The budget's conditions with DisruptionAllowed, of `generation` or the one observed last."""
    known = next((c for c in budget.status.conditions if c.type == "DisruptionAllowed"), None)
    since = known.lastTransitionTime if known is not None and known.status == status else now.replace(microsecond=0)
    made = Condition(
        type="DisruptionAllowed", status=status, reason=reason, message=message, lastTransitionTime=since,
        observedGeneration=budget.status.observedGeneration if generation is None else generation,
    )  # fmt: skip
    others = [c for c in budget.status.conditions if c.type != "DisruptionAllowed"]
    return [*others, made]
