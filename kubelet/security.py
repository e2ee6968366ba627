"""Who a container runs as and what it may do: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/."""

from __future__ import annotations

import os

from api.core_v1 import Container, Pod, PodSecurityContext, SecurityContext
from kubelet.environment import ConfigurationError
from kubelet.runtime.protocol import SecurityConfig


def security_config(pod: Pod, container: Container) -> SecurityConfig:
    """The container's own settings over its pod's.  Raises ConfigurationError when it must not be root but would be."""
    whole = pod.spec.securityContext or PodSecurityContext()
    own = container.securityContext or SecurityContext()
    user = own.runAsUser if own.runAsUser is not None else whole.runAsUser
    group = own.runAsGroup if own.runAsGroup is not None else whole.runAsGroup
    not_root = own.runAsNonRoot if own.runAsNonRoot is not None else whole.runAsNonRoot
    if not_root and (user if user is not None else os.geteuid()) == 0:
        where = (
            f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
        )
        if user == 0:
            raise ConfigurationError(f"container's runAsUser breaks non-root policy {where}")
        raise ConfigurationError(f"container has runAsNonRoot and image will run as root {where}")
    groups = [*whole.supplementalGroups]
    if whole.fsGroup is not None:
        groups.append(whole.fsGroup)
    capabilities = own.capabilities
    return SecurityConfig(
        run_as_user=user,
        run_as_group=group,
        supplemental_groups=tuple(dict.fromkeys(groups)),
        privileged=bool(own.privileged),
        read_only_root=bool(own.readOnlyRootFilesystem),
        no_new_privileges=own.allowPrivilegeEscalation is False,
        add_capabilities=tuple(capabilities.add) if capabilities is not None else (),
        drop_capabilities=tuple(capabilities.drop) if capabilities is not None else (),
    )
