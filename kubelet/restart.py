"""Whether a container that ended is run again.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy and, for rules on single
containers, KEP-5307.
"""

from __future__ import annotations

from api.core_v1 import Container, Pod
from kubelet.runtime.protocol import ContainerState, ContainerStatus

ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"


def is_sidecar(container: Container) -> bool:
    """An init container that keeps running beside the others."""
    return container.restartPolicy == ALWAYS


def restart_policy(pod: Pod, container: Container, *, init: bool) -> str:
    """The policy that holds for one container: its own, else its pod's (for init containers Always means
    OnFailure, since they are meant to end)."""
    if container.restartPolicy:
        return container.restartPolicy
    policy = pod.spec.restartPolicy or ALWAYS
    return ON_FAILURE if init and policy == ALWAYS else policy


def should_restart(pod: Pod, container: Container, last: ContainerStatus, *, init: bool) -> bool:
    """Whether a container whose last run is over has to run again."""
    if last.state == ContainerState.UNKNOWN:
        code = 137
    else:
        code = last.exit_code
    if not (init and is_sidecar(container)):
        for rule in container.restartPolicyRules:
            if rule.exitCodes is None or rule.action != "Restart":
                continue
            listed = code in rule.exitCodes.values
            if listed == (rule.exitCodes.operator == "In"):
                return True
    policy = restart_policy(pod, container, init=init)
    return policy == ALWAYS or (policy == ON_FAILURE and code != 0)
