"""Random documents of Kubernetes' messages, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.protobuf.encoding import EMBEDDED, META, RAW, RESOURCE
from tests.protobuf.published import Field, Message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
INTEGERS = {"int32": st.integers(-(2**31), 2**31 - 1), "int64": st.integers(-(2**63), 2**63 - 1)}
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "bool": st.booleans(),
    "bytes": st.sampled_from(["", "AA==", "bWU=", "/wAB"]),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    RESOURCE + "Quantity": st.sampled_from(["0", "100m", "1Gi", "2500", "12e6"]),
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": INTEGERS["int32"] | TEXT,
    META + "Time": st.sampled_from(["1969-12-31T23:59:59Z", "2026-01-02T03:04:05Z", "9999-12-31T23:59:59Z"]),
    META + "MicroTime": st.sampled_from(["1969-12-31T23:59:59.000001Z", "2026-01-02T03:04:05.678901Z"]),
    **INTEGERS,
    **{name: st.dictionaries(TEXT, st.integers(0, 9), max_size=2) for name in RAW},
}


class Documents:
    def __init__(self, messages: dict[str, Message]) -> None:
        self.messages = messages

    def of(self, name: str, depth: int = 9) -> st.SearchStrategy[dict[str, Any]]:
        """Documents of a message with a few of its fields; deeper than `depth` there is nothing more."""

        @st.composite
        def build(draw: st.DrawFn) -> dict[str, Any]:
            document: dict[str, Any] = {}
            for field in self._chosen(draw, name):
                if field.name in EMBEDDED and field.type in self.messages:
                    document.update(draw(self.of(field.type, depth)))
                elif depth:
                    document[{"uID": "uid"}.get(field.name, field.name)] = draw(self._value(name, field, depth))
            return document

        return build()

    def _chosen(self, draw: st.DrawFn, name: str) -> list[Field]:
        fields = list(self.messages[name])
        if len(fields) > 3:
            fields = draw(st.lists(st.sampled_from(fields), max_size=5, unique=True))
        return fields

    def _value(self, owner: str, field: Field, depth: int) -> st.SearchStrategy[Any]:
        if field.type.startswith(owner + "."):
            content = self.messages[field.type][1]
            return st.dictionaries(TEXT, self._one(content, depth), max_size=2)
        one = self._one(field, depth)
        return st.lists(one, max_size=2) if field.repeated else one

    def _one(self, field: Field, depth: int) -> st.SearchStrategy[Any]:
        if field.type in SCALARS:
            return SCALARS[field.type]
        if field.type.endswith(".ExtraValue"):
            return st.lists(TEXT, max_size=2)
        return self.of(field.type, depth - 1)
