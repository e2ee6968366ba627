"""Objects as tables and as metadata only."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.core_v1 import Secret
from api.errors import Invalid, NotAcceptable
from api.scheme import resource_of
from apiserver import tables
from apiserver.endpoint import Endpoint
from apiserver.negotiation import MediaType
from apiserver.registry.table import Registry
from apiserver.request import Request
from apiserver.storage.entry import Entry
from tests.registry.builders import NOW

TABLE = MediaType(transform="Table", transform_version="v1")
PARTIAL = MediaType(transform="PartialObjectMetadata", transform_version="v1")
PARTIAL_LIST = MediaType(transform="PartialObjectMetadataList", transform_version="v1")


def asked(**query: str) -> Request:
    return cast(Request, SimpleNamespace(query=query))


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(resource_of(Secret), Registry(), cast(Any, None))


@pytest.fixture
def entry() -> Entry:
    document = {"metadata": {"name": "s", "namespace": "n", "creationTimestamp": "2026-01-02T03:00:05Z"}, "type": "t"}
    value = Secret.from_dict(document).encode()
    assert value.startswith(b'{"metadata":')
    return Entry.from_value("/secrets/n/s", value, 7, None)


def test_a_table_of_one(endpoint: Endpoint, entry: Entry) -> None:
    found = tables.transformed_object(endpoint, entry, TABLE, asked(), NOW)
    assert (found["kind"], found["apiVersion"], found["metadata"]) == (
        "Table",
        "meta.k8s.io/v1",
        {"resourceVersion": "7"},
    )
    assert [column["name"] for column in found["columnDefinitions"]] == ["Name", "Type", "Data", "Age"]
    (row,) = found["rows"]
    assert row["cells"] == ["s", "t", 0, "4m"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "s"


def test_a_watch_sends_the_columns_once(endpoint: Endpoint, entry: Entry) -> None:
    assert tables.transformed_object(endpoint, entry, TABLE, asked(), NOW, headers=False)["columnDefinitions"] is None


@pytest.mark.parametrize(("include", "kind"), [("Object", "Secret"), ("Metadata", "PartialObjectMetadata")])
def test_rows_carry_what_is_asked_for(endpoint: Endpoint, entry: Entry, include: str, kind: str) -> None:
    (row,) = tables.transformed_list(endpoint, [entry], {}, TABLE, asked(includeObject=include), NOW)["rows"]
    assert row["object"]["kind"] == kind


def test_rows_without_objects(endpoint: Endpoint, entry: Entry) -> None:
    (row,) = tables.transformed_list(endpoint, [entry], {}, TABLE, asked(includeObject="None"), NOW)["rows"]
    assert row["object"] is None
    with pytest.raises(Invalid):
        tables.transformed_list(endpoint, [], {}, TABLE, asked(includeObject="All"), NOW)


def test_metadata_only(endpoint: Endpoint, entry: Entry) -> None:
    one = tables.transformed_object(endpoint, entry, PARTIAL, asked(), NOW)
    assert set(one) == {"kind", "apiVersion", "metadata"}
    many = tables.transformed_list(endpoint, [entry], {"resourceVersion": "9"}, PARTIAL_LIST, asked(), NOW)
    assert many["kind"] == "PartialObjectMetadataList"
    assert many["items"] == [one]


def test_lists_and_objects_are_not_confused(endpoint: Endpoint, entry: Entry) -> None:
    refused = "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Secret)"
    with pytest.raises(NotAcceptable, match=re.escape(refused)):
        tables.transformed_object(endpoint, entry, PARTIAL_LIST, asked(), NOW)
    refused = "you requested PartialObjectMetadata, but the requested object is a list (*core.SecretList)"
    with pytest.raises(NotAcceptable, match=re.escape(refused)):
        tables.transformed_list(endpoint, [entry], {}, PARTIAL, asked(), NOW)
