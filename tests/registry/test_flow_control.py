"""Flow schemas and priority levels: validation, defaults, tables, and the built-in ones."""

from __future__ import annotations

from typing import Any

import pytest

from api.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from apiserver.flow_control.bootstrap_configuration import LEVELS, SCHEMAS
from apiserver.registry.flow_schemas import FlowControlStatus, FlowSchemas
from apiserver.registry.priority_level_configurations import PriorityLevelConfigurations
from tests.registry.builders import NOW, complaints, created, update_complaints

PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}
USER = {"kind": "User", "user": {"name": "u"}}


def schema(name: str = "s", **spec: Any) -> FlowSchema:
    spec = {"priorityLevelConfiguration": {"name": "p"}, **spec}
    return FlowSchema.from_dict({"metadata": {"name": name}, "spec": spec})


def rules(*subjects: dict[str, Any], **rules: Any) -> FlowSchema:
    return schema(rules=[{"subjects": list(subjects or [USER]), **(rules or {"resourceRules": [PODS]})}])


def level(name: str = "p", **spec: Any) -> PriorityLevelConfiguration:
    return PriorityLevelConfiguration.from_dict({"metadata": {"name": name}, "spec": spec})


def limited(response: dict[str, Any] | None = None, **fields: Any) -> PriorityLevelConfiguration:
    return level(type="Limited", limited={"limitResponse": response or {"type": "Reject"}, **fields})


def queue(**queuing: int) -> PriorityLevelConfiguration:
    return limited({"type": "Queue", "queuing": queuing})


def test_defaults() -> None:
    assert created(FlowSchemas(), schema()).spec.matchingPrecedence == 1000
    found = created(PriorityLevelConfigurations(), queue()).to_dict()["spec"]["limited"]
    assert found == {
        "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}},
        "nominalConcurrencyShares": 30,
        "lendablePercent": 0,
    }
    exempt = created(PriorityLevelConfigurations(), level("exempt", type="Exempt", exempt={}))
    assert exempt.to_dict()["spec"]["exempt"] == {"nominalConcurrencyShares": 0, "lendablePercent": 0}


def test_no_namespaces_are_null() -> None:
    for namespaces in ({}, {"namespaces": []}, {"namespaces": None}):
        rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, **namespaces}
        found = created(FlowSchemas(), rules(resourceRules=[rule])).to_dict()
        assert found["spec"]["rules"][0]["resourceRules"][0]["namespaces"] is None


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (rules(), []),
        (schema(), []),
        (schema(matchingPrecedence=-1), ["matchingPrecedence: Invalid value: -1: must be a positive value"]),
        (
            schema(matchingPrecedence=1),
            ["matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
        ),
        (
            schema(distinguisherMethod={"type": "X"}, priorityLevelConfiguration={}),
            [
                'distinguisherMethod.type: Unsupported value: {"Type":"X"}: supported values: "ByNamespace", "ByUser"',
                "priorityLevelConfiguration.name: Required value: must reference a priority level",
            ],
        ),
        (
            schema(rules=[{"subjects": []}]),
            [
                "rules[0].subjects: Required value: subjects must contain at least one value",
                "rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
            ],
        ),
        (
            rules({"kind": "User", "group": {"name": "g"}}, {"kind": "Robot"}),
            [
                "rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
                "rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
                'rules[0].subjects[1].kind: Unsupported value: "Robot": '
                'supported values: "Group", "ServiceAccount", "User"',
            ],
        ),
        (
            rules({"kind": "ServiceAccount", "serviceAccount": {"name": "", "namespace": ""}}),
            [
                "rules[0].subjects[0].serviceAccount.name: Required value",
                "rules[0].subjects[0].serviceAccount.namespace: Required value: "
                "must specify namespace for service account",
            ],
        ),
        (
            rules(nonResourceRules=[{"verbs": ["get", "*"], "nonResourceURLs": ["x", "/a b", "/a//b", "/a*", "/a/*"]}]),
            [
                'rules[0].nonResourceRules[0].verbs: Invalid value: ["get","*"]: '
                "if '*' is present, must not specify other verbs",
                'rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "x": must start with slash',
                'rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a b": must not contain white-space',
                'rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: "/a//b": '
                "must not contain double slash",
                'rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: "/a*": '
                "wildcard can only do suffix matching",
            ],
        ),
    ],
)
def test_schemas(obj: FlowSchema, expected: list[str]) -> None:
    assert complaints(FlowSchemas(), obj) == [f"spec.{each}" for each in expected]


