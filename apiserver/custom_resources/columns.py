"""The table of a custom resource: `additionalPrinterColumns`, whose cells are found by JSONPath.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from api.apiextensions_v1 import CustomResourceColumnDefinition
from api.jsonpath import find
from apiserver.custom_resources.definition import Version
from apiserver.custom_resources.object import CustomObject
from apiserver.patch.json_value import go_text
from apiserver.registry.columns import NAME
from apiserver.registry.human_duration import since
from apiserver.registry.strategy import Column

_AGE = CustomResourceColumnDefinition(
    name="Age",
    type="date",
    jsonPath=".metadata.creationTimestamp",
    description="How long ago the server created the object.",
)


def columns(version: Version) -> tuple[Column[Any], ...]:
    """The columns a version's table has; name and age where its definition says nothing."""
    return (NAME, *(_column(version, each) for each in version.spec.additionalPrinterColumns or [_AGE]))


def _column(version: Version, column: CustomResourceColumnDefinition) -> Column[Any]:
    about = column.description or f"Custom resource definition column (in JSONPath format): {column.jsonPath}"
    return Column(column.name, _cell(version, column), column.type, column.format, about, column.priority)


def _cell(version: Version, column: CustomResourceColumnDefinition) -> Callable[[CustomObject, datetime], Any]:
    path, show = column.jsonPath, _CELLS[column.type]
    in_metadata = path.startswith(".metadata")

    def cell(obj: CustomObject, now: datetime) -> Any:
        document: dict[str, Any] = {"apiVersion": version.api_version, "kind": version.kind, **obj.members}
        if in_metadata:
            document["metadata"] = obj.to_dict()["metadata"]
        try:
            found = find(path, document, document)
        except ValueError:  # a path that cannot be read
            return None
        return show(found[0], now) if found else None

    return cell


def _string(value: Any, now: datetime) -> Any:
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return "<no value>" if value is None else go_text(value)


def _integer(value: Any, now: datetime) -> Any:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: Any, now: datetime) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any, now: datetime) -> Any:
    return value if isinstance(value, bool) else None


def _date(value: Any, now: datetime) -> Any:
    if not isinstance(value, str):
        return None
    if value in ("", "null"):
        return since(None, now)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return "<invalid>"
    return "<invalid>" if moment.tzinfo is None else since(moment.astimezone(UTC), now)


_CELLS: dict[str, Callable[[Any, datetime], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
}
