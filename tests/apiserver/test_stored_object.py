"""What a write keeps of the stored object, and what it reads of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson

from api.core_v1 import Pod
from apiserver.storage.entry import Entry
from apiserver.stored import StoredObject

MANAGERS = [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]
DOCUMENT: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"b": "1", "a": "2"}, "managedFields": MANAGERS},
    "spec": {"containers": [{"name": "main", "resources": {}}], "nodeName": "n1"},
    "status": {},
}


def stored() -> StoredObject:
    endpoint: Any = SimpleNamespace(
        body=lambda entry: entry.body, model=Pod, read_stored=lambda encoded, entry: Pod.decode(encoded)
    )
    return StoredObject(endpoint, Entry.detached("/pods/ns/a", "ns", "a", orjson.dumps(DOCUMENT), 7))


def test_the_typed_object_has_no_managed_fields() -> None:
    current = stored()
    pod = current.decode()
    assert not pod.metadata.managedFields
    assert "managedFields" not in pod.metadata.model_fields_set
    assert current.managers == MANAGERS


def test_a_copy_is_independent_of_the_stored_document() -> None:
    current = stored()
    copy = current.copy()
    assert copy == current.document
    copy["spec"]["containers"][0]["name"] = "other"
    copy["metadata"]["labels"]["a"] = "3"
    assert current.document == {**DOCUMENT, "metadata": {"resourceVersion": "7", **DOCUMENT["metadata"]}}


def test_only_what_is_the_same_to_the_byte_is_shared() -> None:
    current = stored()
    later = orjson.loads(current.plain)
    later["spec"]["nodeName"] = "n2"
    later["metadata"]["labels"] = {"a": "2", "b": "1"}
    current.share_with(later)
    assert later["spec"]["containers"] is current.document["spec"]["containers"]
    assert later["metadata"]["labels"] is not current.document["metadata"]["labels"]
    assert later["spec"]["nodeName"] == "n2"


def test_objects_with_the_same_spec_share_it_typed_but_for_copies() -> None:
    one, other = stored(), stored()
    assert one.typed.spec is other.typed.spec
    assert one.typed.metadata is not other.typed.metadata
    assert one.typed == one.decode()
    assert one.decode().spec is not one.typed.spec
