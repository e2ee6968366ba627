"""ServiceAccounts: who a pod is when it talks to the API."""

from __future__ import annotations

from collections.abc import Iterable

from api.core_v1 import ObjectReference, ServiceAccount
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Context, Strategy

_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


class ServiceAccounts(Strategy[ServiceAccount]):
    resource = resource_of(ServiceAccount)
    returns_deleted = True
    columns = (NAME, AGE)

    def prepare_for_create(self, new: ServiceAccount, context: Context) -> None:
        # The Secrets are in the account's namespace: of the references only the names mean anything.
        new.secrets = [ObjectReference(name=secret.name) for secret in new.secrets]

    def prepare_for_update(self, new: ServiceAccount, old: ServiceAccount, context: Context) -> None:
        self.prepare_for_create(new, context)

    def warnings(self, new: ServiceAccount, old: ServiceAccount | None) -> Iterable[str]:
        if _MOUNTABLE in new.metadata.annotations and (old is None or _MOUNTABLE not in old.metadata.annotations):
            yield (
                f"metadata.annotations[{_MOUNTABLE}]: deprecated in v1.32+; "
                "prefer separate namespaces to isolate access to mounted secrets"
            )
