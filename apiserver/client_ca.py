"""Takes over the CAs of client certificates when their file changes (`--client-ca-file`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from api.clock import Clock
from apiserver.filters.request_header import certificates_of
from apiserver.followed_file import follow, signature
from apiserver.pki import PKIError
from apiserver.storage.protocol import StoreError
from apiserver.tls import ServerContext

log = logging.getLogger(__name__)


async def follow_client_ca(
    context: ServerContext, path: Path, clock: Clock, publish: Callable[[], Awaitable[None]]
) -> None:
    """For ever.  `publish` tells others of the change.  A file that is no bundle of certificates changes nothing."""
    since, former = signature(path), certificates_of(path)

    async def changed() -> None:
        try:
            context.replace_client_ca(context.client_roots or former, str(path))
        except OSError as error:
            log.error("the CAs of client certificates stay as they were: %s: %s", path, error)
            return
        log.info("the CAs of client certificates in %s are in force", path)
        try:
            await publish()
        except (OSError, StoreError, PKIError) as error:
            log.error("they could not be published: %s", error)

    await follow(path, clock, changed, since=since)
