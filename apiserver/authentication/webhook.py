"""Webhook token authentication: somebody else knows whose token it is, asked by TokenReview.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from api.clock import Clock
from apiserver.answer_cache import AnswerCache
from apiserver.authentication.tokens import Audiences, Rejected, Verdict, common
from apiserver.request import User
from apiserver.webhook_client import CallError, Target, WebhookClient
from apiserver.webhook_review import review_status

_TIMEOUT = 30.0
log = logging.getLogger(__name__)


class WebhookTokens:
    """`own` are the audiences of tokens of which the webhook says nothing; answers are kept for `ttl` seconds."""

    def __init__(
        self, target: Target, version: str, ttl: float, own: Audiences, calls: WebhookClient, clock: Clock
    ) -> None:
        self._target, self._version, self._ttl, self._own = target, version, ttl, own
        self._calls, self._clock = calls, clock
        self._answers: AnswerCache[dict[str, Any]] = AnswerCache(clock)

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        question = (hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest(), audiences)
        status = self._answers.get(question)
        if status is None:
            status = await self._ask(token, audiences)
            self._answers.keep(question, status, self._ttl)
        if status.get("authenticated") is not True:
            if error := status.get("error"):
                raise Rejected(str(error))
            return None
        try:
            matched = common(audiences, _strings(status.get("audiences")) or self._own)
            return (_user_of(status.get("user")), matched) if matched else None
        except (AttributeError, TypeError) as error:
            raise Rejected(f"the webhook's answer is misshapen: {error}") from None

    async def _ask(self, token: str, audiences: Audiences) -> dict[str, Any]:
        review = {
            "kind": "TokenReview",
            "apiVersion": f"authentication.k8s.io/{self._version}",
            "metadata": {},
            "spec": {"token": token.encode("utf-8", "replace").decode(), "audiences": list(audiences)},
            "status": {"user": {}},
        }
        try:
            return await review_status(self._calls, self._clock, self._target, review, _TIMEOUT)
        except CallError as error:
            log.error("Failed to make webhook authenticator request: %s", error)
            raise Rejected(str(error)) from None


def _user_of(user: Any) -> User:
    """The user of a review.  Raises TypeError, AttributeError when it is misshapen."""
    name, uid = user.get("username"), user.get("uid") or ""
    if not isinstance(name, str) or not name or not isinstance(uid, str):
        raise TypeError("it names no user")
    extra = {key: _strings(values) for key, values in (user.get("extra") or {}).items()}
    return User(name, uid, tuple(_strings(user.get("groups"))), extra)


def _strings(values: Any) -> list[str]:
    """Raises TypeError for what is no list of strings, though it may be missing."""
    found = [] if values is None else values
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise TypeError("a list of strings is none")
    return found
