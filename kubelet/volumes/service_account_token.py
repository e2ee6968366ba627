"""A token for the pod's service account, renewed while the pod lives.

See https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from api.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec, TokenRequestStatus
from api.clock import Clock
from api.core_v1 import Pod, ServiceAccount, ServiceAccountTokenProjection
from kubelet.volumes.plugin import PayloadFile, VolumeContext

_HOUR = 3600
_MAXIMUM_AGE = timedelta(hours=24)


async def token_file(
    context: VolumeContext, pod: Pod, projection: ServiceAccountTokenProjection, mode: int
) -> tuple[str, PayloadFile, datetime]:
    """Path, file, and when it has to be written anew.  Raises api.errors.StatusError."""
    request = await context.tokens.token(pod, projection.audience, projection.expirationSeconds or _HOUR)
    user, group = _only_user(pod), pod.spec.securityContext.fsGroup if pod.spec.securityContext else None
    if user is not None or group is not None:
        mode = 0o600
    file = PayloadFile(request.status.token.encode(), mode if group is None else mode | 0o040, user)
    return projection.path, file, renewal_time(request)


def _only_user(pod: Pod) -> int | None:
    """The user that every container runs as, if it is one and the same."""
    pod_user = pod.spec.securityContext.runAsUser if pod.spec.securityContext else None
    users = {
        c.securityContext.runAsUser if c.securityContext and c.securityContext.runAsUser is not None else pod_user
        for c in [*pod.spec.initContainers, *pod.spec.containers]
    }
    return users.pop() if len(users) == 1 else None


def renewal_time(request: TokenRequest) -> datetime:
    """After four fifths of a token's life, or a day, whichever comes first."""
    expires = request.status.expirationTimestamp
    assert expires is not None
    life = timedelta(seconds=request.spec.expirationSeconds or _HOUR)
    return min(expires - life / 5, expires - life + _MAXIMUM_AGE)


class TokenCache:
    """Tokens by pod, audience and life, asked for again only when they near their end."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[tuple[str, str, int], TokenRequest] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> TokenRequest:
        """Raises api.errors.StatusError."""
        key = (pod.metadata.uid, audience, expiration_seconds)
        async with self._locks.setdefault(pod.metadata.uid, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is None or renewal_time(kept) <= self._clock.now():
                kept = self._kept[key] = await self._request(pod, audience, expiration_seconds)
        return kept

    async def _request(self, pod: Pod, audience: str, expiration_seconds: int) -> TokenRequest:
        spec = TokenRequestSpec(
            audiences=[audience] if audience else [],
            expirationSeconds=expiration_seconds,
            boundObjectRef=BoundObjectReference(
                apiVersion="v1", kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid
            ),
        )
        status = TokenRequestStatus(token="")
        body = TokenRequest(apiVersion="authentication.k8s.io/v1", kind="TokenRequest", spec=spec, status=status)
        account = pod.spec.serviceAccountName or "default"
        answer: TokenRequest = await self._client.create_subresource(
            ServiceAccount, account, pod.metadata.namespace, "token", body
        )
        return answer

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._locks.pop(uid, None)
        for key in [key for key in self._kept if key[0] == uid]:
            del self._kept[key]
