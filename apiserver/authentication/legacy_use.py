"""Notes on Secrets on which day their tokens were last used, so that those that nobody uses can be told.

https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-legacy-token-last-used
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from api.core_v1 import Secret
from api.errors import StatusError
from apiserver.endpoint import API
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.request import User
from apiserver.stored import StoredObject

LAST_USED = "kubernetes.io/legacy-token-last-used"


def is_noted(secret: Secret, now: datetime) -> bool:
    """Another server's day may have begun already."""
    days = (now, now + timedelta(days=1))
    return secret.metadata.labels.get(LAST_USED) in [f"{day:%Y-%m-%d}" for day in days]


async def note_use(api: API, writer: User, secret: Secret) -> None:
    """Label the Secret, if it is still there.  What goes wrong is tried again at the next use."""
    now, metadata = api.clock.now(), secret.metadata
    if is_noted(secret, now):
        return
    options = WriteOptions(manager="kube-apiserver")
    write = Write(api, api.endpoint_of(Secret), writer, options, metadata.namespace, [])

    def labelled(old: Secret, stored: StoredObject | None) -> Secret:
        new = old.copy_deep()
        new.metadata.labels[LAST_USED] = f"{now:%Y-%m-%d}"
        new.metadata.managedFields = []
        return new

    with contextlib.suppress(StatusError):
        await update_object(write, metadata.name, labelled)
