"""`nanokube get`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import orjson

from client.cli.kinds import Kind
from client.cli.output import FORMATS, TABLE, BadFormat, TableWriter, render_documents
from client.cli.session import Refusal, Session, parser_for, run_session


def run(arguments: list[str]) -> int:
    parser = parser_for("get", "List objects, or show some by name.")
    parser.add_argument(
        "what", nargs="+", metavar="KIND[/NAME] [NAME]", help='as in "pods", "pods web", "svc/web", "all"'
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only those with these labels")
    parser.add_argument("--field-selector", default="", metavar="FIELDS", help="only those with these fields")
    parser.add_argument("-o", "--output", default="", metavar="FORMAT", help=FORMATS)
    parser.add_argument("-w", "--watch", action="store_true", help="go on and show changes")
    parser.add_argument("--no-headers", action="store_true", help="leave the first line out")
    parser.add_argument("--show-labels", action="store_true", help="add a column with the labels")
    parser.add_argument("--ignore-not-found", action="store_true", help="say nothing about what is not there")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _get(session, flags))


async def wanted(session: Session, words: list[str]) -> list[tuple[Kind, list[str]]]:
    """The kinds and names meant by "pods a b" or "pod/a svc/b".  Raises Refusal, NotFound."""
    if any("/" in word for word in words):
        found = []
        for word in words:
            kind, _, name = word.partition("/")
            if not name:
                raise Refusal(f"{word!r} has no name: either KIND/NAME everywhere or KIND NAME…")
            found.append((await session.kinds.find(kind), [name]))
        return found
    return [(kind, words[1:]) for kind in await session.kinds.find_all(words[0])]


async def _get(session: Session, flags: argparse.Namespace) -> int:
    if flags.all_namespaces:
        session.namespace = ""
    targets = await wanted(session, flags.what)
    try:
        if flags.output in ("", "wide"):
            return await _tables(session, flags, targets)
        return await _documents(session, flags, targets)
    except (BadFormat, ValueError) as error:
        raise Refusal(str(error)) from error


async def _documents(session: Session, flags: argparse.Namespace, targets: list[tuple[Kind, list[str]]]) -> int:
    documents: list[dict[str, Any]] = []
    for kind, names in targets:
        if names:
            documents += [await session.get(kind, name) for name in names]
        else:
            documents += await session.list(kind, labels=flags.selector, fields=flags.field_selector)
    single = sum(len(names) for _, names in targets) == 1
    text = render_documents(documents, targets[0][0] if len(targets) == 1 else None, flags.output, single=single)
    if text:
        end = "" if flags.output.startswith("jsonpath") else "\n"
        sys.stdout.write(text + end)
    return 0


async def _tables(session: Session, flags: argparse.Namespace, targets: list[tuple[Kind, list[str]]]) -> int:
    if flags.watch and len(targets) != 1:
        raise Refusal("only one kind can be watched")
    printed = False
    missing = False
    for kind, names in targets:
        writer = TableWriter(
            wide=flags.output == "wide",
            namespaces=flags.all_namespaces and kind.namespaced,
            kind=kind if len(targets) > 1 else None,
            headers=not flags.no_headers,
            labels=flags.show_labels,
        )
        version = ""
        for table in await _fetch(session, flags, kind, names):
            if "missing" in table:
                missing = True
                print(table["missing"], file=sys.stderr)
                continue
            version = table.get("metadata", {}).get("resourceVersion", "")
            if table.get("rows"):
                lines = writer.lines(table)
                print("\n".join([""] * (printed and len(targets) > 1 and not names) + lines))
                printed = True
        if flags.watch:
            await _watch(session, flags, kind, names, version, writer)
    if not printed and not missing and not flags.watch:
        where = f" in {session.namespace} namespace" if session.namespace and targets[0][0].namespaced else ""
        print(f"No resources found{where}.", file=sys.stderr)
    return 1 if missing and not flags.ignore_not_found else 0


async def _fetch(session: Session, flags: argparse.Namespace, kind: Kind, names: list[str]) -> list[dict[str, Any]]:
    from api.errors import NotFound

    if not names:
        params = {"labelSelector": flags.selector, "fieldSelector": flags.field_selector}
        return [(await session.request("GET", kind.path(session.namespace), params=params, accept=TABLE))[0]]
    tables: list[dict[str, Any]] = []
    for name in names:
        try:
            tables.append((await session.request("GET", kind.path(session.namespace, name), accept=TABLE))[0])
        except NotFound as error:
            if not flags.ignore_not_found:
                tables.append({"missing": f"Error from server (NotFound): {error.message}"})
    return tables


async def _watch(
    session: Session, flags: argparse.Namespace, kind: Kind, names: list[str], version: str, writer: TableWriter
) -> None:
    """Show rows as objects change, until the server ends the watch or the user interrupts."""
    from api.errors import from_answer, from_status

    fields = [flags.field_selector] if flags.field_selector else []
    fields += [f"metadata.name={names[0]}"] if names else []
    params = {
        "watch": "true",
        "resourceVersion": "" if names else version,
        "labelSelector": flags.selector,
        "fieldSelector": ",".join(fields),
    }
    skip_first = bool(names)  # started without a version: the object as it is comes again
    async with session.client.stream("GET", kind.path(session.namespace), params=params, accept=TABLE) as response:
        if response.status_code >= 400:
            raise from_answer(response.status_code, await response.aread())
        async for line in response.aiter_lines():
            event = orjson.loads(line)
            if event["type"] == "ERROR":
                raise from_status(event["object"])
            if event["type"] != "BOOKMARK" and not skip_first:
                print("\n".join(writer.lines(event["object"])), flush=True)
            skip_first = False
