"""What the server does once when it starts, each piece under the name that Kubernetes' health checks have for it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from api.errors import StatusError
from apiserver.pki import PKIError
from apiserver.storage.protocol import StoreError

log = logging.getLogger(__name__)

NAMES = (
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "start-legacy-token-tracking-controller",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "start-kubernetes-service-cidr-controller",
    "kube-apiserver-autoregistration",
)
"""In the order that kube-apiserver lists them."""


class StartWork:
    """`problems` says of each of the NAMES what went wrong; "" of work that is done, or still ahead.

    What is ahead is no reason to send nobody to the server, as it is to kube-apiserver: who asks for what it brings
    waits for it (see `Arrivals` and `AuthorizationFilter`).
    """

    def __init__(self) -> None:
        self.problems = dict.fromkeys(NAMES, "")

    @contextlib.contextmanager
    def piece(self, *names: str) -> Iterator[None]:
        """Do a piece of it.  Its failure is noted and is none of the others'."""
        try:
            yield
        except (OSError, PKIError, StatusError, StoreError) as error:
            log.error("%s failed: %s", " and ".join(names), error)
            self.problems |= dict.fromkeys(names, str(error))
