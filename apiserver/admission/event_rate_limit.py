"""EventRateLimit: events come at a rate that the server can bear.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#eventratelimit
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from api.errors import TooManyRequests
from apiserver.admission.configuration import expect_kind
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.configuration_file import ConfigurationError

_REMEMBERED = 4096
_EVENTS = ("events", "events.events.k8s.io")


def _source_and_object(request: AdmissionRequest) -> str:
    event: Any = request.object
    if request.resource.group:
        source, about = (event.deprecatedSource.component, event.deprecatedSource.host), event.regarding
    else:
        source, about = (event.source.component, event.source.host), event.involvedObject
    return "".join((*source, about.kind, about.namespace, about.name, about.uid, about.apiVersion))


_KEYS: Mapping[str, Callable[[AdmissionRequest], str]] = {
    "Server": lambda request: "",
    "Namespace": lambda request: request.namespace,
    "User": lambda request: request.user,
    "SourceAndObject": _source_and_object,
}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


class Limit:
    """A token bucket for everybody whom its type tells apart; who was not heard of for longest is forgotten."""

    def __init__(self, kind: str, qps: float, burst: int, remembered: int = _REMEMBERED) -> None:
        self.kind = kind
        self._qps, self._burst, self._remembered = qps, burst, remembered
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, request: AdmissionRequest) -> str | None:
        """Count an event.  Returns whose bucket is empty, None when it was not."""
        key, now = _KEYS[self.kind](request), request.context.now
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        elapsed = max((now - bucket.at).total_seconds(), 0)
        bucket.tokens, bucket.at = min(self._burst, bucket.tokens + elapsed * self._qps), now
        if bucket.tokens < 1:
            return key
        bucket.tokens -= 1
        return None


class EventRateLimit(AdmissionPlugin):
    name = "EventRateLimit"

    def __init__(self, limits: list[Limit]) -> None:
        self._limits = limits

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        document = configuration or {}
        if configuration is not None:
            expect_kind(document, "Configuration", ("eventratelimit.admission.k8s.io/v1alpha1",))
        limits = document.get("limits") or []
        if not limits:
            raise ConfigurationError("EventRateLimit: limits must not be empty")
        return cls([_limit(limit, f"limits[{index}]") for index, limit in enumerate(limits)])

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.group_resource not in _EVENTS or request.operation not in ("CREATE", "UPDATE"):
            return
        refused = [(limit.kind, key) for limit in self._limits if (key := limit.take(request)) is not None]
        if refused:
            kind, key = refused[-1]
            raise TooManyRequests(f"Too many requests: limit reached on type {kind} for key {key}")


def _limit(document: Mapping[str, Any], path: str) -> Limit:
    kind, qps, burst = (document.get(name) for name in ("type", "qps", "burst"))
    if not isinstance(kind, str) or kind not in _KEYS:
        raise ConfigurationError(f"EventRateLimit: {path}.type: {kind!r} is not one of {', '.join(_KEYS)}")
    for name, value in (("qps", qps), ("burst", burst)):
        if not isinstance(value, int) or value <= 0:
            raise ConfigurationError(f"EventRateLimit: {path}.{name}: must be positive")
    assert isinstance(qps, int)
    assert isinstance(burst, int)
    return Limit(kind, qps, burst, document.get("cacheSize") or _REMEMBERED)
