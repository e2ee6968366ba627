"""Which old pods of a DaemonSet are next in a rolling update.  Pure functions.

https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/
"""

from __future__ import annotations

from datetime import datetime

from api.core_v1 import Pod
from controller_manager.daemon_set.fleet import Fleet, Work
from controller_manager.daemon_set.placement import Placement


def next_steps(fleet: Fleet, now: datetime) -> Work:
    """Old pods to delete now and, with maxSurge, nodes to make a new pod for beside the old one."""
    return _surge(fleet, now) if fleet.max_surge else _replace(fleet, now)


def _replace(fleet: Fleet, now: datetime) -> Work:
    """Old pods that are no use go at once; of the others as many as may be missing beside those that are."""
    unavailable, useless, candidates = 0, [], []
    for _, pods in sorted(fleet.pods.items()):
        new, old = _new_and_old(fleet, pods)
        if len(new) == 1 and not old:
            unavailable += not fleet.is_available(new[0], now)
        elif len(old) == 1 and not new:
            if fleet.is_available(old[0], now):
                candidates.append(old[0])
            else:
                useless.append(old[0])
                unavailable += 1
        else:
            unavailable += 1  # none or too many: being seen to
    return Work(surplus=useless + candidates[: max(fleet.max_unavailable - unavailable, 0)])


def _surge(fleet: Fleet, now: datetime) -> Work:
    """A new pod beside every old one that is no use, and beside as many others as allowed; an old pod goes when its
    node's new one is available.

    A pod on a node that no longer fits goes when enough others are available: who surges expects all of them to be.
    """
    work, surging, available = Work(), 0, 0
    candidates: list[str] = []
    misplaced: list[Pod] = []
    for node, pods in sorted(fleet.pods.items()):
        new, old = _new_and_old(fleet, pods)
        if len(new) > 1 or len(old) > 1:
            surging += 1
            continue
        available += any(fleet.is_available(pod, now) for pod in (old or new))
        if not old:
            continue
        if new:
            if fleet.is_available(new[0], now):
                work.surplus.append(old[0])
            else:
                surging += 1
        elif fleet.places.get(node) is not Placement.RUNS:
            (misplaced if fleet.is_available(old[0], now) else work.surplus).append(old[0])
        elif not fleet.is_available(old[0], now):
            work.missing.append(node)
        else:
            candidates.append(node)
    work.surplus += misplaced[: max(available - fleet.desired, 0)]
    work.missing += candidates[: max(fleet.max_surge - surging, 0)]
    return work


def _new_and_old(fleet: Fleet, pods: list[Pod]) -> tuple[list[Pod], list[Pod]]:
    lasting = [pod for pod in pods if pod.metadata.deletionTimestamp is None]
    return [pod for pod in lasting if fleet.is_updated(pod)], [pod for pod in lasting if not fleet.is_updated(pod)]
