"""PodDisruptionBudgets: whose removal a workload can bear now
(https://kubernetes.io/docs/tasks/run-application/configure-pdb/)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scheduler.pod_info import PodInfo
from scheduler.selectors import Selector, compile_selector

if TYPE_CHECKING:  # imported with the watch
    from api.policy_v1 import PodDisruptionBudget


@dataclass(frozen=True, slots=True)
class Budget:
    selector: Selector
    allowed: int
    """How many pods may go now."""
    going: frozenset[str]
    """Names of pods that were counted as gone already."""


class Budgets:
    """`synced` opens the watch when it is first called, and returns when all budgets are known."""

    def __init__(self, synced: Callable[[], Awaitable[None]]) -> None:
        self.synced = synced
        self._by_namespace: dict[str, dict[str, Budget]] = {}

    def set(self, budget: PodDisruptionBudget) -> None:
        meta = budget.metadata
        selector = compile_selector(budget.spec.selector)
        self._by_namespace.setdefault(meta.namespace, {})[meta.name] = Budget(
            selector, budget.status.disruptionsAllowed, frozenset(budget.status.disruptedPods)
        )

    def remove(self, namespace: str, name: str) -> None:
        self._by_namespace.get(namespace, {}).pop(name, None)

    def split(self, pods: Sequence[PodInfo]) -> tuple[list[PodInfo], list[PodInfo]]:
        """Those whose removal, one after the other, would exceed a budget, and the rest; each in the given order."""
        exceeding: list[PodInfo] = []
        bearable: list[PodInfo] = []
        left: dict[tuple[str, str], int] = {}
        for pod in pods:
            exceeds = False
            for name, budget in self._by_namespace.get(pod.namespace, {}).items():
                # Labels alone say what a budget is about; pods without any are in none.
                if not pod.labels or not budget.selector.matches(pod.labels) or pod.name in budget.going:
                    continue
                key = pod.namespace, name
                left[key] = left.get(key, budget.allowed) - 1
                exceeds = exceeds or left[key] < 0
            (exceeding if exceeds else bearable).append(pod)
        return exceeding, bearable
