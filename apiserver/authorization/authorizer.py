"""What an authorizer is, and the authorizers that need no roles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from apiserver.authorization.rules import Rule, aggregate, grants
from apiserver.request import RequestInfo, User

MASTERS = "system:masters"


class Authorizer(Protocol):
    def allows(self, user: User, info: RequestInfo) -> bool: ...

    def reason(self, user: User, info: RequestInfo) -> str:
        """Why it allows a request or, if there is more to say than that nothing allows it, why not."""
        ...

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        """What a user may do in a namespace, as far as it can be listed."""
        ...

    def unlisted(self, user: User, namespace: str) -> str:
        """Why `rules` may lack some; empty when it lacks none."""
        ...


class AlwaysAllow:
    def allows(self, user: User, info: RequestInfo) -> bool:
        return True

    def reason(self, user: User, info: RequestInfo) -> str:
        return ""

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        return EVERYTHING

    def unlisted(self, user: User, namespace: str) -> str:
        return ""


class AlwaysDeny:
    def allows(self, user: User, info: RequestInfo) -> bool:
        return False

    def reason(self, user: User, info: RequestInfo) -> str:
        return "Everything is forbidden."

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        return ()

    def unlisted(self, user: User, namespace: str) -> str:
        return ""


class Union:
    """Asks authorizers in order; one yes is enough, and masters need none."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = authorizers

    def allows(self, user: User, info: RequestInfo) -> bool:
        return MASTERS in user.groups or any(authorizer.allows(user, info) for authorizer in self._authorizers)

    def reason(self, user: User, info: RequestInfo) -> str:
        if MASTERS in user.groups:
            return ""
        reasons = []
        for authorizer in self._authorizers:
            if authorizer.allows(user, info):
                return authorizer.reason(user, info)
            reasons.append(authorizer.reason(user, info))
        return "\n".join(reason for reason in reasons if reason)

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        for authorizer in self._authorizers:
            yield from authorizer.rules(user, namespace)

    def unlisted(self, user: User, namespace: str) -> str:
        return aggregate(filter(None, (authorizer.unlisted(user, namespace) for authorizer in self._authorizers)))


EVERYTHING = (grants("*", resources="*", groups="*"), grants("*", paths="*"))
