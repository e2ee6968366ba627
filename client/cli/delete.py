"""`nanokube delete`."""

from __future__ import annotations

import argparse
import asyncio
import sys

import orjson

from api.errors import NotFound
from client.cli.get import wanted
from client.cli.kinds import Kind
from client.cli.manifests import read_manifests
from client.cli.session import Refusal, Session, parser_for, run_session


def run(arguments: list[str]) -> int:
    parser = parser_for(
        "delete", "Delete objects by name, by label or as files name them, and wait until they are gone."
    )
    parser.add_argument("what", nargs="*", metavar="KIND[/NAME] [NAME]")
    parser.add_argument("-f", "--filename", action="append", default=[], metavar="FILE", help="a file, a folder or -")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="those with these labels")
    parser.add_argument("--all", action="store_true", help="all of the kind")
    parser.add_argument("--cascade", choices=("background", "foreground", "orphan"), default="background")
    parser.add_argument("--grace-period", type=int, default=None, metavar="S", help="seconds a pod has to end")
    parser.add_argument("--force", action="store_true", help="with --grace-period=0: do not wait for the node")
    parser.add_argument("--now", action="store_true", help="the same as --grace-period=1")
    parser.add_argument("--ignore-not-found", action="store_true", help="what is gone already is fine")
    parser.add_argument("--wait", type=lambda text: text.lower() != "false", default=True, metavar="true|false")
    parser.add_argument("--timeout", type=float, default=None, metavar="S", help="how long to wait")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _delete(session, flags))


async def _delete(session: Session, flags: argparse.Namespace) -> int:
    victims: list[tuple[Kind, str, str]] = []
    for document in read_manifests(flags.filename):
        kind = await session.kinds.of_object(document["apiVersion"], document["kind"])
        meta = document["metadata"]
        victims.append((kind, meta.get("namespace") or session.namespace, meta["name"]))
    if flags.what:
        for kind, names in await wanted(session, flags.what):
            if not names and not flags.all and not flags.selector:
                raise Refusal("which? give names, --selector or --all")
            if not names:
                names = [item["metadata"]["name"] for item in await session.list(kind, labels=flags.selector)]
            victims += [(kind, session.namespace, name) for name in names]
    elif not flags.filename:
        raise Refusal("what? give KIND NAME or --filename")

    code = 0
    gone: list[tuple[Kind, str, str, str]] = []
    for kind, namespace, name in victims:
        try:
            gone.append((kind, namespace, name, await _ask(session, flags, kind, namespace, name)))
        except NotFound as error:
            if not flags.ignore_not_found:
                print(f"Error from server (NotFound): {error.message}", file=sys.stderr)
                code = 1
            continue
        print(f'{kind.qualified(name).replace("/", " ", 1).replace(" ", " " + chr(34), 1)}" deleted')
    if flags.wait:
        try:
            async with asyncio.timeout(flags.timeout):
                for kind, namespace, name, uid in gone:
                    await _until_gone(session, kind, namespace, name, uid)
        except TimeoutError:
            raise Refusal(f"not everything was gone after {flags.timeout:g} s") from None
    return code


async def _ask(session: Session, flags: argparse.Namespace, kind: Kind, namespace: str, name: str) -> str:
    """Send the deletion; returns the uid of what is being deleted."""
    grace = 1 if flags.now else flags.grace_period
    if flags.force and grace is None:
        grace = 0
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": flags.cascade.capitalize(),
        **({} if grace is None else {"gracePeriodSeconds": grace}),
    }
    answer, _ = await session.request("DELETE", kind.path(namespace, name), body=options)
    uid = answer.get("metadata", {}).get("uid") or answer.get("details", {}).get("uid", "")
    return str(uid)


async def _until_gone(session: Session, kind: Kind, namespace: str, name: str, uid: str) -> None:
    """Return when the object is gone, or another has taken its name."""
    fields = f"metadata.name={name}"
    while True:
        listed, _ = await session.request("GET", kind.path(namespace), params={"fieldSelector": fields})
        if not any(uid in ("", item["metadata"]["uid"]) for item in listed["items"]):
            return
        version = listed["metadata"]["resourceVersion"]
        params = {"watch": "true", "fieldSelector": fields, "resourceVersion": version}
        async with session.client.stream("GET", kind.path(namespace), params=params) as response:
            async for line in response.aiter_lines():
                event = orjson.loads(line)
                if event["type"] == "DELETED":
                    return
                if event["type"] == "ERROR":
                    break
