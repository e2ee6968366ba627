"""Eviction: a pod is asked to leave, and goes if its disruption budget allows.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

from api.core_v1 import Pod, PodCondition
from api.errors import BadRequest, Conflict, Forbidden, StatusError, TooManyRequests
from api.meta_v1 import Condition, DeleteOptions, Preconditions, StatusCause, StatusDetails
from api.policy_v1 import Eviction, PodDisruptionBudget
from apiserver.endpoint import Endpoint
from apiserver.handlers.delete import check_delete_options, delete_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.pod_subresources import Action, with_condition
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.registry.labels import matches
from apiserver.stored import StoredObject

_MANAGER = "kube-apiserver"
_MOST_DISRUPTED = 2000
_RETRY_AFTER = 10  # seconds
_GOING = PodCondition(
    type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI", message="Eviction API: evicting"
)


async def evict(write: Write, name: str, eviction: Eviction) -> None:
    """Delete a pod with the grace period it asks for.

    A pod that runs costs its budget a disruption, unless it is unready and the budget has enough healthy ones or does
    not mind.  Raises BadRequest, NotFound, Conflict; TooManyRequests when the budget has no room.
    """
    if eviction.metadata.name != name:
        raise BadRequest("name in URL does not match name in Eviction object")
    await write.admit_action(eviction, name)
    options = _delete_options(write, eviction)
    write.part = Action("eviction")
    entry = write.endpoint.find(write.namespace, name)
    pod: Pod = write.endpoint.decode(entry)
    if _is_beyond_budgets(pod):
        if pod.status.phase == "Pending" and pod.metadata.deletionTimestamp is None:
            options = _at_version(options, pod)  # should it become ready meanwhile, its budget must be asked
        await _let_go(write, name, options)
        return
    endpoint = write.api.endpoint_of(PodDisruptionBudget)
    budgets = _budgets_of(endpoint, pod)
    if len(budgets) > 1:
        raise StatusError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not budgets:
        await _let_go(write, name, options)
        return
    budget = budgets[0]
    if _costs_nothing(pod, budget):
        try:
            await _let_go(write, name, _at_version(options, pod))
        except Conflict:
            if options.preconditions is not None and options.preconditions.resourceVersion is not None:
                raise
            raise _busy(budget.metadata.name) from None
        return
    await _spend(write, endpoint, budget.metadata.name, name)
    await _let_go(write, name, options)


def _delete_options(write: Write, eviction: Eviction) -> DeleteOptions:
    """How to delete; a dry run may be asked for in the URL or in the object."""
    options = eviction.deleteOptions or DeleteOptions()
    asked = ["All"] if write.options.dry_run else []
    if options.dryRun and asked and options.dryRun != asked:
        raise StatusError(
            f"Non-matching dry-run options in request and content: [{' '.join(asked)}] and [{' '.join(options.dryRun)}]"
        )
    if options.dryRun:
        write.options = WriteOptions(dry_run=True, manager=write.options.manager)
    return options


def _is_beyond_budgets(pod: Pod) -> bool:
    """Whether a pod does not count as available, so that its going disrupts nothing."""
    return pod.status.phase in ("Succeeded", "Failed", "Pending") or pod.metadata.deletionTimestamp is not None


def _at_version(options: DeleteOptions, pod: Pod) -> DeleteOptions:
    """The options with the condition that the pod has not changed; a condition of the client's own stands."""
    wanted = options.preconditions or Preconditions()
    if wanted.resourceVersion is not None:
        return options
    wanted = wanted.model_copy(update={"resourceVersion": pod.metadata.resourceVersion})
    return options.model_copy(update={"preconditions": wanted})


def _budgets_of(endpoint: Endpoint, pod: Pod) -> list[PodDisruptionBudget]:
    found = map(endpoint.decode, endpoint.cache.list(endpoint.prefix, pod.metadata.namespace))
    labels = pod.metadata.labels
    return [each for each in found if each.spec.selector is not None and matches(each.spec.selector, labels)]


