"""`nanokube apply`."""

from __future__ import annotations

import argparse

from client.cli.manifests import read_manifests
from client.cli.output import render_documents
from client.cli.session import Refusal, Session, parser_for, run_session

FIELD_MANAGER = "nanokube"


def run(arguments: list[str]) -> int:
    parser = parser_for(
        "apply",
        "Create objects, or change them to what the files say, by server-side apply: what the files "
        "do not mention stays as it is.",
    )
    parser.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE", help="a file, a folder or -"
    )
    parser.add_argument("-R", "--recursive", action="store_true", help="folders with their subfolders")
    parser.add_argument("--force-conflicts", action="store_true", help="take over fields that others manage")
    parser.add_argument("--dry-run", choices=("none", "server"), default="none", help="let the server check only")
    parser.add_argument("--field-manager", default=FIELD_MANAGER, metavar="NAME", help=f"who manages ({FIELD_MANAGER})")
    parser.add_argument("-o", "--output", default="", metavar="FORMAT", help="show the objects: json|yaml|name")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _apply(session, flags))


async def _apply(session: Session, flags: argparse.Namespace) -> int:
    params = {"fieldManager": flags.field_manager}
    if flags.force_conflicts:
        params["force"] = "true"
    if flags.dry_run == "server":
        params["dryRun"] = "All"
    for document in read_manifests(flags.filename, recursive=flags.recursive):
        kind = await session.kinds.of_object(document["apiVersion"], document["kind"])
        meta = document["metadata"]
        given = meta.get("namespace")
        if kind.namespaced and given and flags.namespace and given != flags.namespace:
            raise Refusal(f"{kind.qualified(meta['name'])} is for namespace {given!r}, not {flags.namespace!r}")
        path = kind.path(given or session.namespace, meta["name"])
        applied, code = await session.request(
            "PATCH", path, params=params, body=document, content_type="application/apply-patch+yaml"
        )
        if flags.output:
            print(render_documents([applied], kind, flags.output, single=True))
        else:
            done = "created" if code == 201 else "applied"
            print(f"{kind.qualified(meta['name'])} {done}{' (server dry run)' if flags.dry_run == 'server' else ''}")
    return 0
