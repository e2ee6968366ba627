"""Every namespace has a service account called "default".

https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
"""

from __future__ import annotations

from collections.abc import Iterable

from api.core_v1 import Namespace, ServiceAccount
from api.errors import AlreadyExists, NotFound
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, Watches
from controller_manager.pod_control import namespace_is_ending

DEFAULT = "default"


class ServiceAccountController(Controller):
    name = "serviceaccount-controller"

    def setup(self, watch: Watches) -> None:
        self.namespaces = watch(Namespace)
        self.accounts = watch(ServiceAccount, enqueue=_deleted)

    async def reconcile(self, key: Key) -> None:
        namespace = self.namespaces.get(key)
        if namespace is None or namespace.metadata.deletionTimestamp is not None:
            return
        if self.accounts.get(f"{key}/{DEFAULT}") is not None:
            return
        try:
            await self.client.create(ServiceAccount(metadata=ObjectMeta(name=DEFAULT, namespace=key)))
        except (AlreadyExists, NotFound):
            return
        except Exception as error:
            if not namespace_is_ending(error):
                raise


def _deleted(old: ServiceAccount | None, new: ServiceAccount | None) -> Iterable[Key]:
    if old is not None and new is None and old.metadata.name == DEFAULT:
        yield old.metadata.namespace
