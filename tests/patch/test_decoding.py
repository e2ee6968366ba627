"""Request bodies, and what is said of those that are wrong."""

# ruff: noqa: E501  (the messages are compared whole)

from __future__ import annotations

import json
from typing import Any

import pytest

from api.apps_v1 import Deployment
from api.autoscaling_v1 import Scale
from api.coordination_v1 import Lease
from api.core_v1 import ConfigMap, Pod, Secret
from api.errors import BadRequest, UnsupportedMediaType
from api.meta_v1 import DeleteOptions
from api.model import Model
from apiserver.decoding import decode_request, repeats_keys


def decoded(model: type[Model], body: Any, validation: str = "Warn", media: str = "application/json") -> Any:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return decode_request(model, data, media, validation)


def refusal(model: type[Model], body: Any, validation: str = "Warn", media: str = "application/json") -> str:
    with pytest.raises(BadRequest) as error:
        decoded(model, body, validation, media)
    return error.value.message


def test_json_and_yaml() -> None:
    body = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    for media in ("application/json", "application/json; charset=utf-8", ""):
        assert decoded(ConfigMap, body, media=media)[0].data == {"k": "v"}
    text = "metadata: {name: a, labels: &l {x: '1'}, annotations: *l}\ndata:\n  k: v\n---\nother: document\n"
    assert decoded(ConfigMap, text, media="application/yaml")[0].metadata.annotations == {"x": "1"}
    for media in ("text/plain", "application/merge-patch+json", "application/json;;=x"):
        with pytest.raises(UnsupportedMediaType):
            decoded(ConfigMap, body, media=media)


UNKNOWN = {"spec": {"containers": [{"name": "a", "imag": "x"}, {"name": "b", "ports": [{"no": 1}]}], "nope": True}}
COMPLAINTS = [
    'unknown field "spec.containers[0].imag"',
    'unknown field "spec.containers[1].ports[0].no"',
    'unknown field "spec.nope"',
]


def test_unknown_fields() -> None:
    pod, warnings = decoded(Pod, UNKNOWN)
    assert (pod.spec.containers[0].name, warnings) == ("a", COMPLAINTS)
    assert decoded(Pod, UNKNOWN, "Ignore")[1] == []
    text = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: ' + ", ".join(COMPLAINTS)
    assert refusal(Pod, UNKNOWN, "Strict") == text
    assert decoded(ConfigMap, {"Data": {"k": "v"}})[1] == ['unknown field "Data"']


def test_repeated_fields() -> None:
    body = '{"metadata":{"name":"a","name":"b"},"data":{"k":"1"},"data":{"l":"2","l":"3"}}'
    config_map, warnings = decoded(ConfigMap, body)
    assert (config_map.metadata.name, config_map.data) == ("b", {"k": "1", "l": "3"})
    assert sorted(warnings) == ['duplicate field "data"', 'duplicate field "data.l"', 'duplicate field "metadata.name"']
    assert decoded(ConfigMap, body, "Ignore")[1] == []
    assert 'duplicate field "data"' in refusal(ConfigMap, body, "Strict")
    text = "metadata:\n  name: i\ndata:\n  k: a\n  k: b\n"
    config_map, warnings = decoded(ConfigMap, text, media="application/yaml")
    assert (config_map.data, warnings) == ({"k": "b"}, ['line 5: key "k" already set in map'])
    assert refusal(ConfigMap, text, "Strict", "application/yaml").endswith(
        'strict decoding error: yaml: unmarshal errors:\n  line 5: key "k" already set in map'
    )


def test_repeats_are_found_by_counting() -> None:
    for compact in ('{"a":1,"a":2}', '{"a": 1, "b": {"c": 1, "c": 1}}'):
        assert repeats_keys(compact.encode())
    for single in ('{"a":1,"b":{"a":1}}', '[{"a" :1},{"a":"x\\":y"}]', '{"a": "\\":"}'):
        data = single.encode()
        assert not repeats_keys(data) or '" :' in single


def test_nulls_are_as_good_as_nothing() -> None:
    body = {
        "metadata": {"name": "a", "creationTimestamp": None, "labels": None},
        "data": {"k": None},
        "immutable": None,
    }
    config_map, warnings = decoded(ConfigMap, body)
    assert (config_map.to_dict(), warnings) == ({"metadata": {"name": "a"}, "data": {"k": ""}}, [])
    assert decoded(ConfigMap, "null")[0] == ConfigMap()
    pod, _ = decoded(Pod, {"spec": {"containers": None, "volumes": [None], "overhead": {"cpu": None}}})
    assert pod.spec.volumes[0].name == ""
    assert pod.spec.overhead == {"cpu": "0"}


