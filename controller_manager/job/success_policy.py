"""When a job with indexes is a success before all of it is done (spec.successPolicy).

https://kubernetes.io/docs/concepts/workloads/controllers/job/#success-policy
"""

from __future__ import annotations

from api.batch_v1 import SuccessPolicy, SuccessPolicyRule
from controller_manager.job.indexes import Indexes


def first_rule_met(policy: SuccessPolicy | None, completions: int, succeeded: Indexes) -> int | None:
    """The number of the first rule that holds, None without one."""
    if policy is None or not succeeded:
        return None
    return next((n for n, rule in enumerate(policy.rules) if _is_met(rule, completions, succeeded)), None)


def _is_met(rule: SuccessPolicyRule, completions: int, succeeded: Indexes) -> bool:
    if rule.succeededIndexes is None:
        return rule.succeededCount is not None and len(succeeded) >= rule.succeededCount
    wanted = Indexes.parse(rule.succeededIndexes, completions)
    if not wanted:
        return False
    found = wanted.shared_with(succeeded)
    return found == len(wanted) or (rule.succeededCount is not None and found >= rule.succeededCount)
