"""Accounts whose pods may use no secrets but those that the account lists.

https://kubernetes.io/docs/concepts/security/service-accounts/#enforce-mountable-secrets
"""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import Pod, ServiceAccount

_PARTS = (
    ("init container", "initContainers"), ("container", "containers"), ("ephemeral container", "ephemeralContainers"),
)  # fmt: skip


def problem(pod: Pod, account: ServiceAccount, *, only_ephemeral: bool) -> str:
    """The first secret that a pod may not use, in Kubernetes' words; empty when there is none.

    `only_ephemeral`: the rest of the pod is there already.
    """
    mountable = {secret.name for secret in account.secrets}
    name = account.metadata.name
    for what, secret in _used(pod, only_ephemeral):
        if secret not in mountable:
            return (
                f'{what}secret.secretName="{secret}" is not allowed because service account {name} does not reference '
                "that secret"
            )
    pulling = {secret.name for secret in account.imagePullSecrets}
    for index, pull in enumerate(() if only_ephemeral else pod.spec.imagePullSecrets):
        if pull.name not in pulling:
            return (
                f'imagePullSecrets[{index}].name="{pull.name}" is not allowed because service account {name} does not '
                "reference that imagePullSecret"
            )
    return ""


def _used(pod: Pod, only_ephemeral: bool) -> Iterator[tuple[str, str]]:
    """Who uses a secret, and which."""
    for volume in () if only_ephemeral else pod.spec.volumes:
        if volume.secret is not None:
            yield "volume with ", volume.secret.secretName
    for word, part in _PARTS[2:] if only_ephemeral else _PARTS[:2]:
        for container in getattr(pod.spec, part):
            for variable in container.env:
                if variable.valueFrom is not None and variable.valueFrom.secretKeyRef is not None:
                    secret = variable.valueFrom.secretKeyRef.name
                    yield f"{word} {container.name} with envVar {variable.name} referencing ", secret
            for source in container.envFrom:
                if source.secretRef is not None:
                    yield f"{word} {container.name} with envFrom referencing ", source.secretRef.name
