"""How large each ReplicaSet of a Deployment may be: surge, unavailability, proportions.  Pure functions.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor

from api.apps_v1 import Deployment, ReplicaSet
from api.model import IntOrString

_MAXIMUM = "deployment.kubernetes.io/max-replicas"

Sizes = dict[str, int]
"""New spec.replicas by name of the ReplicaSet."""


def wanted(deployment: Deployment) -> int:
    return 1 if deployment.spec.replicas is None else deployment.spec.replicas


def size(replica_set: ReplicaSet) -> int:
    return 1 if replica_set.spec.replicas is None else replica_set.spec.replicas


def total(replica_sets: Iterable[ReplicaSet]) -> int:
    return sum(map(size, replica_sets))


def available(replica_sets: Iterable[ReplicaSet]) -> int:
    return sum(rs.status.availableReplicas for rs in replica_sets)


def is_rolling(deployment: Deployment) -> bool:
    return deployment.spec.strategy.type != "Recreate"


def scaled(value: IntOrString | None, whole: int, *, up: bool) -> int:
    """A number, or a percentage of `whole` rounded up or down.  Anything else counts as 0."""
    if isinstance(value, str):
        try:
            share = int(value.removesuffix("%")) * whole / 100
        except ValueError:
            return 0
        return ceil(share) if up else floor(share)
    return value or 0


def _limits(deployment: Deployment) -> tuple[int, int]:
    """(surge, unavailable): at least one of them is not 0, or nothing could ever move."""
    rolling = deployment.spec.strategy.rollingUpdate
    surge = scaled(rolling.maxSurge if rolling else None, wanted(deployment), up=True)
    unavailable = scaled(rolling.maxUnavailable if rolling else None, wanted(deployment), up=False)
    return surge, unavailable if surge or unavailable else 1


def max_surge(deployment: Deployment) -> int:
    """How many pods there may be above spec.replicas."""
    return _limits(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Deployment) -> int:
    """How many of spec.replicas may be unavailable during an update."""
    if not is_rolling(deployment) or wanted(deployment) == 0:
        return 0
    return min(_limits(deployment)[1], wanted(deployment))


def new_size(deployment: Deployment, replica_sets: Sequence[ReplicaSet], new: ReplicaSet) -> int:
    """How far the newest ReplicaSet may grow now.  `replica_sets` are all, the newest among them."""
    if not is_rolling(deployment):
        return wanted(deployment)
    room = wanted(deployment) + max_surge(deployment) - total(replica_sets)
    if room <= 0:
        return size(new)
    return size(new) + min(room, wanted(deployment) - size(new))


def old_sizes(deployment: Deployment, old: Sequence[ReplicaSet], new: ReplicaSet) -> Sizes:
    """How far the old ReplicaSets (oldest first) shrink now: pods that don't work first, then working ones as long
    as enough stay available.  Only ReplicaSets that change are in the result."""
    minimum = wanted(deployment) - max_unavailable(deployment)
    new_unavailable = size(new) - new.status.availableReplicas
    may_go = total([*old, new]) - minimum - new_unavailable
    result: Sizes = {}
    if total(old) == 0 or may_go <= 0:
        return result
    for rs in old:
        broken = size(rs) - rs.status.availableReplicas
        less = min(may_go, broken)
        if less > 0:
            result[rs.metadata.name] = size(rs) - less
            may_go -= less
    # A ReplicaSet that was just told to shrink goes on counting the pods that it has not deleted yet.
    spare = sum(min(size(rs), rs.status.availableReplicas) for rs in [*old, new]) - minimum
    for rs in old:
        present = result.get(rs.metadata.name, size(rs))
        less = min(present, spare)
        if less > 0:
            result[rs.metadata.name] = present - less
            spare -= less
    return result


def is_saturated(deployment: Deployment, new: ReplicaSet | None) -> bool:
    """The newest ReplicaSet has, and has available, all that the Deployment asks for."""
    if new is None:
        return False
    return size(new) == wanted(deployment) == new.status.availableReplicas and (
        new.metadata.annotations.get("deployment.kubernetes.io/desired-replicas") == str(size(new))
    )


def proportional(deployment: Deployment, active: Sequence[ReplicaSet]) -> Sizes:
    """New sizes of several active ReplicaSets when the Deployment is scaled in the middle of an update: each takes
    a share of the change by its size, the largest what is left over by rounding."""
    allowed = wanted(deployment) + max_surge(deployment) if wanted(deployment) > 0 else 0
    to_add = allowed - total(active)
    age = {rs.metadata.name: number for number, rs in enumerate(active)}
    direction = -1 if to_add > 0 else 1  # of equals, the newest grow first and the oldest shrink first
    ordered = sorted(active, key=lambda rs: (-size(rs), direction * age[rs.metadata.name]))
    result: Sizes = {}
    added = 0
    for rs in ordered:
        share = 0
        if to_add and size(rs):
            share = _share(deployment, rs)
            left = to_add - added
            share = min(share, left) if to_add > 0 else max(share, left)
        result[rs.metadata.name] = size(rs) + share
        added += share
    if ordered and to_add:
        largest = ordered[0].metadata.name
        result[largest] = max(0, result[largest] + to_add - added)
    return result


def _share(deployment: Deployment, replica_set: ReplicaSet) -> int:
    if wanted(deployment) == 0:
        return -size(replica_set)
    try:
        before = int(replica_set.metadata.annotations.get(_MAXIMUM, "0"))
    except ValueError:
        before = 0
    before = before or deployment.status.replicas
    if not before:
        return 0
    exact = size(replica_set) * (wanted(deployment) + max_surge(deployment)) / before
    return floor(exact + 0.5) - size(replica_set)
