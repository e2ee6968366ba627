"""What becomes known of one request on its way, and the events made of it.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Event
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from apiserver.audit.policy import RECEIVED, REQUEST, REQUEST_RESPONSE, Decision
from apiserver.audit.redaction import hidden_members, hidden_values, redacted, redacted_query, without
from apiserver.audit.request_body import request_document
from apiserver.negotiation import JSON
from apiserver.request import PATCH_ANNOTATION, Request, User

if TYPE_CHECKING:
    from apiserver.answer import Answer

Document = dict[str, Any]
_LONGEST_AGENT = 1024
_LARGE = 256 * 1024
"""Bytes of an answer."""
_STATUS_MEMBERS = ("status", "message", "reason", "details", "code")


class Record:
    """The recording of one request: `user` is who has asked, before any impersonation."""

    def __init__(self, request: Request, decision: Decision, received: datetime, user: User) -> None:
        self.decision = decision
        self.status: Document | None = None
        self._request = request
        self._received = received
        self._user = user
        self._hidden = hidden_members(request.info)
        self.failed = False
        """Whether the server has failed at it, as no server should."""
        self._answer = b""
        self._answered: Any = None

    def began(self, code: int) -> None:
        """The answer has begun, with that HTTP status."""
        self.status = {"metadata": {}, **(self.status or {}), "code": code}

    def answered(self, answer: Answer) -> None:
        """Take a look at the answer, before it is encoded for the client."""
        if self.failed:
            return
        document = answer.document
        if isinstance(document, dict) and document.get("kind") == "Status":
            self.status = {name: document[name] for name in _STATUS_MEMBERS if name in document}
        if self.decision.at_least(REQUEST_RESPONSE) and self._request.info.is_resource:
            self._answered = document
            if document is None and answer.content_type == JSON:
                parts: Sequence[bytes] = answer.parts or (answer.body or b"",)
                self._answer = b"".join(parts)

    def panicked(self, error: BaseException) -> None:
        """The server has failed at the request."""
        self.failed = True
        self.status = {
            "metadata": {}, "status": "Failure", "message": f"APIServer panic'd: {type(error).__name__}",
            "reason": "InternalError", "code": 500,
        }  # fmt: skip

    @property
    def takes_long(self) -> bool:
        """Whether there is so much to be recorded that others should go on meanwhile."""
        return len(self._answer) > _LARGE

    def event(self, stage: str, now: datetime) -> Document:
        """What is recorded at a stage, as orjson takes it."""
        request, info = self._request, self._request.info
        event: Document = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self.decision.level,
            "auditID": request.audit_id,
            "stage": stage,
            "requestURI": _uri(request),
            "verb": info.verb,
            "user": _user(self._user),
        }
        if request.user is not self._user and request.user.name:
            event["impersonatedUser"] = _user(request.user)
            if request.constraint:
                event["authenticationMetadata"] = {"impersonationConstraint": request.constraint}
        event["sourceIPs"] = source_ips(request)
        agent = request.header("user-agent")
        if agent:
            event["userAgent"] = agent if len(agent) <= _LONGEST_AGENT else agent[:_LONGEST_AGENT] + "...TRUNCATED"
        document = None if stage == RECEIVED or not info.is_resource else request_document(request)
        if info.is_resource:
            event["objectRef"] = _reference(request, document)
        if self.status is not None:
            event["responseStatus"] = self._shown_status(document)
        if document is not None and self.decision.at_least(REQUEST):
            event["requestObject"] = self._shown(document)
        answer = self._shown_answer()
        if answer is not None:
            event["responseObject"] = answer
        event["requestReceivedTimestamp"] = _micro_time(self._received)
        event["stageTimestamp"] = _micro_time(self._received if stage == RECEIVED else now)
        if request.annotations:
            event["annotations"] = self._shown_annotations(document)
        return event

    def _shown_annotations(self, sent: Any) -> dict[str, str]:
        take_out = self._taking_out(sent)
        found = {}
        for key, value in sorted(self._request.annotations.items()):
            if key.startswith(PATCH_ANNOTATION):
                if not self.decision.at_least(REQUEST):
                    continue
                if self._hidden:
                    value = orjson.dumps(redacted(orjson.loads(value), (*self._hidden, "value"))).decode()
            found[key] = take_out(value)
        return found

    def _shown_answer(self) -> Any:
        if self._answered is not None:
            return self._shown(self._answered)
        if not self._answer:
            return None
        if self._hidden or self.decision.omit_managed_fields:
            return self._shown(orjson.loads(self._answer))
        return orjson.Fragment(self._answer.rstrip())  # it is in the form in which it is wanted

    def _taking_out(self, sent: Any) -> Callable[[str], str]:
        """Refusals may quote what they refuse, and webhooks and policies tell what they like: takes out of texts what
        may not be shown of the object sent."""
        return without(hidden_values(sent, self._hidden) if self._hidden else set())

    def _shown_status(self, sent: Any) -> Document:
        status = {"metadata": {}, **(self.status or {})}
        if self._hidden and status.get("message"):
            take_out = self._taking_out(sent)
            status["message"] = take_out(status["message"])
            details = dict(status.get("details") or {})
            if causes := details.get("causes"):
                details["causes"] = [{**each, "message": take_out(each.get("message", ""))} for each in causes]
                status["details"] = details
        return status

    def _shown(self, document: Any) -> Any:
        if self.decision.omit_managed_fields:
            document = _without_managed_fields(document)
        if not self._hidden:
            return document
        if isinstance(document, dict) and document.get("kind") == "Status":
            return {**document, **self._shown_status(request_document(self._request))}
        return redacted(document, self._hidden)


def _user(user: User) -> Document:
    parts = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": user.extra}
    return {name: value for name, value in parts.items() if value}


def _uri(request: Request) -> str:
    raw = request.scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(request.path)
    query = redacted_query(request.scope["query_string"].decode("latin-1"))
    return f"{path}?{query}" if query else path


def _reference(request: Request, sent: Any) -> Document:
    """What a request is about: by its path and, where that does not say it, by the object sent."""
    info = request.info
    metadata: Document = {}
    if info.verb in ("create", "update", "delete") and isinstance(sent, dict):
        given = sent.get("metadata")
        metadata = given if isinstance(given, dict) else {}
    parts = {
        "resource": info.resource,
        "namespace": info.namespace or metadata.get("namespace"),
        "name": info.object_name or metadata.get("name"),
        "uid": metadata.get("uid"),
        "apiGroup": info.group,
        "apiVersion": info.version,
        "resourceVersion": metadata.get("resourceVersion"),
        "subresource": info.subresource,
    }
    return {name: value for name, value in parts.items() if value}


def source_ips(request: Request) -> list[str]:
    """Where a request comes from, as far as clients and proxies say, and at last the connection's other end."""
    found = [part.strip() for part in request.header("x-forwarded-for").split(",") if part.strip()]
    real = request.header("x-real-ip").strip()
    if real and real not in found:
        found.append(real)
    peer = request.scope.get("client")
    if peer and (not found or found[-1] != peer[0]):
        found.append(peer[0])
    return [address for address in found if _is_address(address)]


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _micro_time(time: datetime) -> str:
    return f"{time:%FT%T.%fZ}"


def _without_managed_fields(document: Any) -> Any:
    """An object, or each of a list's or table's, without them."""
    if not isinstance(document, dict):
        return document
    document = dict(document)
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        document["metadata"] = {name: value for name, value in metadata.items() if name != "managedFields"}
    if isinstance(document.get("items"), list):
        document["items"] = [_without_managed_fields(each) for each in document["items"]]
    if isinstance(document.get("rows"), list):
        document["rows"] = [{**row, "object": _without_managed_fields(row.get("object"))} for row in document["rows"]]
    return document
