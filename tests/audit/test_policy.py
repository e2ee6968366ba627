"""How much the policy says is recorded of a request, and what is said of a policy that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.audit.policy import Policy, read_policy
from apiserver.configuration_file import ConfigurationError
from apiserver.filters.request_info import parse
from apiserver.request import User

ALICE = User("alice", groups=("devs", "system:authenticated"))


def policy(*rules: dict[str, Any], **more: Any) -> Policy:
    return Policy.from_dict({"rules": list(rules), **more})


def level(rule: dict[str, Any], path: str, method: str = "GET", user: User = ALICE) -> str:
    info = parse(method, path.partition("?")[0], dict(p.split("=", 1) for p in path.partition("?")[2].split("&") if p))
    return policy({"level": "Metadata", **rule}).decide(user, info).level


POD = "/api/v1/namespaces/ns/pods/web"
LOG = POD + "/log"


@pytest.mark.parametrize(
    ("rule", "path", "meant"),
    [
        ({}, POD, True),
        ({}, "/version", True),
        ({"users": ["alice"]}, POD, True),
        ({"users": ["bob"]}, POD, False),
        ({"userGroups": ["x", "devs"]}, POD, True),
        ({"userGroups": ["x"]}, POD, False),
        ({"verbs": ["get"]}, POD, True),
        ({"verbs": ["list"]}, POD, False),
        ({"verbs": ["watch"]}, "/api/v1/pods?watch=1", True),
        ({"namespaces": ["ns"]}, POD, True),
        ({"namespaces": ["other"]}, POD, False),
        ({"namespaces": [""]}, "/api/v1/nodes/a", True),
        ({"namespaces": [""]}, "/version", False),
        ({"resources": [{"group": ""}]}, POD, True),
        ({"resources": [{"group": "apps"}]}, POD, False),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, POD, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, LOG, False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, POD, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, POD, False),
        ({"resources": [{"group": "", "resources": ["*"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["web"]}]}, POD, True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["db"]}]}, POD, False),
        ({"nonResourceURLs": ["/version"]}, "/version", True),
        ({"nonResourceURLs": ["/version"]}, "/version/x", False),
        ({"nonResourceURLs": ["/healthz*"]}, "/healthz/etcd", True),
        ({"nonResourceURLs": ["*"]}, "/metrics", True),
        ({"nonResourceURLs": ["*"]}, POD, False),
    ],
)
def test_a_rule_means_what_it_says(rule: dict[str, Any], path: str, meant: bool) -> None:
    assert level(rule, path) == ("Metadata" if meant else "None")


def test_the_first_rule_that_fits_counts() -> None:
    rules = policy({"level": "None", "users": ["alice"]}, {"level": "Request"})
    info = parse("GET", POD, {})
    assert rules.decide(ALICE, info).level == "None"
    assert rules.decide(User("bob"), info).level == "Request"


def test_stages_add_up_and_a_rule_has_the_last_word_on_managed_fields() -> None:
    rules = policy(
        {"level": "Request", "users": ["alice"], "omitStages": ["Panic"], "omitManagedFields": False},
        {"level": "Request"},
        omitStages=["RequestReceived"],
        omitManagedFields=True,
    )
    info = parse("GET", POD, {})
    found, other = rules.decide(ALICE, info), rules.decide(User("bob"), info)
    assert (found.omit_stages, found.omit_managed_fields) == ({"Panic", "RequestReceived"}, False)
    assert (other.omit_stages, other.omit_managed_fields) == ({"RequestReceived"}, True)


def written(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", **document}))
    return path


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "rules: at least one is required"),
        ({"rules": [{"level": "Everything"}]}, "rules[0].level: 'Everything' is invalid"),
        ({"rules": [{"users": ["a"]}]}, "rules[0].level: '' is invalid"),
        ({"rules": [{"level": "None", "nonResourceURLs": ["healthz"]}]}, "paths begin with /"),
        ({"rules": [{"level": "None", "nonResourceURLs": ["/a*b"]}]}, "* may only be the last character"),
        ({"rules": [{"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["b"]}]}, "either for resources or for"),
        ({"rules": [{"level": "None", "resources": [{"group": "apps/v1"}]}]}, "without its version"),
        ({"rules": [{"level": "None", "resources": [{"resourceNames": ["x"]}]}]}, "need at least one resource"),
        ({"rules": [{"level": "None", "omitStages": ["End"]}]}, "rules[0].omitStages: 'End' is invalid"),
        ({"rules": [{"level": "None"}], "omitStage": []}, 'unknown field "omitStage"'),
        ({"rules": [{"level": 1}]}, "rules.0.level"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_place(tmp_path: Path, document: dict[str, Any], complaint: str) -> None:
    path = written(tmp_path / "policy.yaml", document)
    with pytest.raises(ConfigurationError) as refused:
        read_policy(path)
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_a_policy_is_read(tmp_path: Path) -> None:
    found = read_policy(
        written(tmp_path / "policy.yaml", {"rules": [{"level": "Metadata"}], "metadata": {"name": "x"}})
    )
    assert found.rules[0].level == "Metadata"
