"""Who may act as whom: by constrained impersonation, or by the verb `impersonate` alone."""

from __future__ import annotations

import pytest

from api.errors import Forbidden
from apiserver.authorization.impersonation import Wanted, impersonated
from apiserver.filters.authorization import forbidden
from apiserver.request import RequestInfo, User
from tests.authorization.roles import asks, asks_path

AGENT = User(
    "system:serviceaccount:kube-system:agent",
    groups=("system:serviceaccounts",),
    extra={"authentication.kubernetes.io/node-name": ["n1"], "other": ["x"]},
)
LIST = asks("list", "pods")


class Permissions:
    """Allows what its words say: verb, resource and, in braces, the name; keeps what it was asked."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.asked: list[tuple[User, RequestInfo]] = []

    async def __call__(self, user: User, info: RequestInfo) -> None:
        self.asked.append((user, info))
        resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        if not {f"{info.verb} {resource}", f"{info.verb} {resource} {info.name}"} & {*self.words}:
            raise forbidden(user, info)


async def acting(wanted: Wanted, *words: str, info: RequestInfo = LIST, requester: User = AGENT) -> tuple[User, str]:
    return await impersonated(wanted, requester, info, Permissions(*words))


async def why_not(wanted: Wanted, *words: str, info: RequestInfo = LIST) -> str:
    with pytest.raises(Forbidden) as refused:
        await acting(wanted, *words, info=info)
    return refused.value.message


async def test_a_user_by_the_action_and_the_identity() -> None:
    words = ("impersonate-on:user-info:list pods", "impersonate:user-info users jane")
    user, verb = await acting(Wanted("jane"), *words)
    assert (user, verb) == (User("jane", groups=("system:authenticated",)), "impersonate:user-info")
    assert "cannot impersonate:user-info resource" in await why_not(Wanted("jane"), words[0])
    refused = await why_not(Wanted("jane"), words[1])
    assert refused == (
        'pods is forbidden: User "system:serviceaccount:kube-system:agent" cannot impersonate-on:user-info:list '
        'resource "pods" in API group "" at the cluster scope'
    )
    assert "cannot impersonate-on:user-info:get path" in await why_not(Wanted("jane"), *words, info=asks_path("/api"))


async def test_all_parts_of_an_identity() -> None:
    wanted = Wanted("jane", "u-1", ("a", "b"), {"example.com/k": ["v"]})
    words = [
        "impersonate-on:user-info:list pods", "impersonate:user-info users", "impersonate:user-info uids u-1",
        "impersonate:user-info groups a", "impersonate:user-info groups b",
        "impersonate:user-info userextras/example.com/k v",
    ]  # fmt: skip
    user, _ = await acting(wanted, *words)
    assert user == User("jane", "u-1", ("a", "b", "system:authenticated"), {"example.com/k": ["v"]})
    for missing in words:
        assert await why_not(wanted, *(word for word in words if word != missing))


async def test_many_groups_by_one_permission() -> None:
    wanted = Wanted("jane", groups=("a", "b", "c", "d"))
    user, _ = await acting(
        wanted, "impersonate-on:user-info:list pods", "impersonate:user-info users", "impersonate:user-info groups *"
    )
    assert user.groups == ("a", "b", "c", "d", "system:authenticated")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("jane", groups=("system:masters",)), "impersonating the system:masters group is not allowed"),
        (Wanted("jane", groups=("",)), "impersonating the empty string group is not allowed"),
        (Wanted("jane", extra={"": ["v"]}), "impersonating the empty string key in extra is not allowed"),
        (Wanted("jane", extra={"scopes": ["v"]}), "impersonating an invalid key in extra is not allowed"),
        (Wanted("jane", extra={"a.b/c": [""]}), "impersonating the empty string value in extra is not allowed"),
    ],
)
async def test_what_constrained_impersonation_never_allows(wanted: Wanted, words: str) -> None:
    everything = [f"impersonate:user-info {what}" for what in ("users", "groups", "userextras/a.b/c")]
    assert words in await why_not(wanted, "impersonate-on:user-info:list pods", *everything)


async def test_a_service_account_brings_its_own_groups() -> None:
    wanted = Wanted("system:serviceaccount:ns:robot")
    words = ("impersonate-on:serviceaccount:list pods", "impersonate:serviceaccount serviceaccounts robot")
    user, verb = await acting(wanted, *words)
    assert verb == "impersonate:serviceaccount"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    # With groups of one's own it is none of the constrained modes, nor is it a user like others.
    with_groups = Wanted("system:serviceaccount:ns:robot", groups=("g",))
    everything = ("impersonate-on:user-info:list pods", "impersonate:user-info users", "impersonate:user-info groups")
    assert "cannot impersonate resource" in await why_not(with_groups, *words, *everything)


async def test_nodes() -> None:
    own, other = Wanted("system:node:n1"), Wanted("system:node:n2")
    associated = ("impersonate-on:associated-node:list pods", "impersonate:associated-node nodes *")
    user, verb = await acting(own, *associated)
    assert (user.name, user.groups) == ("system:node:n1", ("system:nodes", "system:authenticated"))
    assert verb == "impersonate:associated-node"
    assert await why_not(other, *associated)
    arbitrary = ("impersonate-on:arbitrary-node:list pods", "impersonate:arbitrary-node nodes n2")
    user, verb = await acting(other, *arbitrary)
    assert (user.name, verb) == ("system:node:n2", "impersonate:arbitrary-node")
    assert await why_not(own, *arbitrary)
    permissions = Permissions(*associated)
    await impersonated(own, AGENT, LIST, permissions)
    keys = {"authentication.kubernetes.io/associated-node-keys": ["authentication.kubernetes.io/node-name", "other"]}
    assert all(asked.extra == keys for asked, _ in permissions.asked)


async def test_plain_impersonation_is_still_enough() -> None:
    user, verb = await acting(Wanted("jane", groups=("system:masters",)), "impersonate users", "impersonate groups")
    assert (user.groups, verb) == (("system:masters", "system:authenticated"), "")
    user, _ = await acting(Wanted("system:anonymous"), "impersonate users")
    assert user.groups == ("system:unauthenticated",)
    assert "cannot impersonate-on:user-info:list" in await why_not(Wanted("jane"), "impersonate groups")