@pytest.mark.parametrize(
    ("model", "body", "problem"),
    [
        (ConfigMap, {"data": {"k": 1}}, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        (ConfigMap, {"data": ["x"]}, "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"),
        (ConfigMap, {"immutable": "x"}, "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"),
        (ConfigMap, {"metadata": {"name": True}}, "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string"),
        (ConfigMap, {"metadata": "x"}, "json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        (ConfigMap, {"nope": 1, "data": {"k": 1}}, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        (Pod, {"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}, "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"),
        (Pod, {"spec": {"priority": 3_000_000_000}}, "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32"),
        (Pod, {"spec": {"priority": 1.5}}, "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
        (Pod, {"spec": {"overhead": {"cpu": "one"}}}, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        (Secret, {"data": {"k": "not base64!"}}, "illegal base64 data at input byte 3"),
        (Secret, {"data": {"k": "YQ"}}, "illegal base64 data at input byte 0"),
        (Lease, {"spec": {"renewTime": "now"}}, 'parsing time "now" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "now" as "2006"'),
        (Lease, {"spec": {"renewTime": "2024-01-01T00:00:00Z"}}, 'parsing time "2024-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'),
        (ConfigMap, {"metadata": {"creationTimestamp": "2024-02-30T00:00:00Z"}}, 'parsing time "2024-02-30T00:00:00Z": day out of range'),
        (ConfigMap, {"metadata": {"creationTimestamp": "2024-01-01T00:00:00Zx"}}, 'parsing time "2024-01-01T00:00:00Zx": extra text: "x"'),
        (ConfigMap, {"metadata": {"creationTimestamp": 5}}, "json: cannot unmarshal number into Go value of type string"),
        (Deployment, {"spec": {"strategy": {"rollingUpdate": {"maxSurge": {}}}}}, "json: cannot unmarshal object into Go value of type int32"),
    ],
)  # fmt: skip
def test_values_of_the_wrong_type(model: type[Model], body: Any, problem: str) -> None:
    kind = model.__name__
    assert refusal(model, body, "Strict") == f'{kind} in version "v1" cannot be handled as a {kind}: {problem}'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
        ("{", "couldn't get version/kind; json parse error: unexpected end of JSON input ({)"),
        ('{"a":1}x', "couldn't get version/kind; json parse error: invalid character 'x' after top-level value ({\"a\":1}x)"),
        ("metadata:\n  name: t\n", "couldn't get version/kind; json parse error: invalid character 'm' looking for beginning of value (6d657461646174613a0a20206e616d653a20740a)"),
        ("[]", 'couldn\'t get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b5d)'),
        ('{"kind": 5}', "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({\"kind\": 5})"),
        (b'{"data": {"k": "\xff"}}', "couldn't get version/kind; json parse error: invalid UTF-8 at offset 16 ({\"data\": {\"k\": \"\ufffd\"}})"),
        ("[" * 100_000, "couldn't get version/kind; json parse error: exceeded max depth (" + "5b" * 30 + " ...)"),
    ],
)  # fmt: skip
def test_what_is_no_object_at_all(body: Any, problem: str) -> None:
    assert refusal(ConfigMap, body) == f"the object provided is unrecognized (must be of type ConfigMap): {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{a: 1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a": nope}', "invalid character 'o' in literal null (expecting 'u')"),
        ('{"a": "x', "unexpected end of JSON input"),
        ('{"a": "\\x"}', "invalid character 'x' in string escape code"),
        ('{"a": "\n"}', "invalid character '\\n' in string literal"),
        ('{"a": NaN}', "invalid character 'N' looking for beginning of value"),
        ('{"a": -}', "invalid character '}' in numeric literal"),
        ("-", "unexpected end of JSON input"),
        ("[1.e5]", "invalid character 'e' after decimal point in numeric literal"),
        ('{"a": 1e+}', "invalid character '}' in exponent of numeric literal"),
        ('{"a": 01}', "invalid character '1' after object key:value pair"),
        ('{"a": "\\u12"}', "invalid character '\"' in \\u hexadecimal character escape"),
        ("\u00e9", "invalid character '\u00c3' looking for beginning of value"),
    ],
)
def test_syntax_errors_in_go_words(text: str, problem: str) -> None:
    assert f"json parse error: {problem} (" in refusal(ConfigMap, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("metadata:\n  name: [\n", "yaml: line 2: did not find expected node content"),
        ("metadata:\n\tname: t\n", "yaml: line 2: found character that cannot start any token"),
        ("a: *missing\n", "yaml: unknown anchor 'missing' referenced"),
        ("[" * 5000, "yaml: exceeded max depth"),
        ("{? [x]: y}", "error converting YAML to JSON: unsupported map key"),
        ("a: .inf", "json: unsupported value: .inf"),
    ],
)
def test_malformed_yaml(text: str, problem: str) -> None:
    message = refusal(ConfigMap, text, media="application/yaml")
    assert message.startswith(f"the object provided is unrecognized (must be of type ConfigMap): {problem} (")


def test_other_kinds() -> None:
    assert decoded(ConfigMap, {"apiVersion": "v1", "kind": "ConfigMap"})
    assert decoded(Deployment, {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}})
    assert refusal(ConfigMap, {"apiVersion": "v2", "kind": "ConfigMap"}) == (
        'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
        '"v2" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    )
    assert refusal(Scale, {"apiVersion": "apps/v1", "kind": "Deployment"}) == (
        'Deployment in version "v1" cannot be handled as a Scale: '
        "converting (v1.Deployment) to (autoscaling.Scale): unknown conversion"
    )
    options = {"apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 5}
    assert decoded(DeleteOptions, options)[0].gracePeriodSeconds == 5
    assert refusal(DeleteOptions, {"gracePeriodSeconds": "5"}) == (
        "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
    )


def test_line_breaks_in_base64_are_let_through() -> None:
    assert decoded(Secret, {"data": {"k": "aGVs\nbG8=\r\n"}})[0].data == {"k": "aGVsbG8="}
