"""CustomResourceDefinitions: resources that somebody else has thought up."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions_v1 import CustomResourceDefinition
from api.go_patterns import pattern_error
from apiserver.registry.custom_resource_definitions import CustomResourceDefinitions, DefinitionStatusUpdate
from tests.registry.builders import complaints, created, update_complaints

OBJECT = {"type": "object"}
PRESERVING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name: str = "v1", schema: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    shape = {"openAPIV3Schema": OBJECT if schema is None else schema}
    return {"name": name, "served": True, "storage": True, "schema": shape, **fields}


def definition(*versions: dict[str, Any], **spec: Any) -> CustomResourceDefinition:
    fields = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": list(versions) or [version()],
        **spec,
    }
    return CustomResourceDefinition.from_dict({"metadata": {"name": "things.example.com"}, "spec": fields})


def with_field(**schema: Any) -> dict[str, Any]:
    """A schema with one field, a."""
    return {"type": "object", "properties": {"a": schema}}


def found(given: CustomResourceDefinition) -> list[str]:
    return complaints(CustomResourceDefinitions(), given)


def test_defaults() -> None:
    given = created(CustomResourceDefinitions(), definition(version(), version("v2", storage=False)))
    assert given.spec.names.to_dict() == {
        "plural": "things",
        "singular": "thing",
        "kind": "Thing",
        "listKind": "ThingList",
    }
    assert given.spec.conversion.to_dict() == {"strategy": "None"}
    assert given.status.to_dict() == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        (
            {"group": "other.com"},
            ['metadata.name: Invalid value: "things.example.com": must be spec.names.plural+"."+spec.group'],
        ),
        ({"scope": ""}, ["spec.scope: Required value"]),
        ({"scope": "All"}, ['spec.scope: Unsupported value: "All": supported values: "Cluster", "Namespaced"']),
        (
            {"names": {"plural": "things"}},
            [f"spec.names.{field}: Required value" for field in ("singular", "kind", "listKind")],
        ),
        (
            {"names": {"plural": "things", "kind": "Thing", "listKind": "Thing"}},
            ['spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same'],
        ),
        (
            {"versions": None},
            [
                "spec.versions: Invalid value: null: must have exactly one version marked as storage version",
                "status.storedVersions: Invalid value: null: must have at least one stored version",
            ],
        ),
        (
            {"versions": [{"name": "v1", "served": True, "storage": True}]},
            ["spec.versions[0].schema.openAPIV3Schema: Required value"],
        ),
        (
            {"preserveUnknownFields": True},
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            ],
        ),
        (
            {"conversion": {"strategy": "Webhook"}},
            [
                "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
                "spec.conversion.conversionReviewVersions: Required value",
            ],
        ),
    ],
)
def test_rules(spec: dict[str, Any], expected: list[str]) -> None:
    assert found(definition(**spec)) == expected


def test_protected_groups_need_approval() -> None:
    given = definition(group="x.k8s.io")
    given.metadata.name = "things.x.k8s.io"
    key = "api-approved.kubernetes.io"
    assert found(given) == [
        f'metadata.annotations[{key}]: Required value: protected groups must have approval annotation "{key}", '
        "see https://github.com/kubernetes/enhancements/pull/1111"
    ]
    for approval in ("unapproved, a try", "https://github.com/kubernetes/enhancements/pull/1"):
        given.metadata.annotations = {key: approval}
        assert found(given) == []
    given.metadata.annotations = {key: "yes"}
    [complaint] = found(given)
    assert complaint.startswith(f'metadata.annotations[{key}]: Invalid value: "yes": protected groups must have')


def test_what_versions_have_in_common_is_complained_of_once() -> None:
    column = {"name": "A", "type": "text", "jsonPath": ".a"}
    words = 'Invalid value: "text": must be one of boolean,date,integer,number,string'
    first, second = version(additionalPrinterColumns=[column]), version("v2", storage=False)
    assert found(definition(first, second)) == [f"spec.versions[0].additionalPrinterColumns[0].type: {words}"]
    second["additionalPrinterColumns"] = [column]
    assert found(definition(first, second)) == [f"spec.additionalPrinterColumns[0].type: {words}"]


def test_selectable_fields_are_where_their_schema_is() -> None:
    fields = {"selectableFields": [{"jsonPath": ".b"}]}
    words = 'Invalid value: ".b": is an invalid path: does not refer to a valid field'
    first = version(schema=with_field(type="string"), **fields)
    other = version("v2", with_field(type="integer"), storage=False, **fields)
    assert found(definition(first, other)) == [
        f"spec.versions[{index}].selectableFields[0].jsonPath: {words}" for index in range(2)
    ]
    same = version("v2", with_field(type="string"), storage=False, **fields)
    assert found(definition(first, same)) == [f"spec.selectableFields[0].jsonPath: {words}"]


def test_versions_tell_themselves_apart() -> None:
    shown = (
        '[{"Name":"v1","Served":true,"Storage":true,"Deprecated":false,"DeprecationWarning":null,"Schema":null,'
        '"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null},'
        '{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,'
        '"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]'
    )
    assert found(definition(version(), version(storage=False))) == [
        f"spec.versions: Invalid value: {shown}: must contain unique version names"
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"deprecationWarning": "x"},
            ['versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions'],
        ),
        (
            {"subresources": {"scale": {"specReplicasPath": "spec.n", "statusReplicasPath": ".spec.n"}}},
            [
                'subresources.scale.specReplicasPath: Invalid value: "spec.n": '
                "must be a simple json path starting with .",
                'subresources.scale.statusReplicasPath: Invalid value: ".spec.n": should be a json path under .status',
            ],
        ),
        (
            {"selectableFields": [{"jsonPath": ".a"}, {"jsonPath": ".a"}, {"jsonPath": ".b"}]},
            [
                'selectableFields[1].jsonPath: Duplicate value: ".a"',
                'selectableFields[2].jsonPath: Invalid value: ".b": is an invalid path: '
                "does not refer to a valid field",
            ],
        ),
    ],
)
def test_rules_of_versions(fields: dict[str, Any], expected: list[str]) -> None:
    given = definition(version(schema=with_field(type="string"), **fields))
    assert found(given) == [f"spec.{complaint}" for complaint in expected]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (PRESERVING, []),
        ({}, ["type: Required value: must not be empty at the root"]),
        ({"type": "string"}, ['type: Invalid value: "string": must be object at the root']),
        (
            {**OBJECT, "additionalProperties": {"type": "string"}},
            ["additionalProperties: Forbidden: must not be used at the root"],
        ),
        (with_field(), ["properties[a].type: Required value: must not be empty for specified object fields"]),
        (with_field(type="array"), ["properties[a].items: Required value: must be specified"]),
        (
            with_field(type="text"),
            [
                'properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", '
                '"number", "object", "string"'
            ],
        ),
        (
            with_field(type="string", anyOf=[{"type": "string"}]),
            ["properties[a].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            with_field(**{"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            [],
        ),
        (
            {**OBJECT, "anyOf": [{"properties": {"b": {"minLength": 1}}}]},
            [
                "properties[b]: Required value: because it is defined in "
                "spec.validation.openAPIV3Schema.anyOf[0].properties[b]"
            ],
        ),
        (
            {**OBJECT, "properties": {"metadata": {**OBJECT, "properties": {"labels": OBJECT}}}},
            [
                "properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
                "metadata is implicitly specified"
            ],
        ),
        (
            {**OBJECT, "properties": {"metadata": {**OBJECT, "properties": {"name": {"type": "string"}}}}},
            [],
        ),
        (
            with_field(type="string", pattern="("),
            [
                'properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
                "error parsing regexp: missing closing ): `(`"
            ],
        ),
        (
            with_field(type="string", default=3),
            ['properties[a].default: Invalid value: "integer":  in body must be of type string: "integer"'],
        ),
        (
            with_field(type="object", default={"b": 1}),
            ['properties[a].default: Invalid value: {"b":1}: must not have unknown fields'],
        ),
        (with_field(type="object", default={"b": 1}, additionalProperties={"type": "integer"}), []),
        (
            with_field(type="object", properties={"b": {"type": "string", "minLength": 2}}, default={"b": "x"}),
            ['properties[a].default.b: Invalid value: "x": b in body should be at least 2 chars long'],
        ),
        (
            with_field(
                **{**PRESERVING, "x-kubernetes-embedded-resource": True},
                default={"kind": "K", "metadata": {"labels": {"/": "x"}}},
            ),
            [
                "properties[a].default.apiVersion: Required value",
                'properties[a].default.metadata.labels: Invalid value: "/": prefix part must be non-empty',
                'properties[a].default.metadata.labels: Invalid value: "/": name part must be non-empty',
                'properties[a].default.metadata.labels: Invalid value: "/": name part must consist of alphanumeric '
                "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  "
                "or 'my.name',  or '123-abc', regex used for validation is "
                "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            ],
        ),
        (
            {**OBJECT, "properties": {"kind": {"type": "string", "default": "K"}}},
            ["properties[kind].default: Forbidden: must not be set in top-level kind"],
        ),
        (
            with_field(type="object", properties={"b": {"type": "string"}}, additionalProperties={"type": "string"}),
            ["properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
        ),
        (
            with_field(**{"type": "array", "items": OBJECT, "x-kubernetes-list-type": "map"}),
            [
                "properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if "
                "x-kubernetes-list-type is map"
            ],
        ),
        (
            with_field(**{"type": "string", "x-kubernetes-validations": [{"rule": "", "reason": "No"}]}),
            [
                "properties[a].x-kubernetes-validations[0].rule: Required value: rule is not specified",
                'properties[a].x-kubernetes-validations[0].reason: Unsupported value: "No": supported values: '
                '"FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
            ],
        ),
        (
            with_field(
                **{
                    "type": "string",
                    "x-kubernetes-validations": [{"rule": "true", "message": "a\nb", "fieldPath": ".b"}],
                }
            ),
            [
                'properties[a].x-kubernetes-validations[0].message: Invalid value: "a\\nb": '
                "must not contain line breaks",
                'properties[a].x-kubernetes-validations[0].fieldPath: Invalid value: ".b": must be a valid path',
            ],
        ),
        ({**OBJECT, "$schema": "x"}, ["= Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported"]),
    ],
)
def test_schemas(schema: dict[str, Any], expected: list[str]) -> None:
    root = "spec.validation.openAPIV3Schema"
    wanted = [f"{root}.{complaint}".replace(".= ", ": ") for complaint in expected]
    assert found(definition(version(schema=schema))) == wanted


def test_the_schema_of_status_is_used_on_its_own() -> None:
    given = definition(version(schema={**OBJECT, "oneOf": [{}]}, subresources={"status": {}}))
    [complaint] = found(given)
    assert complaint.startswith("spec.validation.openAPIV3Schema: Invalid value: {")
    assert complaint.endswith("fields are allowed at the root of the schema if the status subresource is enabled")
    assert found(definition(version(schema=with_field(type="string"), subresources={"status": {}}))) == []


def test_unknown_formats_are_warned_of_once() -> None:
    strategy = CustomResourceDefinitions()
    old = definition(version(schema=with_field(type="string", format="odd")))
    assert list(strategy.warnings(old, None)) == ['unrecognized format "odd"']
    fields = {
        "a": {"type": "string", "format": "odd"},
        "b": {"type": "number", "format": "int32"},
        "c": {"type": "string", "format": "date-time"},
        "d": {"type": "integer", "format": "int32"},
        "e": {"type": "array", "items": {"type": "string"}, "format": "cidr"},
    }
    new = definition(version(schema={**OBJECT, "properties": fields}))
    assert list(strategy.warnings(new, old)) == ['unrecognized format "cidr"', 'unrecognized format "int32"']


def test_what_is_stored_stays_readable() -> None:
    def change(new: CustomResourceDefinition) -> None:
        new.spec.versions = definition(version("v2")).spec.versions

    [complaint] = update_complaints(CustomResourceDefinitions(), definition(), change)
    assert complaint.startswith('status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was')


def test_names_stay() -> None:
    def change(new: CustomResourceDefinition) -> None:
        new.spec.scope, new.spec.group = "Cluster", "other.com"

    assert update_complaints(CustomResourceDefinitions(), definition(), change) == [
        'spec.group: Invalid value: "other.com": field is immutable'
    ]


def test_accepted_names_are_names() -> None:
    old = created(CustomResourceDefinitions(), definition())
    new = old.copy_deep()
    new.status.acceptedNames.plural = "Things"
    [error] = DefinitionStatusUpdate().validate_update(new, old)
    assert error.field == "status.acceptedNames.plural"


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        (r"^[[:alpha:]]+\.(?P<n>\d{2,3})\z", None),
        (r"\p{Greek}", None),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
    ],
)
def test_patterns_are_those_of_go(pattern: str, error: str | None) -> None:
    assert pattern_error(pattern) == (error and f"error parsing regexp: {error}")
