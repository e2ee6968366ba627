"""`nanokube scale`."""

from __future__ import annotations

import argparse

from client.cli.get import wanted
from client.cli.session import Refusal, Session, parser_for, run_session


def run(arguments: list[str]) -> int:
    parser = parser_for("scale", "Set how many replicas there should be.")
    parser.add_argument("what", nargs="+", metavar="KIND/NAME")
    parser.add_argument("--replicas", type=int, required=True, metavar="N")
    parser.add_argument("--current-replicas", type=int, metavar="N", help="only if there are so many now")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _scale(session, flags))


async def _scale(session: Session, flags: argparse.Namespace) -> int:
    for kind, names in await wanted(session, flags.what):
        if not names:
            raise Refusal(f"which {kind.plural}? give names")
        for name in names:
            body: dict[str, object] = {"spec": {"replicas": flags.replicas}}
            if flags.current_replicas is not None:
                now = await session.get(kind, name, subresource="scale")
                if now["spec"].get("replicas", 0) != flags.current_replicas:
                    raise Refusal(f"{kind.qualified(name)} has {now['spec'].get('replicas', 0)} replicas now")
                body["metadata"] = {"resourceVersion": now["metadata"]["resourceVersion"]}
            path = kind.path(session.namespace, name, "scale")
            await session.request("PATCH", path, body=body, content_type="application/merge-patch+json")
            print(f"{kind.qualified(name)} scaled")
    return 0
