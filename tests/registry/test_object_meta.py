"""Rules of metadata."""

from __future__ import annotations

import pytest

from api.meta_v1 import ObjectMeta, OwnerReference
from apiserver.registry import object_meta
from apiserver.registry.names import dns_subdomain
from tests.registry.builders import NOW


def meta(**fields: object) -> ObjectMeta:
    return ObjectMeta.from_dict({"name": "a", "namespace": "n", **fields})


def complaints(found: ObjectMeta) -> list[str]:
    return [str(error) for error in object_meta.validate_create(found, True, dns_subdomain)]


def test_a_generated_name_is_short_enough_for_a_label() -> None:
    name = object_meta.generate_name("z" * 100)
    assert name.startswith("z" * 58)
    assert len(name) == 63
    assert object_meta.generate_name("web-") != object_meta.generate_name("web-")


def test_ordinary_metadata_is_fine() -> None:
    assert complaints(meta(labels={"a": "b"}, annotations={"Example.COM/Key": "any\nvalue"})) == []


def test_every_fault_is_named_in_order() -> None:
    found = complaints(meta(name="Bad_", labels={"b d": "-"}, annotations={"x y": ""}, finalizers=["nope"]))
    fields = [complaint.partition(":")[0] for complaint in found]
    assert fields == [
        "metadata.name",
        "metadata.labels",
        "metadata.labels",
        "metadata.annotations",
        "metadata.finalizers[0]",
    ]


def test_namespaces_are_for_kinds_that_have_them() -> None:
    errors = object_meta.validate_create(meta(), False, dns_subdomain)
    assert [str(error) for error in errors] == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_annotations_have_a_limit_together() -> None:
    assert complaints(meta(annotations={"a": "x" * 262144})) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]


def test_an_object_has_one_controller() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "uid": "u", "controller": True}
    (complaint,) = complaints(meta(ownerReferences=[{**owner, "name": "one"}, {**owner, "name": "two"}]))
    assert complaint.endswith(
        "Only one reference can have Controller set to true. "
        'Found "true" in references for ConfigMap/one and ConfigMap/two'
    )


def test_an_owner_is_complete() -> None:
    found = complaints(meta(ownerReferences=[{}]))
    assert found[0] == 'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty'
    assert [complaint.split(":")[0].rpartition(".")[2] for complaint in found[1:]] == ["kind", "name", "uid"]


def test_the_same_owner_twice_counts_once() -> None:
    owner = OwnerReference(apiVersion="v1", kind="ConfigMap", name="o", uid="u1")
    found = meta()
    found.ownerReferences = [owner, owner.copy_deep()]
    assert object_meta.deduplicate_owners(found).endswith("duplicate UID(s) observed: u1")
    assert found.ownerReferences == [owner]
    assert object_meta.deduplicate_owners(found) == ""


@pytest.mark.parametrize("field", ["name", "namespace", "uid"])
def test_identity_stays(field: str) -> None:
    old = meta(uid="u", resourceVersion="1")
    new = old.copy_deep()
    setattr(new, field, "other")
    found = {str(error) for error in object_meta.validate_update(new, old, True)}
    assert found == {f'metadata.{field}: Invalid value: "other": field is immutable'}


def test_no_finalizers_are_added_to_what_is_being_deleted() -> None:
    old = meta(resourceVersion="1", finalizers=["example.com/a"])
    old.deletionTimestamp = NOW
    new = old.copy_deep()
    new.finalizers = ["example.com/a", "example.com/b"]
    found = [str(error) for error in object_meta.validate_update(new, old, True)]
    assert (
        found
        == [
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
            'found new finalizers []string{"example.com/b"}'
        ]
        * 2
    )  # seen once by what all kinds share and once by the kind


def test_an_update_names_a_version() -> None:
    found = [str(error) for error in object_meta.validate_update(meta(), meta(), True)]
    assert found[0] == 'metadata.resourceVersion: Invalid value: "": must be specified for an update'