QUEUING = "limited.limitResponse.queuing"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (limited(), []),
        (queue(), []),
        (level(), ['type: Unsupported value: "": supported values: "Exempt", "Limited"']),
        (level(type="Limited"), ["limited: Required value: must not be empty when type is Limited"]),
        (level(type="Exempt"), ["type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'"]),
        (limited({"type": "X"}), [
            'limited.limitResponse.type: Unsupported value: "X": supported values: "Queue", "Reject"'
        ]),
        (limited({"type": "Queue"}), [
            f"{QUEUING}: Required value: must not be empty if limited.limitResponse.type is Limited"
        ]),
        (limited({"type": "Reject", "queuing": {}}), [
            f"{QUEUING}: Forbidden: must be nil if limited.limitResponse.type is not Limited"
        ]),
        (queue(queues=4, handSize=8, queueLengthLimit=-1), [
            f"{QUEUING}.queueLengthLimit: Invalid value: -1: must be positive",
            f"{QUEUING}.handSize: Invalid value: 8: should not be greater than queues (4)",
        ]),
        (queue(queues=10_000_000, handSize=20), [
            f"{QUEUING}.handSize: Invalid value: 20: "
            "required entropy bits of deckSize 10000000 and handSize 20 should not be greater than 60"
        ]),
        (limited(nominalConcurrencyShares=-1, lendablePercent=101, borrowingLimitPercent=-2), [
            "limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
            "limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
            "limited.borrowingLimitPercent: Invalid value: -2: if specified, must be a non-negative integer",
        ]),
    ],
)  # fmt: skip
def test_levels(obj: PriorityLevelConfiguration, expected: list[str]) -> None:
    assert complaints(PriorityLevelConfigurations(), obj) == [f"spec.{each}" for each in expected]


def test_built_in_objects_are_valid_as_they_are() -> None:
    for strategy, specs in ((FlowSchemas(), SCHEMAS), (PriorityLevelConfigurations(), LEVELS)):
        kind: Any = strategy.resource.model
        for name, spec in specs.items():
            obj = kind.from_dict({"metadata": {"name": name}, "spec": spec}, unknown_fields=False)
            assert complaints(strategy, obj) == [], name
            assert obj.to_dict()["spec"] == spec, "defaults must find nothing to do"
    assert {spec["priorityLevelConfiguration"]["name"] for spec in SCHEMAS.values()} <= set(LEVELS)


def test_mandatory_objects_cannot_be_changed() -> None:
    exempt = schema("exempt", **SCHEMAS["exempt"])
    wrong = update_complaints(FlowSchemas(), exempt, lambda new: setattr(new.spec, "rules", []))
    assert wrong == [
        'spec: Invalid value: {"PriorityLevelConfiguration":{"Name":"exempt"},"MatchingPrecedence":1,'
        '"DistinguisherMethod":null,"Rules":null}: spec of \'exempt\' must equal the fixed value'
    ]

    def borrow(new: PriorityLevelConfiguration) -> None:
        assert new.spec.exempt is not None
        new.spec.exempt.lendablePercent = 50

    level_exempt = level("exempt", **LEVELS["exempt"])
    assert update_complaints(PriorityLevelConfigurations(), level_exempt, borrow) == []
    catch_all = level("catch-all", **LEVELS["catch-all"])
    wrong = update_complaints(PriorityLevelConfigurations(), catch_all, lambda new: setattr(new.spec, "type", "Exempt"))
    assert wrong[-1].endswith("spec of 'catch-all' must equal the fixed value")


def test_generations_count_changes_of_the_spec() -> None:
    old = created(FlowSchemas(), rules())
    new = old.copy_deep()
    new.metadata.labels = {"a": "b"}
    FlowSchemas().prepare_for_update(new, old, None)  # type: ignore[arg-type]
    assert new.metadata.generation == 1
    new.spec.matchingPrecedence = 5
    FlowSchemas().prepare_for_update(new, old, None)  # type: ignore[arg-type]
    assert new.metadata.generation == 2


def test_conditions_are_named_once() -> None:
    new = schema()
    new.status = type(new.status).from_dict({"conditions": [{"type": "A"}, {"type": "A"}, {}]})
    assert [str(error) for error in FlowControlStatus().validate_update(new, schema())] == [
        'status.conditions[1].type: Duplicate value: "A"',
        "status.conditions[2].type: Required value: must not be empty",
    ]


def test_tables() -> None:
    found = created(FlowSchemas(), schema(distinguisherMethod={"type": "ByUser"}))
    cells = FlowSchemas().cells(found, NOW)
    assert [*cells[:4], cells[5]] == ["s", "p", 1000, "ByUser", "?"]
    strategy = PriorityLevelConfigurations()
    assert strategy.cells(created(strategy, queue(queues=16)), NOW)[:6] == ["p", "Limited", 30, 16, 8, 50]
    assert strategy.cells(created(strategy, limited()), NOW)[:6] == ["p", "Limited", 30, *["<none>"] * 3]


def test_status_brings_nothing_but_status() -> None:
    old, new = schema(), schema("s", matchingPrecedence=7)
    new.metadata.labels = {"a": "b"}
    new.status = type(new.status).from_dict({"conditions": [{"type": "A", "status": "True"}]})
    FlowControlStatus().prepare_for_update(new, old)
    assert (new.metadata, new.spec, new.status.conditions[0].type) == (old.metadata, old.spec, "A")
