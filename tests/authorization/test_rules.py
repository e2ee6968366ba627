"""What one rule allows, and which rules cover which."""

from __future__ import annotations

import pytest

from apiserver.authorization.rules import Rule, compacted, grants, uncovered
from apiserver.request import RequestInfo
from tests.authorization.roles import asks, asks_path

PODS = grants("get list", resources="pods pods/log", groups="core")
ONE = grants("get", resources="secrets", groups="core", names="s")
SCALES = grants("*", resources="*/scale", groups="*")
LOGS = grants("get", paths="/logs/* /metrics")


@pytest.mark.parametrize(
    ("rule", "request_", "allowed"),
    [
        (PODS, asks("get", "pods"), True),
        (PODS, asks("get", "pods/log", name="p"), True),
        (PODS, asks("get", "pods/status"), False),
        (PODS, asks("delete", "pods"), False),
        (PODS, asks("get", "pods", group="metrics.k8s.io"), False),
        (ONE, asks("get", "secrets", name="s"), True),
        (ONE, asks("get", "secrets", name="t"), False),
        (ONE, asks("get", "secrets"), False),
        (SCALES, asks("update", "deployments/scale", group="apps"), True),
        (SCALES, asks("update", "deployments", group="apps"), False),
        (grants("*", resources="*", groups="*"), asks("eat", "deployments/status", group="apps"), True),
        (grants("*", resources="*", groups="*"), asks_path("/metrics"), False),
        (LOGS, asks_path("/logs/x/y"), True),
        (LOGS, asks_path("/metrics"), True),
        (LOGS, asks_path("/metrics/slis"), False),
        (LOGS, asks_path("/metrics", "post"), False),
    ],
)
def test_allows(rule: Rule, request_: RequestInfo, allowed: bool) -> None:
    assert rule.allows(request_) is allowed


def test_a_name_in_a_field_selector_counts_as_a_name() -> None:
    request = asks("watch", "secrets")
    request.selected = "s"
    assert grants("watch", resources="secrets", groups="core", names="s").allows(request)


@pytest.mark.parametrize(
    ("owned", "wanted", "missing"),
    [
        (PODS, PODS, []),
        (PODS, grants("get delete", resources="pods", groups="core"), ["delete"]),
        (grants("get", resources="secrets", groups="core"), ONE, []),
        (ONE, grants("get", resources="secrets", groups="core"), ["get"]),
        (SCALES, grants("get", resources="deployments/scale", groups="apps"), []),
        (LOGS, grants("get", paths="/logs/a/*"), []),
        (LOGS, grants("get", paths="/*"), ["get"]),
    ],
)
def test_what_rules_do_not_cover(owned: Rule, wanted: Rule, missing: list[str]) -> None:
    assert [rule.verbs[0] for rule in uncovered([owned], [wanted])] == missing


def test_missing_rules_are_shown_by_resource() -> None:
    missing = uncovered([], [grants("get list", resources="pods secrets", groups="core"), LOGS])
    assert [str(rule) for rule in compacted(missing)] == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
        '{NonResourceURLs:["/logs/*"], Verbs:["get"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
    ]
    named = grants("get", resources="secrets", groups="core", names="s")
    assert str(named) == '{APIGroups:[""], Resources:["secrets"], ResourceNames:["s"], Verbs:["get"]}'


def test_a_rule_is_the_same_after_json() -> None:
    for rule in (PODS, ONE, SCALES, LOGS):
        assert Rule.of(rule.to_dict()) == rule
