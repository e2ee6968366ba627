"""The Lease by which a server says that it lives, and the end of those of servers that do not.

https://kubernetes.io/docs/concepts/architecture/leases/#api-server-identity
"""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from api.coordination_v1 import Lease
from api.errors import Conflict, NotFound, StatusError
from api.meta_v1 import DeleteOptions, Preconditions
from apiserver.endpoint import API
from apiserver.handlers.delete import delete_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.request import User
from apiserver.start_work import StartWork
from apiserver.storage.protocol import StoreError

log = logging.getLogger(__name__)

NAMESPACE, SERVER = "kube-system", "kube-apiserver"
LABEL, HOSTNAME = "apiserver.kubernetes.io/identity", "kubernetes.io/hostname"
_PIECES = (
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
)
DURATION, RENEWED_EVERY, CLEANED_EVERY = 3600, 10.0, 3600.0
"""Seconds."""


def name_of(hostname: str) -> str:
    """The Lease of the server on a host: a hash, so that any name of a host makes one of an object."""
    told = b"".join(len(part).to_bytes(2, "big") + part for part in (hostname.encode(), SERVER.encode()))
    return "apiserver-" + base64.b32encode(hashlib.sha256(told).digest()[:16]).decode().rstrip("=").lower()


class Identity:
    """This server's.  One that starts anew on the same host takes the Lease over as another holder."""

    def __init__(self, api: API, user: User, hostname: Callable[[], str] = socket.gethostname) -> None:
        self._api, self._user = api, user
        self._hostname = hostname()
        self.name = name_of(self._hostname)
        self.holder = f"{self.name}_{uuid.uuid4()}"

    async def renew(self) -> None:
        """Raises StatusError, StoreError."""

        def renewed(_: Any, stored: Any) -> Lease:
            lease: Lease = Lease() if stored is None else stored.decode()
            lease.metadata.labels |= {LABEL: SERVER, HOSTNAME: self._hostname}
            lease.spec.holderIdentity, lease.spec.leaseDurationSeconds = self.holder, DURATION
            lease.spec.renewTime = self._api.clock.now()
            return lease

        await update_object(self._write(), self.name, renewed, create=True)

    async def clean_up(self) -> None:
        """Delete the Leases of servers that have not renewed theirs.  Raises StatusError, StoreError."""
        endpoint, now = self._api.endpoint_of(Lease), self._api.clock.now()
        for entry in self._api.cache.list(endpoint.prefix, NAMESPACE):
            lease: Lease = endpoint.decode(entry)
            if lease.metadata.labels.get(LABEL) == SERVER and has_expired(lease, now):
                only_this = Preconditions(uid=lease.metadata.uid, resourceVersion=lease.metadata.resourceVersion)
                with suppress(NotFound, Conflict):  # somebody has deleted it, or renewed it after all
                    await delete_object(self._write(), entry.name, DeleteOptions(preconditions=only_this))

    async def run(self, start: StartWork) -> None:
        """For ever; the first time is a piece of the server's start."""
        with start.piece(*_PIECES):
            await self.renew()
            await self.clean_up()
        passed = 0.0
        while True:
            await self._api.clock.sleep(RENEWED_EVERY)
            passed += RENEWED_EVERY
            try:
                await self.renew()
                if passed >= CLEANED_EVERY:
                    passed = 0.0
                    await self.clean_up()
            except (StatusError, StoreError) as error:
                log.warning("the server's identity could not be renewed: %s", error)

    def _write(self) -> Write:
        options = WriteOptions(manager=SERVER)
        return Write(self._api, self._api.endpoint_of(Lease), self._user, options, NAMESPACE, [], alone=True)


def has_expired(lease: Lease, now: datetime) -> bool:
    """Whether its holder has not confirmed it for as long as it should."""
    spec = lease.spec
    if spec.renewTime is None or spec.leaseDurationSeconds is None:
        return True
    return spec.renewTime + timedelta(seconds=spec.leaseDurationSeconds) < now
