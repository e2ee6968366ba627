"""Who is allowed what by roles and bindings, and how soon a change counts."""

from __future__ import annotations

import random

from apiserver.authorization.requester import AuthorizedRequester
from apiserver.request import User
from tests.authorization.roles import account, asks, asks_path, group, policy, rule, user, who

READ = rule("get list", "pods")


async def test_a_role_binding_counts_in_its_namespace() -> None:
    async with policy() as roles:
        await roles.role("reader", READ, namespace="a")
        await roles.bind("b", "reader", user("alice"), namespace="a", cluster_role=False)
        alice = who("alice")
        assert roles.rbac.allows(alice, asks("get", "pods", "a", "p"))
        assert not roles.rbac.allows(alice, asks("get", "pods", "b", "p"))
        assert not roles.rbac.allows(alice, asks("list", "pods"))
        assert not roles.rbac.allows(who("bob"), asks("get", "pods", "a", "p"))


async def test_a_cluster_role_can_be_bound_in_one_namespace_or_in_all() -> None:
    async with policy() as roles:
        await roles.role("reader", READ, rule("get", paths="/metrics"))
        await roles.bind("here", "reader", user("alice"), namespace="a")
        await roles.bind("all", "reader", user("bob"))
        assert roles.rbac.allows(who("alice"), asks("list", "pods", "a"))
        assert not roles.rbac.allows(who("alice"), asks("list", "pods"))
        assert not roles.rbac.allows(who("alice"), asks_path("/metrics"))
        assert roles.rbac.allows(who("bob"), asks("list", "pods"))
        assert roles.rbac.allows(who("bob"), asks_path("/metrics"))


async def test_subjects() -> None:
    async with policy() as roles:
        await roles.role("reader", READ)
        await roles.bind("b", "reader", group("team"), account("robot"), account("other", "x"), namespace="a")
        for asking, allowed in (
            (who("anybody", ["team"]), True),
            (who("team"), False),
            (who("system:serviceaccount:a:robot"), True),
            (who("system:serviceaccount:b:robot"), False),
            (who("system:serviceaccount:x:other"), True),
        ):
            assert roles.rbac.allows(asking, asks("list", "pods", "a")) is allowed, asking


async def test_every_change_counts_at_once() -> None:
    async with policy() as roles:
        alice, request = who("alice"), asks("get", "pods", "a")
        assert not roles.rbac.allows(alice, request)
        await roles.bind("b", "reader", user("alice"), namespace="a")
        assert not roles.rbac.allows(alice, request)  # the role is missing
        await roles.role("reader", READ)
        assert roles.rbac.allows(alice, request)
        await roles.role("reader", rule("list", "pods"))
        assert not roles.rbac.allows(alice, request)
        await roles.role("reader", READ)
        await roles.bind("b", "reader", user("bob"), namespace="a")
        assert not roles.rbac.allows(alice, request)
        assert roles.rbac.allows(who("bob"), request)
        await roles.remove("rolebindings", "b", "a")
        assert not roles.rbac.allows(who("bob"), request)


async def test_the_index_is_made_anew_when_its_watches_have_ended() -> None:
    async with policy() as roles:
        assert not roles.rbac.allows(who("alice"), asks("get", "pods"))
        roles.cache.end_watches()
        await roles.role("reader", READ)
        await roles.bind("b", "reader", user("alice"))
        assert roles.rbac.allows(who("alice"), asks("get", "pods"))


async def test_reasons() -> None:
    async with policy() as roles:
        await roles.role("reader", READ)
        await roles.bind("b", "reader", group("x"), group("team"), namespace="a")
        await roles.bind("c", "reader", account("robot", "a"))
        await roles.bind("d", "nosuch", user("alice"))
        await roles.bind("e", "gone", user("alice"), namespace="a", cluster_role=False)
        reason = roles.rbac.reason
        assert reason(who("u", ["team"]), asks("get", "pods", "a")) == (
            'RBAC: allowed by RoleBinding "b/a" of ClusterRole "reader" to Group "team"'
        )
        assert reason(who("system:serviceaccount:a:robot"), asks("get", "pods")) == (
            'RBAC: allowed by ClusterRoleBinding "c" of ClusterRole "reader" to ServiceAccount "robot/a"'
        )
        assert reason(who("alice"), asks("get", "pods")) == (
            'RBAC: clusterrole.rbac.authorization.k8s.io "nosuch" not found'
        )
        assert reason(who("alice"), asks("get", "pods", "a")) == (
            'RBAC: [clusterrole.rbac.authorization.k8s.io "nosuch" not found, '
            'role.rbac.authorization.k8s.io "gone" not found]'
        )
        assert reason(who("bob"), asks("get", "pods")) == ""


async def test_rules_of_a_user() -> None:
    async with policy() as roles:
        await roles.role("reader", READ)
        await roles.role("writer", rule("create", "pods"), namespace="a")
        await roles.bind("z", "reader", user("alice"))
        await roles.bind("b", "writer", user("alice"), namespace="a", cluster_role=False)
        assert [r.verbs for r in roles.rbac.rules(who("alice"), "a")] == [("get", "list"), ("create",)]
        assert [r.verbs for r in roles.rbac.rules(who("alice"), "b")] == [("get", "list")]


async def test_nobody_gives_more_than_they_have() -> None:
    async with policy() as roles:
        await roles.role("reader", READ)
        await roles.bind("z", "reader", user("alice"), user("nobody"))
        await roles.bind("y", "nosuch", user("nobody"))

        from api.rbac_v1 import PolicyRule

        wanted = [PolicyRule(verbs=["get", "delete"], apiGroups=[""], resources=["pods"])]
        alice = AuthorizedRequester(who("alice"), roles.rbac, roles.rbac)
        assert alice.grant(wanted[:0], "a") == ""
        assert alice.grant([PolicyRule(verbs=["get"], apiGroups=[""], resources=["pods"])], "a") == ""
        assert alice.grant(wanted, "a") == (
            'user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently '
            'held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
        )
        assert (
            AuthorizedRequester(who("nobody"), roles.rbac, roles.rbac)
            .grant(wanted, "")
            .endswith('; resolution errors: [clusterrole.rbac.authorization.k8s.io "nosuch" not found]')
        )


async def test_the_index_agrees_with_looking_through_everything() -> None:
    """Random roles, bindings and questions, against the definition."""
    chance = random.Random(7)
    users, namespaces, resources = ["u0", "u1", "u2"], ["a", "b"], ["pods", "services"]
    granted: dict[str, tuple[str, str, str, str]] = {}
    async with policy() as roles:
        for step in range(300):
            name, asking = f"b{chance.randrange(8)}", chance.choice(users)
            where, verb, resource = (
                chance.choice(["", *namespaces]),
                chance.choice(["get", "list"]),
                chance.choice(resources),
            )
            if name in granted and chance.random() < 0.5:
                former = granted.pop(name)[0]
                await roles.remove("rolebindings" if former else "clusterrolebindings", name, former)
            elif name not in granted:
                await roles.role(name, rule(verb, resource))
                await roles.bind(name, name, user(asking), namespace=where)
                granted[name] = (where, asking, verb, resource)
            for namespace in ["", *namespaces]:
                expected = any(
                    (u, v, r) == (asking, verb, resource) and w in ("", namespace) for w, u, v, r in granted.values()
                )
                assert roles.rbac.allows(User(asking), asks(verb, resource, namespace)) is expected, step
