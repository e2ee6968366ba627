"""Deletes bootstrap tokens when they have expired."""

from __future__ import annotations

from api.core_v1 import Secret
from api.errors import Conflict, NotFound
from client.controller import Controller, Key, Watches
from controller_manager.bootstrap.token import NAMESPACE, TYPE, expiration, has_expired


class TokenCleanerController(Controller):
    name = "token-cleaner-controller"
    workers = 1

    def setup(self, watch: Watches) -> None:
        self.secrets = watch(Secret, namespace=NAMESPACE, field_selector=f"type={TYPE}")

    async def reconcile(self, key: Key) -> None:
        secret, now = self.secrets.get(key), self.clock.now()
        if secret is None:
            return
        if not has_expired(secret, now):
            if (end := expiration(secret)) is not None:
                self.queue.add_after(key, (end - now).total_seconds())
            return
        meta = secret.metadata
        try:
            await self.client.delete(Secret, meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):
            return  # it is another by now: its event is on the way
