"""An object of any kind with every field set is the same after it was read and written."""

from __future__ import annotations

import orjson
import pytest
import yaml

from api.scheme import RESOURCES, Resource
from apiserver.decoding import decode_request
from tests.openapi.published_objects import PublishedObjects


@pytest.fixture(scope="module")
def objects() -> PublishedObjects:
    return PublishedObjects()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.group_resource)
def test_a_whole_object_stays_whole(objects: PublishedObjects, resource: Resource) -> None:
    whole = objects.whole(resource)
    assert set(whole) == set(objects.schemas[objects.schema_of(resource)]["properties"])
    for body, media_type in (
        (orjson.dumps(whole), "application/json"),
        (yaml.dump(whole).encode(), "application/yaml"),
    ):
        decoded, warnings = decode_request(resource.model, body, media_type, "Strict")
        assert (decoded.to_dict(), warnings) == (whole, [])
    assert resource.model.from_dict(whole).to_dict() == whole
