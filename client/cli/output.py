"""How objects are shown: tables, JSON, YAML, names, JSONPath."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from client.cli.kinds import Kind

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
FORMATS = "json|yaml|wide|name|jsonpath=TEMPLATE"


class BadFormat(ValueError):
    """There is no such output format."""


def render_documents(documents: list[dict[str, Any]], kind: Kind | None, output: str, *, single: bool) -> str:
    """The documents in the format of `-o`.  Raises BadFormat; ValueError for a wrong JSONPath."""
    whole: dict[str, Any] = documents[0] if single else {"apiVersion": "v1", "kind": "List", "items": documents}
    if not single:
        whole["metadata"] = {"resourceVersion": ""}
    if output == "json":
        return json.dumps(whole, indent=4)
    if output == "yaml":
        from api.yaml_text import to_yaml  # takes a while to import

        return to_yaml(whole).rstrip("\n")
    if output == "name":
        return "\n".join(_qualified(document, kind) for document in documents)
    if output.startswith(("jsonpath=", "jsonpath-as-json=")):
        from api.jsonpath import evaluate

        return evaluate(output.partition("=")[2], whole)
    raise BadFormat(f"there is no output format {output!r}: choose one of {FORMATS}")


def _qualified(document: dict[str, Any], kind: Kind | None) -> str:
    name = document["metadata"]["name"]
    if kind is not None:
        return kind.qualified(name)
    group = document["apiVersion"].rpartition("/")[0]
    return f"{document['kind'].lower()}{'.' + group if group else ''}/{name}"


class TableWriter:
    """Lays out server-side tables (`meta.k8s.io/v1 Table`) as lines of columns."""

    def __init__(
        self, *, wide: bool = False, namespaces: bool = False, kind: Kind | None = None, headers: bool = True,
        labels: bool = False,
    ) -> None:  # fmt: skip
        self._wide = wide
        self._namespaces = namespaces
        self._kind = kind
        self._headers = headers
        self._labels = labels
        self._columns: list[dict[str, Any]] = []
        self._widths: list[int] = []

    def lines(self, table: dict[str, Any]) -> list[str]:
        """The table's lines; of a second table (a watch's) only the rows, under the first one's columns."""
        first = not self._columns
        self._columns = table.get("columnDefinitions") or self._columns
        shown = [i for i, column in enumerate(self._columns) if self._wide or not column.get("priority", 0)]
        rows = [self._row(row, shown) for row in table.get("rows") or []]
        if first and self._headers:
            head = [self._columns[i]["name"].upper() for i in shown]
            head = ["NAMESPACE", *head] if self._namespaces else head
            rows.insert(0, [*head, "LABELS"] if self._labels else head)
        return list(self._laid_out(rows))

    def _row(self, row: dict[str, Any], shown: list[int]) -> list[str]:
        meta = (row.get("object") or {}).get("metadata") or {}
        cells = [_cell(row["cells"][i]) for i in shown]
        if self._kind is not None:
            cells[0] = self._kind.qualified(cells[0])
        if self._namespaces:
            cells.insert(0, meta.get("namespace", ""))
        if self._labels:
            cells.append(",".join(f"{k}={v}" for k, v in sorted(meta.get("labels", {}).items())) or "<none>")
        return cells

    def _laid_out(self, rows: list[list[str]]) -> Iterable[str]:
        for row in rows:
            self._widths += [0] * (len(row) - len(self._widths))
            self._widths = [max(width, len(row[i]) if i < len(row) else 0) for i, width in enumerate(self._widths)]
        for row in rows:
            yield "   ".join(cell.ljust(width) for cell, width in zip(row, self._widths, strict=False)).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\n", " ") or ("" if value == "" else "0")
