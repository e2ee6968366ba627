"""The table of field numbers says what Kubernetes' own programs say, for every field of every type."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from api import meta_v1
from api.core_v1 import Pod, Volume
from api.model import Model
from apiserver.protobuf.field_numbers import Inlined, field_numbers
from tests.protobuf import published
from tests.protobuf.api_types import group_version, message_name, models

ANSWERS_ONLY = {
    meta_v1.APIGroup, meta_v1.APIGroupList, meta_v1.APIResource, meta_v1.APIResourceList, meta_v1.APIVersions,
    meta_v1.GroupVersionForDiscovery, meta_v1.ServerAddressByClientCIDR, meta_v1.ShardInfo,
}  # fmt: skip
"""Types that no request has."""
SPOKEN_AS_JSON = {"admission_v1", "apidiscovery_v2"}
"""Groups of which no request has a type: what webhooks are asked, and how other servers describe themselves."""

UNNUMBERED = {
    "ListMeta.shardInfo", "PodSpec.schedulingGroup", "PodStatus.nodeAllocatableResourceClaimStatuses",
    "Device.nodeAllocatableResourceMappings", "DeviceAttribute.bools", "DeviceAttribute.ints",
    "DeviceAttribute.strings", "DeviceAttribute.versions",
}  # fmt: skip
"""Alpha fields whose number is not known here; a server without the feature gate drops them just the same."""
UNNUMBERED_TYPES = {
    "NodeAllocatableResourceClaimStatus", "NodeAllocatableResourceMapping", "PodSchedulingGroup",
}  # fmt: skip

IN_THE_ENVELOPE = {"apiVersion", "kind"}
RENAMED = {
    "uID": "uid", "aPIGroup": "apiGroup", "Expression": "expression", "Name": "name", "Webhooks": "webhooks",
}  # fmt: skip
"""Where protobuf and JSON spell a field differently."""


def numbered() -> list[type[Model]]:
    return [
        model
        for model in models()
        if model not in ANSWERS_ONLY
        and model.__name__ not in UNNUMBERED_TYPES
        and group_version(model) not in SPOKEN_AS_JSON
    ]


def flat(numbers: Mapping[int, str | Inlined]) -> list[str]:
    return [name for each in numbers.values() for name in (flat(each.numbers) if isinstance(each, Inlined) else [each])]


def names(model: type[Model]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("model", numbered(), ids=message_name)
def test_every_field_has_a_number(model: type[Model]) -> None:
    listed = flat(field_numbers(model))
    assert len(set(listed)) == len(listed)
    assert set(listed) <= names(model), "the table has fields that the type has not"
    missing = names(model) - set(listed)
    if "metadata" in names(model) or model is meta_v1.DeleteOptions or model is meta_v1.Status:
        missing -= IN_THE_ENVELOPE
    assert {f"{model.__name__}.{name}" for name in missing} <= UNNUMBERED


def test_the_numbers_are_kubernetes_own(kubernetes_messages: dict[str, published.Message]) -> None:
    wrong = []
    for model in numbered():
        if message_name(model) not in kubernetes_messages:
            continue  # newer than this kubectl
        ours = paths(field_numbers(model))
        theirs = spelled(message_name(model), kubernetes_messages, names(model))
        if {path: ours.get(path) for path in theirs} != theirs or len(set(ours.values())) != len(ours):
            wrong.append(line(model, kubernetes_messages))
    assert not wrong, "the tables should have:\n" + "\n".join(wrong)


Path = tuple[int, ...]


def paths(numbers: Mapping[int, str | Inlined], outer: Path = ()) -> dict[str, Path]:
    """The numbers of all fields; those of embedded structs after the structs' own."""
    found: dict[str, Path] = {}
    for number, each in numbers.items():
        found.update(paths(each.numbers, (*outer, number)) if isinstance(each, Inlined) else {each: (*outer, number)})
    return found


def spelled(name: str, messages: dict[str, published.Message], known: set[str], outer: Path = ()) -> dict[str, Path]:
    """The same from their descriptors: what the type does not have as a field is an embedded struct."""
    found: dict[str, Path] = {}
    for field in messages[name]:
        json_name = RENAMED.get(field.name, field.name)
        if json_name in known:
            found[json_name] = (*outer, field.number)
        else:
            found.update(spelled(field.type, messages, known, (*outer, field.number)))
    return found


def line(model: type[Model], messages: dict[str, published.Message]) -> str:
    """The line of the table that their program's descriptor gives."""
    words, last = [], 0
    for field in sorted(messages[message_name(model)], key=lambda field: field.number):
        name = RENAMED.get(field.name, field.name)
        word = name if name in names(model) else "+" + field.type.rpartition(".")[2]
        words.append(word if field.number == last + 1 else f"{field.number}={word}")
        last = field.number
    return f"{model.__name__}: {' '.join(words)}   ({group_version(model)})"


def test_an_embedded_structs_fields_are_the_outer_types() -> None:
    volume = field_numbers(Volume)
    assert volume[1] == "name"
    assert isinstance(volume[2], Inlined)
    assert volume[2].numbers[19] == "configMap"


def test_a_gap_is_kept() -> None:
    assert field_numbers(meta_v1.ObjectMeta)[17] == "managedFields"
    assert 15 not in field_numbers(meta_v1.ObjectMeta)
    assert field_numbers(Pod) == {1: "metadata", 2: "spec", 3: "status"}


def test_a_type_without_a_line_is_an_error() -> None:
    with pytest.raises(LookupError):
        field_numbers(meta_v1.APIGroup)
