"""The roles that every cluster has, and how they are brought back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.rbac_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from apiserver.authorization import bootstrap_policy
from apiserver.authorization.bootstrap import ensure_roles, merge
from apiserver.authorization.modes import authorizer_of
from apiserver.registry.table import Registry
from apiserver.request import RequestInfo
from tests.authorization.roles import Policy, asks, asks_path, policy, who

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_every_object_is_valid_and_of_a_name_of_its_own() -> None:
    registry, names = Registry(), set()
    for model, objects in (
        (ClusterRole, bootstrap_policy.cluster_roles()),
        (ClusterRoleBinding, bootstrap_policy.cluster_role_bindings()),
        (Role, bootstrap_policy.roles()),
        (RoleBinding, bootstrap_policy.role_bindings()),
    ):
        strategy: Any = registry.of(model)
        for document in objects:
            obj = model.from_dict(document, unknown_fields=False)
            assert not list(strategy.validate(obj)), obj
            before = obj.copy_deep()
            strategy.default(obj)
            assert obj == before, "defaults must find nothing to do"
            name = (model, obj.metadata.namespace, obj.metadata.name)
            assert name not in names
            names.add(name)
    assert len(names) > 120


def test_a_binding_names_a_role_that_is_there() -> None:
    roles = {role["metadata"]["name"] for role in bootstrap_policy.cluster_roles()}
    assert {binding["roleRef"]["name"] for binding in bootstrap_policy.cluster_role_bindings()} <= roles
    local = {(r["metadata"]["namespace"], r["metadata"]["name"]) for r in bootstrap_policy.roles()}
    bound = {(b["metadata"]["namespace"], b["roleRef"]["name"]) for b in bootstrap_policy.role_bindings()}
    assert bound <= local


async def bootstrapped(roles: Policy) -> None:
    await ensure_roles(roles.cache, NOW)


async def test_components_may_do_their_work_and_no_more() -> None:
    async with policy() as roles:
        await bootstrapped(roles)
        authorizer = authorizer_of(["Node", "RBAC"], roles.rbac, roles.cache)
        scheduler, proxy = who("system:kube-scheduler"), who("system:kube-proxy")
        node = who("system:node:n", ["system:nodes"])
        replica_sets = "system:serviceaccount:kube-system:replicaset-controller"
        expected: list[tuple[Any, RequestInfo, bool]] = [
            (scheduler, asks("create", "pods/binding", "a", "p"), True),
            (scheduler, asks("list", "storageclasses", group="storage.k8s.io"), True),
            (scheduler, asks("create", "pods", "a"), False),
            (proxy, asks("watch", "endpointslices", group="discovery.k8s.io"), True),
            (proxy, asks("list", "secrets"), False),
            (node, asks("update", "nodes/status", name="n"), True),
            (node, asks("create", "serviceaccounts/token", "a", "default"), False),
            (node, asks("delete", "deployments", "a", group="apps"), False),
            (who("system:node:n"), asks("update", "nodes/status", name="n"), False),
            (who(replica_sets), asks("create", "pods", "a"), True),
            (who(replica_sets), asks("create", "deployments", "a", group="apps"), False),
            (who("alice"), asks_path("/apis/apps/v1"), True),
            (who("alice"), asks_path("/metrics"), False),
            (who("prometheus", ["system:monitoring"]), asks("get", "nodes/metrics", name="n"), True),
            (who("prometheus", ["system:monitoring"]), asks("get", "nodes/proxy", name="n"), False),
            (who("alice"), asks("create", "selfsubjectaccessreviews", group="authorization.k8s.io"), True),
            (who("root", ["system:masters"]), asks("eat", "everything"), True),
        ]
        for user, request, allowed in expected:
            assert authorizer.allows(user, request) is allowed, (user.name, request)


async def test_a_second_start_changes_nothing() -> None:
    async with policy() as roles:
        await bootstrapped(roles)
        revision = roles.cache.revision
        await bootstrapped(roles)
        assert roles.cache.revision == revision


async def test_what_was_lost_comes_back_and_what_was_added_stays() -> None:
    async with policy() as roles:
        await roles.put("clusterroles", "system:kube-dns", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]})
        await roles.bind("system:discovery", "system:discovery")
        kept = {"metadata": {"name": "view", "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}}
        await roles.put("clusterroles", "view", kept)
        await bootstrapped(roles)

        def stored(plural: str, name: str) -> dict[str, Any]:
            entry = roles.cache.get(f"/{plural}.rbac.authorization.k8s.io/{name}")
            assert entry is not None
            return entry.document

        dns = stored("clusterroles", "system:kube-dns")
        assert dns["rules"][0] == {"verbs": ["get"], "nonResourceURLs": ["/x"]}
        assert {rule["resources"][0] for rule in dns["rules"][1:]} == {"endpoints", "services"}
        assert dns["metadata"]["labels"] == {"kubernetes.io/bootstrapping": "rbac-defaults"}
        subjects = stored("clusterrolebindings", "system:discovery")["subjects"]
        assert [subject["name"] for subject in subjects] == ["system:authenticated"]
        assert "aggregationRule" not in stored("clusterroles", "view")


def test_an_aggregated_role_keeps_the_rules_its_controller_gave_it() -> None:
    wanted = next(role for role in bootstrap_policy.cluster_roles() if role["metadata"]["name"] == "edit")
    existing = {**wanted, "metadata": {**wanted["metadata"]}, "rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}
    assert not merge(existing, wanted)
    existing["aggregationRule"] = {"clusterRoleSelectors": []}
    assert merge(existing, wanted)
    assert existing["aggregationRule"] == wanted["aggregationRule"]
