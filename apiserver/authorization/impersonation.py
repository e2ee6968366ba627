"""Who may act as whom: by the verbs of constrained impersonation or, failing these, by `impersonate` alone.

https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/ (KEP-5284).  A constrained mode asks two
things: whether one may do, as somebody of that kind, what the request asks for, and whether one may be that somebody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

from api.errors import Forbidden
from apiserver.authorization.authorizer import MASTERS
from apiserver.filters.authentication import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED
from apiserver.filters.authorization import forbidden
from apiserver.registry.domain_prefixed_path import validate_domain_prefixed_path
from apiserver.registry.names import label, subdomain
from apiserver.request import RequestInfo, User

Check = Callable[[User, RequestInfo], Awaitable[None]]
"""Raises Forbidden when a user may not do something."""
_ACCOUNT, _NODE = "system:serviceaccount:", "system:node:"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_AUTHENTICATION = "authentication.k8s.io"
_MANY = 4
"""From this many groups or extra values on, a permission for all of them is looked for first."""


@dataclass(frozen=True)
class Wanted:
    """Whom a request wants to act as, as its headers say."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)

    @property
    def only_name(self) -> bool:
        return not (self.uid or self.groups or self.extra)

    @property
    def account(self) -> tuple[str, str] | None:
        """Namespace and name, for a service account."""
        namespace, colon, name = self.name.removeprefix(_ACCOUNT).partition(":")
        fits = self.name.startswith(_ACCOUNT) and colon and not label(namespace) and not subdomain(name)
        return (namespace, name) if fits else None

    @property
    def node(self) -> str:
        """The name of a node, for its kubelet; otherwise empty."""
        name = self.name.removeprefix(_NODE)
        return name if self.name.startswith(_NODE) and not subdomain(name) else ""

    def user(self, groups: tuple[str, ...]) -> User:
        groups = self.groups or groups
        if self.name == ANONYMOUS.name:
            added = UNAUTHENTICATED
        else:
            added = AUTHENTICATED if UNAUTHENTICATED not in groups else ""
        if added and added not in groups:
            groups = (*groups, added)
        return User(self.name, self.uid, groups, self.extra)


async def impersonated(wanted: Wanted, requester: User, info: RequestInfo, check: Check) -> tuple[User, str]:
    """The user to act as, and the verb of the constrained mode that allows it ("" for plain `impersonate`).

    Raises Forbidden, with what the first of the modes says that come into question.
    """
    account, first = wanted.account, None
    groups = (f"{_ACCOUNT[:-1]}s", f"{_ACCOUNT[:-1]}s:{account[0]}") if account else ()
    for mode in _modes(wanted, requester):
        asking = requester
        if mode == "associated-node":
            # Whether it is the same node has been looked at: what else is known of the requester does not matter.
            asking = replace(
                requester, extra={"authentication.kubernetes.io/associated-node-keys": sorted(requester.extra)}
            )
        try:
            await check(asking, replace(info, verb=f"impersonate-on:{mode}:{info.verb}"))
            await _check_identity(wanted, asking, f"impersonate:{mode}", check)
        except Forbidden as error:
            first = first or error
            continue
        return wanted.user(("system:nodes",) if wanted.node else groups), f"impersonate:{mode}"
    try:
        await _check_identity(wanted, requester, "impersonate", check)
    except Forbidden as error:
        raise first or error from None
    return wanted.user(groups), ""


def _modes(wanted: Wanted, requester: User) -> Iterator[str]:
    if wanted.node:
        if wanted.only_name:
            if requester.name.startswith(_ACCOUNT) and requester.extra.get(_NODE_NAME) == [wanted.node]:
                yield "associated-node"
            yield "arbitrary-node"
    elif wanted.account:
        if wanted.only_name:
            yield "serviceaccount"
    else:
        yield "user-info"


async def _check_identity(wanted: Wanted, requester: User, verb: str, check: Check) -> None:
    constrained = verb != "impersonate"
    group = _AUTHENTICATION if constrained else ""
    asked = RequestInfo("", verb, is_resource=True, group=group, version="v1", resource="users", name=wanted.name)
    if constrained and wanted.node:
        name = "*" if verb.endswith("associated-node") else wanted.node
        asked = replace(asked, resource="nodes", name=name)
    elif wanted.account:
        namespace, name = wanted.account
        asked = replace(asked, resource="serviceaccounts", namespace=namespace, name=name)
    await check(requester, asked)
    if wanted.uid:
        await check(requester, replace(asked, group=_AUTHENTICATION, namespace="", resource="uids", name=wanted.uid))
    groups = replace(asked, namespace="", resource="groups")
    await _check_all([replace(groups, name=each) for each in wanted.groups], requester, constrained, check)
    extra = replace(asked, group=_AUTHENTICATION, namespace="", resource="userextras")
    values = [replace(extra, subresource=key, name=value) for key, values in wanted.extra.items() for value in values]
    if constrained and (why := _problem_of_extra(wanted.extra)):
        raise forbidden(requester, replace(extra, name=""), why)
    await _check_all(values, requester, constrained, check)


async def _check_all(asked: list[RequestInfo], requester: User, constrained: bool, check: Check) -> None:
    if not asked:
        return None
    if constrained:
        for each in asked:
            if each.resource == "groups" and each.name in ("", MASTERS):
                which = f"the {MASTERS} group" if each.name else "the empty string group"
                raise forbidden(requester, each, f"impersonating {which} is not allowed")
        if len(asked) >= _MANY:
            star = "*" if asked[0].subresource else ""
            try:
                return await check(requester, replace(asked[0], subresource=star, name="*"))
            except Forbidden:
                pass
    for each in asked:
        await check(requester, each)
    return None


def _problem_of_extra(extra: dict[str, list[str]]) -> str:
    for key, values in extra.items():
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        for problem in validate_domain_prefixed_path(key, "extra.key"):
            return f"impersonating an invalid key in extra is not allowed: {problem}"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""
