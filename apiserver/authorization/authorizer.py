"""What an authorizer is, and the authorizers that need no roles.

Decisions are made at once, from what the server knows.  An authorizer that has to ask somebody else raises `Undecided`
instead: who can wait lets it `settle` and puts the question again (see `settled`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from apiserver.authorization.rules import Rule, aggregate, grants
from apiserver.request import RequestInfo, User

MASTERS = "system:masters"


CANNOT_LIST = "does not support user rule resolution"
"""What `unlisted` says of an authorizer whose rules are not known."""
T = TypeVar("T")


class Undecided(BaseException):
    """The decision needs an answer from elsewhere.

    No Exception, so that whoever makes do with errors of what they call does not take it for one.
    """

    def __init__(self, settle: Callable[[], Awaitable[None]]) -> None:
        super().__init__("an authorizer has to be waited for")
        self.settle = settle


async def settled(question: Callable[[], T]) -> T:
    """The answer to a question that may be undecided for a while."""
    while True:
        try:
            return question()
        except Undecided as undecided:
            await undecided.settle()


async def begun_anew(act: Callable[[], Awaitable[T]], warnings: list[str]) -> T:
    """What `act` comes to, which is begun anew once an authorizer that it met has been waited for.

    It must not have changed anything by then, and the `warnings` that it added are taken back.
    """
    warned = len(warnings)
    while True:
        try:
            return await act()
        except* Undecided as group:
            questions = list(_questions(group))
        for undecided in questions:
            await undecided.settle()
        del warnings[warned:]


def _questions(group: BaseExceptionGroup[Undecided]) -> Iterator[Undecided]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _questions(each)
        else:
            yield each


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


@runtime_checkable
class Denier(Protocol):
    """An authorizer whose no can be final, and not only the want of a yes, for it may know more; and that may fail."""

    def denies(self, user: User, info: RequestInfo) -> bool: ...

    def error(self, user: User, info: RequestInfo) -> str:
        """Why it could not decide; empty when it could."""
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
    """Asks authorizers in order; the first yes or final no is enough, and masters need neither."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self.replace(authorizers)

    def replace(self, authorizers: Sequence[Authorizer]) -> None:
        """Ask these from now on."""
        self._authorizers = [(each, each if isinstance(each, Denier) else None) for each in authorizers]

    def allows(self, user: User, info: RequestInfo) -> bool:
        if MASTERS in user.groups:
            return True
        for authorizer, denier in self._authorizers:
            if authorizer.allows(user, info):
                return True
            if denier is not None and denier.denies(user, info):
                return False
        return False

    def denies(self, user: User, info: RequestInfo) -> bool:
        if MASTERS in user.groups:
            return False
        for authorizer, denier in self._authorizers:
            if authorizer.allows(user, info):
                return False
            if denier is not None and denier.denies(user, info):
                return True
        return False

    def error(self, user: User, info: RequestInfo) -> str:
        """Why some of those could not decide that were asked."""
        if MASTERS in user.groups:
            return ""
        errors = []
        for authorizer, denier in self._authorizers:
            if denier is not None:
                errors.append(denier.error(user, info))
            if authorizer.allows(user, info) or (denier is not None and denier.denies(user, info)):
                break
        return aggregate(filter(None, errors))

    def reason(self, user: User, info: RequestInfo) -> str:
        if MASTERS in user.groups:
            return ""
        reasons = []
        for authorizer, denier in self._authorizers:
            if authorizer.allows(user, info) or (denier is not None and denier.denies(user, info)):
                return authorizer.reason(user, info)
            reasons.append(authorizer.reason(user, info))
        return "\n".join(reason for reason in reasons if reason)

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        for authorizer, _ in self._authorizers:
            yield from authorizer.rules(user, namespace)

    def unlisted(self, user: User, namespace: str) -> str:
        return aggregate(filter(None, (authorizer.unlisted(user, namespace) for authorizer, _ in self._authorizers)))


EVERYTHING = (grants("*", resources="*", groups="*"), grants("*", paths="*"))
