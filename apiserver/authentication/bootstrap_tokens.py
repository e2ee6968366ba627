"""Bootstrap tokens: what a machine that joins the cluster shows before it has a certificate.

Each is a Secret in kube-system (https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime

from api.clock import Clock
from api.core_v1 import Secret
from apiserver.authentication.tokens import Audiences, GetObject, Rejected, Verdict
from apiserver.request import User

NAMESPACE, PREFIX, TYPE = "kube-system", "bootstrap-token-", "bootstrap.kubernetes.io/token"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
_EVERYBODY = "system:bootstrappers"


class BootstrapTokens:
    """`--enable-bootstrap-token-auth`."""

    def __init__(self, clock: Clock, get: GetObject) -> None:
        self._clock = clock
        self._get = get

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        identifier, secret = parts.groups()
        found: Secret | None = self._get(Secret, NAMESPACE, PREFIX + identifier)
        if found is None or found.metadata.deletionTimestamp is not None or found.type != TYPE:
            return None
        data = {key: _decoded(value) for key, value in found.data.items()}
        if not hmac.compare_digest(data.get("token-secret", ""), secret) or data.get("token-id") != identifier:
            return None
        if _is_over(data, self._clock.now()) or data.get("usage-bootstrap-authentication") != "true":
            return None
        return User(f"system:bootstrap:{identifier}", groups=groups_of(data)), audiences


def groups_of(data: Mapping[str, str]) -> tuple[str, ...]:
    """The groups that a token gives.  Raises Rejected when one of them is not a token's to give."""
    extra = [group for group in data.get("auth-extra-groups", "").split(",") if group]
    for group in extra:
        if not _GROUP.fullmatch(group):
            raise Rejected(f"bootstrap group {group!r} is invalid (must match \\A{_GROUP.pattern}\\z)")
    return tuple(sorted({_EVERYBODY, *extra}))


def _is_over(data: Mapping[str, str], now: datetime) -> bool:
    expiration = data.get("expiration", "")
    if not expiration:
        return False
    try:
        return datetime.fromisoformat(expiration) <= now
    except (ValueError, TypeError):
        return True


def _decoded(value: str) -> str:
    try:
        return b64decode(value).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""