def _costs_nothing(pod: Pod, budget: PodDisruptionBudget) -> bool:
    """Whether the pod is not counted as healthy, and may go as it is (KEP-3017)."""
    if any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions):
        return False
    status = budget.status
    enough = status.currentHealthy >= status.desiredHealthy > 0
    return enough or budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow"


def _refused(message: str, retry_after: int) -> TooManyRequests:
    details = StatusDetails(
        causes=[StatusCause(reason="DisruptionBudget", message=message)], retryAfterSeconds=retry_after
    )
    return TooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", details)


def _busy(budget: str) -> TooManyRequests:
    return _refused(f"The disruption budget {budget} is still being processed by the server.", _RETRY_AFTER)


async def _spend(write: Write, endpoint: Endpoint, name: str, pod: str) -> None:
    """Take one disruption off a budget, and note for its controller that the pod is about to go."""
    now = write.api.clock.now().replace(microsecond=0)

    def transform(old: PodDisruptionBudget, stored: StoredObject | None) -> PodDisruptionBudget:
        status = old.status
        if status.observedGeneration < old.metadata.generation:
            raise _busy(name)
        if status.disruptionsAllowed < 0:
            raise _forbidden(name, "pdb disruptions allowed is negative")
        if len(status.disruptedPods) > _MOST_DISRUPTED:
            why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
            raise _forbidden(name, why)
        if status.disruptionsAllowed == 0:
            needs = f"needs {status.desiredHealthy} healthy pods and has {status.currentHealthy} currently"
            raise _refused(f"The disruption budget {name} {needs}", 0)
        new = old.copy_deep()
        new.status.disruptionsAllowed -= 1
        new.status.disruptedPods = {**status.disruptedPods, pod: now}
        if not new.status.disruptionsAllowed:
            new.status.conditions = with_condition(
                status.conditions,
                Condition(
                    type="DisruptionAllowed", status="False", reason="InsufficientPods", message="",
                    observedGeneration=status.observedGeneration, lastTransitionTime=now,
                ),
            )  # fmt: skip
        return new

    options = WriteOptions(dry_run=write.options.dry_run, manager=_MANAGER)
    spending = Write(write.api, endpoint, write.user, options, write.namespace, [], "status")
    await update_object(spending, name, transform)


def _forbidden(name: str, why: str) -> Forbidden:
    details = StatusDetails(name=name, group="policy", kind="poddisruptionbudget")
    return Forbidden(f'poddisruptionbudget.policy "{name}" is forbidden: {why}', details)


async def _let_go(write: Write, name: str, options: DeleteOptions) -> None:
    """Delete the pod; where it stays for a while, its status says why it goes (KEP-3329)."""
    if not write.options.dry_run:
        now = write.api.clock.now().replace(microsecond=0)
        wanted = options.preconditions or Preconditions()

        def transform(old: Pod, stored: StoredObject | None) -> Pod:
            for field, what, since in (
                ("uid", "UID", "deleted and then recreated"),
                ("resourceVersion", "ResourceVersion", "modified"),
            ):
                asked, is_ = getattr(wanted, field), getattr(old.metadata, field)
                if asked and asked != is_:
                    raise Conflict(
                        f'Operation cannot be fulfilled on Pod "{name}": the {what} in the precondition ({asked}) does '
                        f"not match the {what} in record ({is_}). The object might have been {since}",
                        StatusDetails(name=name, kind="Pod"),
                    )
            condition = _GOING.model_copy(update={"lastTransitionTime": now})
            conditions = with_condition(old.status.conditions, condition)
            return old.model_copy(update={"status": old.status.model_copy(update={"conditions": conditions})})

        entry, _ = await update_object(write, name, transform)
        if wanted.resourceVersion is not None:
            now_at = wanted.model_copy(update={"resourceVersion": str(entry.revision)})
            options = options.model_copy(update={"preconditions": now_at})
    check_delete_options(options)  # no sooner: by now the status tells of the eviction
    await delete_object(write, name, options)
