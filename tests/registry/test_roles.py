"""Roles, cluster roles and their bindings: validation, defaults, tables, and who may write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.errors import Forbidden, NotFound
from api.rbac_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from apiserver.registry.cluster_role_bindings import ClusterRoleBindings
from apiserver.registry.cluster_roles import ClusterRoles
from apiserver.registry.role_bindings import RoleBindings
from apiserver.registry.roles import Roles
from apiserver.registry.strategy import Context
from apiserver.request import User
from tests.registry.builders import NOW, complaints, context, created, update_complaints

GROUP = "rbac.authorization.k8s.io"
GET = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}


def role(*rules: dict[str, Any]) -> Role:
    return Role.from_dict({"metadata": {"name": "r", "namespace": "n"}, "rules": list(rules)})


def cluster_role(*rules: dict[str, Any], **fields: Any) -> ClusterRole:
    return ClusterRole.from_dict({"metadata": {"name": "r"}, "rules": list(rules), **fields})


def binding(*subjects: dict[str, str], **ref: str) -> RoleBinding:
    reference = {"kind": "Role", "name": "r", **ref}
    document = {"metadata": {"name": "b", "namespace": "n"}, "roleRef": reference, "subjects": list(subjects)}
    return RoleBinding.from_dict(document)


def cluster_binding(*subjects: dict[str, str], **ref: str) -> ClusterRoleBinding:
    reference = {"kind": "ClusterRole", "name": "r", **ref}
    return ClusterRoleBinding.from_dict({"metadata": {"name": "b"}, "roleRef": reference, "subjects": list(subjects)})


RULES = [
    ({"verbs": []}, [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]),
    ({"verbs": ["get"], "nonResourceURLs": ["/x"], "resourceNames": ["y"]}, [
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: '
        "rules cannot apply to both regular resources and non-resource URLs",
    ]),
    ({}, [  # what a client leaves out is empty, also in a list that can be null
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]),
    (GET, []),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_rules(rule: dict[str, Any], expected: list[str]) -> None:
    assert complaints(Roles(), role(rule)) == expected


def test_rules_of_a_cluster_role_may_be_about_paths() -> None:
    assert complaints(ClusterRoles(), cluster_role({"verbs": ["get"], "nonResourceURLs": ["/a*b", "*"]})) == []


def test_aggregation() -> None:
    path = "aggregationRule.clusterRoleSelectors"
    assert complaints(ClusterRoles(), cluster_role(aggregationRule={})) == [
        f"{path}: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"
    ]
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "-"}}]}
    wrong = complaints(ClusterRoles(), cluster_role(aggregationRule=selectors))
    assert wrong[0].startswith(f'{path}[1].matchLabels: Invalid value: "-"')
    assert wrong[1:] == [f"{path}[1]: Invalid value: null: invalid label selector."]


def test_no_rules_are_null() -> None:
    for empty in (role(), Role.from_dict({"metadata": {"name": "r"}})):
        assert created(Roles(), empty).to_dict()["rules"] is None
    assert Role.from_dict({"rules": None}).to_dict()["rules"] is None
    assert role(GET).to_dict()["rules"] == [GET]


@pytest.mark.parametrize("strategy", [Roles(), ClusterRoles(), RoleBindings(), ClusterRoleBindings()])
def test_names_only_have_to_fit_into_a_url(strategy: Any) -> None:
    assert strategy.validate_name("system:Odd@name") == ()
    assert strategy.validate_name("a/b") == ("may not contain '/'",)
    assert strategy.create_on_update


def test_defaults_of_bindings() -> None:
    found = created(
        RoleBindings(), binding({"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}, kind="Role")
    )
    assert found.roleRef.apiGroup == GROUP
    assert [subject.apiGroup for subject in found.subjects] == [GROUP, ""]


BINDINGS = [
    (binding(kind="Pod", name=""), [
        'roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"',
        "roleRef.name: Required value",
    ]),
    (binding(apiGroup="x", name="a/b"), [
        f'roleRef.apiGroup: Unsupported value: "x": supported values: "{GROUP}"',
        "roleRef.name: Invalid value: \"a/b\": may not contain '/'",
    ]),
    (binding({"kind": "Robot", "name": ""}), [
        "subjects[0].name: Required value",
        'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ]),
    (binding({"kind": "User", "name": "u", "apiGroup": "apps"}), [
        f'subjects[0].apiGroup: Unsupported value: "apps": supported values: "{GROUP}"'
    ]),
    (binding({"kind": "ServiceAccount", "name": "s", "apiGroup": "x"}), [
        'subjects[0].apiGroup: Unsupported value: "x": supported values: ""'
    ]),
    (binding({"kind": "ServiceAccount", "name": "s"}, {"kind": "Group", "name": "g"}), []),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "expected"), BINDINGS)
def test_bindings(obj: RoleBinding, expected: list[str]) -> None:
    assert complaints(RoleBindings(), obj) == expected


def test_cluster_role_bindings() -> None:
    strategy = ClusterRoleBindings()
    assert complaints(strategy, cluster_binding({"kind": "ServiceAccount", "name": "s"}, kind="Role")) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[0].namespace: Required value",
    ]


def test_the_role_of_a_binding_cannot_change() -> None:
    def change(new: RoleBinding) -> None:
        new.roleRef.name = "other"
        new.subjects = []

    shown = f'{{"APIGroup":"{GROUP}","Kind":"Role","Name":"other"}}'
    assert update_complaints(RoleBindings(), binding(), change) == [
        f"roleRef: Invalid value: {shown}: cannot change roleRef"
    ]


def test_table_of_bindings() -> None:
    found = binding(
        {"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    )  # fmt: skip
    cells = RoleBindings().cells(found, NOW)
    assert [cell for index, cell in enumerate(cells) if index != 2] == ["b", "Role/r", "u, v", "g", "n/s"]


class Limited:
    """May do what is listed, and give away what `missing` does not name."""

    user = User("alice")

    def __init__(self, *allowed: tuple[str, str, str], missing: str = "") -> None:
        self._allowed, self._missing = allowed, missing

    def may(
        self, verb: str, group: str, resource: str, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bool:
        return (verb, resource, name) in self._allowed

    def grant(self, rules: Any, namespace: str) -> str:
        return self._missing if list(rules) else ""


def asking(requester: Limited, *objects: Any) -> Context:
    return replace(context(*objects), requester=requester)


def test_rules_are_only_given_by_those_who_have_them() -> None:
    with pytest.raises(Forbidden, match=r'^roles\.rbac\.authorization\.k8s\.io "r" is forbidden: too much$'):
        Roles().authorize(role(GET), None, asking(Limited(missing="too much")))
    Roles().authorize(role(GET), None, asking(Limited()))
    Roles().authorize(role(), None, asking(Limited(missing="too much")))
    Roles().authorize(role(GET), None, asking(Limited(("escalate", "roles", ""), missing="too much")))
    Roles().authorize(role(GET), role(), asking(Limited(("escalate", "roles", "r"), missing="too much")))


def test_an_update_for_the_garbage_collector_is_let_through() -> None:
    old, new = role(GET), role(GET)
    new.metadata.finalizers = ["a/b"]
    Roles().authorize(new, old, asking(Limited(missing="too much")))
    new.metadata.labels = {"a": "b"}
    with pytest.raises(Forbidden):
        Roles().authorize(new, old, asking(Limited(missing="too much")))


def test_aggregation_takes_all_rights() -> None:
    found = cluster_role(aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    with pytest.raises(Forbidden, match="must have cluster-admin privileges to use the aggregationRule"):
        ClusterRoles().authorize(found, None, asking(Limited(missing="too much")))
    with pytest.raises(Forbidden, match="aggregationRule"):
        ClusterRoles().authorize(cluster_role(), found, asking(Limited(missing="too much")))


def test_roles_are_only_bound_by_those_who_have_their_rules() -> None:
    refused = Limited(missing="too much")
    with pytest.raises(Forbidden, match=r'^rolebindings\.rbac\.authorization\.k8s\.io "b" is forbidden: too much$'):
        RoleBindings().authorize(binding(), None, asking(refused, role(GET)))
    RoleBindings().authorize(binding(), None, asking(refused, role()))
    bind = Limited(("bind", "roles", "r"), missing="too much")
    RoleBindings().authorize(binding(), None, asking(bind, role(GET)))
    with pytest.raises(NotFound, match=r'^rolebindings\.rbac\.authorization\.k8s\.io "r" not found$'):
        RoleBindings().authorize(binding(), None, asking(refused))
    with pytest.raises(Forbidden):
        ClusterRoleBindings().authorize(cluster_binding(), None, asking(refused, cluster_role(GET)))
