"""The webhook authorizer: somebody else decides, asked by SubjectAccessReview.

https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson

from api.clock import Clock
from apiserver.answer_cache import AnswerCache
from apiserver.authorization.authorizer import CANNOT_LIST, Undecided
from apiserver.authorization.rules import Rule
from apiserver.authorization.selectors import selectors_of
from apiserver.request import RequestInfo, User
from apiserver.webhook_client import CallError, Target, WebhookClient
from apiserver.webhook_review import review_status

_TOO_LONG = 10_000
"""Bytes of a question beyond which its answer is not kept: a client could fill the memory with them."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """`allowed` is None when the webhook has no opinion; `error` says why it could not be asked."""

    allowed: bool | None
    reason: str = ""
    error: str = ""


@dataclass(frozen=True)
class WebhookSettings:
    """One webhook of an AuthorizationConfiguration; times are in seconds, and 0 keeps nothing.

    `on_failure` is the decision when there is no answer; `conditions` tell of a SubjectAccessReview's spec (in the
    form that the webhook gets) whether the webhook is asked at all, and raise ValueError when that cannot be told.
    """

    target: Target
    version: str = "v1"
    authorized_ttl: float = 300.0
    unauthorized_ttl: float = 30.0
    timeout: float = 30.0
    on_failure: bool | None = None
    conditions: Callable[[dict[str, Any]], bool] | None = None
    name: str = "default"


_settled: ContextVar[dict[Hashable, Decision] | None] = ContextVar("settled_webhook_decisions", default=None)
"""What has been answered for the request at hand, however long answers are kept for others."""


class WebhookAuthorizer:
    def __init__(self, settings: WebhookSettings, calls: WebhookClient, clock: Clock) -> None:
        self.settings = settings
        self._calls = calls
        self._clock = clock
        self._answers: AnswerCache[Decision] = AnswerCache(clock)

    def allows(self, user: User, info: RequestInfo) -> bool:
        return self._decision(user, info).allowed is True

    def denies(self, user: User, info: RequestInfo) -> bool:
        return self._decision(user, info).allowed is False

    def reason(self, user: User, info: RequestInfo) -> str:
        return self._decision(user, info).reason

    def error(self, user: User, info: RequestInfo) -> str:
        return self._decision(user, info).error

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        return ()

    def unlisted(self, user: User, namespace: str) -> str:
        return f"webhook authorizer {CANNOT_LIST}"

    def _decision(self, user: User, info: RequestInfo) -> Decision:
        """Raises Undecided while the webhook has not answered."""
        spec = review_spec(user, info)
        settings = self.settings
        if settings.conditions is not None:
            try:
                if not settings.conditions(spec):
                    return Decision(None)
            except ValueError as error:
                log.warning("a match condition of the authorization webhook %s failed: %s", settings.name, error)
                return Decision(settings.on_failure, error=str(error))
        question = orjson.dumps(spec)
        decision = self._answers.get(question) or (_settled.get() or {}).get((id(self), question))
        if decision is None:
            raise Undecided(lambda: self._ask(question, spec))
        return decision

    async def _ask(self, question: bytes, spec: dict[str, Any]) -> None:
        decision, seconds = await self._call(spec)
        if len(question) <= _TOO_LONG:
            self._answers.keep(question, decision, seconds)
        _settled.set({**(_settled.get() or {}), (id(self), question): decision})

    async def _call(self, spec: dict[str, Any]) -> tuple[Decision, float]:
        """The webhook's decision, and how long it may be kept."""
        settings = self.settings
        version = f"authorization.k8s.io/{settings.version}"
        if settings.version == "v1beta1" and "groups" in spec:
            spec = {("group" if key == "groups" else key): value for key, value in spec.items()}
        review = {"kind": "SubjectAccessReview", "apiVersion": version, "metadata": {}, "spec": spec}
        try:
            status = await review_status(
                self._calls, self._clock, settings.target, {**review, "status": {"allowed": False}}, settings.timeout
            )
        except CallError as error:
            log.error("Failed to make webhook authorizer request: %s", error)
            return Decision(settings.on_failure, error=str(error)), 0
        if status.get("allowed") is True and status.get("denied") is True:
            both = "webhook subject access review returned both allow and deny response"
            return Decision(False, error=both), 0
        allowed = True if status.get("allowed") is True else False if status.get("denied") is True else None
        seconds = settings.authorized_ttl if allowed else settings.unauthorized_ttl
        return Decision(allowed, str(status.get("reason") or "")), seconds


def review_spec(user: User, info: RequestInfo) -> dict[str, Any]:
    """The spec of a SubjectAccessReview about a request, as JSON."""
    attributes: dict[str, Any]
    if info.is_resource:
        attributes = {
            "namespace": info.namespace, "verb": info.verb, "group": info.group, "version": info.version,
            "resource": info.resource, "subresource": info.subresource, "name": info.object_name,
        }  # fmt: skip
        attributes = {key: value for key, value in attributes.items() if value} | selectors_of(info)
        spec: dict[str, Any] = {"resourceAttributes": attributes}
    else:
        spec = {"nonResourceAttributes": {key: v for key, v in (("path", info.path), ("verb", info.verb)) if v}}
    members = {"user": user.name, "groups": list(user.groups), "extra": user.extra, "uid": user.uid}
    return spec | {key: value for key, value in members.items() if value}
