"""What stands under which number of a message: the schema form of the API types joined with the field numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from api.model import Model
from api.schema import Schema, schema_of
from apiserver.protobuf.field_numbers import Inlined, field_numbers


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    schema: Schema
    keeps_empty: bool
    """An empty value is written in JSON too: the field is a pointer in Go, or always present."""


Members = Mapping[int, "Member | Members"]
"""By field number; the members of an embedded struct in place of one."""


@cache
def members_of(model: type[Model]) -> Members:
    schema, declared = schema_of(model), {field.alias or name: field for name, field in model.model_fields.items()}

    def by_number(numbers: Mapping[int, str | Inlined]) -> Members:
        members: dict[int, Member | Members] = {}
        for number, name in numbers.items():
            if isinstance(name, Inlined):
                members[number] = by_number(name.numbers)
            elif name in declared:
                field = declared[name]
                members[number] = Member(name, schema.properties[name], field.default is None or field.is_required())
        return members

    return by_number(field_numbers(model))
