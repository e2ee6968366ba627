"""`nanokube describe`: one object in full, for people, with its events."""

from __future__ import annotations

import argparse
import base64
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from client.cli.get import wanted
from client.cli.kinds import Kind
from client.cli.output import TableWriter
from client.cli.session import Document, Session, parser_for, run_session

_HIDDEN = {"managedFields", "name", "namespace", "labels", "annotations", "uid", "resourceVersion", "generation"}
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def run(arguments: list[str]) -> int:
    parser = parser_for("describe", "Show objects in full, with their events.")
    parser.add_argument("what", nargs="+", metavar="KIND[/NAME] [NAME]")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only those with these labels")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _describe(session, flags))


async def _describe(session: Session, flags: argparse.Namespace) -> int:
    first = True
    for kind, names in await wanted(session, flags.what):
        objects = [await session.get(kind, name) for name in names]
        if not names:
            objects = await session.list(kind, labels=flags.selector)
        for document in objects:
            if not first:
                print("\n")
            first = False
            print("\n".join(describe(document)))
            print("\n".join(describe_events(await _events(session, kind, document), session.clock.now())))
    return 0


async def _events(session: Session, kind: Kind, document: Document) -> list[Document]:
    meta = document["metadata"]
    fields = [f"involvedObject.name={meta['name']}", f"involvedObject.kind={kind.kind}"]
    if kind.kind != "Node":  # nodes write about themselves under their name instead of their uid
        fields.append(f"involvedObject.uid={meta['uid']}")
    events = await session.kinds.find("events")
    return await session.list(events, meta.get("namespace", ""), fields=",".join(fields))


def describe(document: Document) -> list[str]:
    """All that an object says, one line each, nested by indentation."""
    meta = document["metadata"]
    lines = [_pair("Name", meta["name"])]
    if "namespace" in meta:
        lines.append(_pair("Namespace", meta["namespace"]))
    annotations = {key: value for key, value in meta.get("annotations", {}).items() if key != _LAST_APPLIED}
    for title, values, sign in (("Labels", meta.get("labels", {}), "="), ("Annotations", annotations, ": ")):
        shown = [f"{key}{sign}{value}" for key, value in sorted(values.items())] or ["<none>"]
        lines.append(_pair(title, shown[0]))
        lines += [" " * 14 + other for other in shown[1:]]
    lines += [_pair("API Version", document["apiVersion"]), _pair("Kind", document["kind"])]
    lines += ["Metadata:", *_fields({k: v for k, v in meta.items() if k not in _HIDDEN}, 1)]
    rest = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
    if document["kind"] == "Secret":
        rest["data"] = {key: f"{len(base64.b64decode(value))} bytes" for key, value in rest.get("data", {}).items()}
    return [*lines, *_fields(rest, 0)]


def describe_events(events: list[Document], now: datetime) -> list[str]:
    """The events as a table, oldest first."""
    if not events:
        return [_pair("Events", "<none>")]
    rows = []
    for event in sorted(events, key=_last_seen):
        age = short_age(now, _last_seen(event))
        count = event.get("count") or event.get("series", {}).get("count") or 1
        if count > 1:
            age += f" (x{count} over {short_age(now, event.get('firstTimestamp') or event.get('eventTime') or '')})"
        source = event.get("source", {}).get("component") or event.get("reportingComponent", "")
        rows.append({"cells": [event.get("type", ""), event.get("reason", ""), age, source, event.get("message", "")]})
    columns = [{"name": name} for name in ("Type", "Reason", "Age", "From", "Message")]
    lines = TableWriter().lines({"columnDefinitions": columns, "rows": rows})
    return ["Events:", *(f"  {line}" for line in lines)]


def _last_seen(event: Document) -> str:
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(seen or event["metadata"].get("creationTimestamp", ""))


def short_age(now: datetime, since: str) -> str:
    """How long ago a time was, in its largest two units: "5s", "2m10s", "3h", "4d"."""
    if not since:
        return "<unknown>"
    seconds = max(0, int((now - datetime.fromisoformat(since.replace("Z", "+00:00"))).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    return f"{hours}h" if days < 2 else f"{days}d"


def _fields(value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict):
        for key, inner in value.items():
            title = title_of(key)
            if isinstance(inner, dict | list) and inner:
                yield f"{indent}{title}:"
                yield from _fields(inner, depth + 1)
            else:
                text = "<none>" if inner in ({}, []) else _scalar(inner)
                yield from _multiline(f"{indent}{title}:  ", text, indent)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                lines = list(_fields(item, 0))
                yield f"{indent}- {lines[0]}" if lines else f"{indent}- <none>"
                yield from (f"{indent}  {line}" for line in lines[1:])
            else:
                yield from _multiline(f"{indent}- ", _scalar(item), indent)
    else:
        yield f"{indent}{_scalar(value)}"


def _multiline(head: str, text: str, indent: str) -> Iterator[str]:
    first, *others = text.split("\n")
    yield head + first
    yield from (f"{indent}    {line}" for line in others)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<none>" if value is None else str(value)


def title_of(key: str) -> str:
    """A field's name as a title: "podIP" → "Pod IP".  Keys that are no field names stay as they are."""
    if not re.fullmatch(r"[a-z][A-Za-z0-9]*", key):
        return key
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]", key)
    return " ".join(word[:1].upper() + word[1:] for word in words)


def _pair(title: str, value: str) -> str:
    return f"{title + ':':<14}{value}"
