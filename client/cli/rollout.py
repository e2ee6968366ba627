"""`nanokube rollout`: follow a deployment's change to its end, or take it back."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import orjson

from api.errors import from_status
from client.cli.kinds import Kind
from client.cli.session import Document, Refusal, Session, parser_for, run_session

REVISION = "deployment.kubernetes.io/revision"


def run(arguments: list[str]) -> int:
    parser = parser_for("rollout", "Follow or undo a change of a deployment.")
    parser.add_argument("verb", choices=("status", "undo"))
    parser.add_argument("what", nargs="+", metavar="deployment/NAME")
    parser.add_argument(
        "--to-revision", type=int, default=0, metavar="N", help="undo: back to this one (the one before)"
    )
    parser.add_argument("--timeout", type=float, default=None, metavar="S", help="status: how long to wait")
    parser.add_argument("--watch", type=lambda text: text.lower() != "false", default=True, metavar="true|false")
    flags = parser.parse_args(arguments)
    return run_session(flags, lambda session: _rollout(session, flags))


async def _rollout(session: Session, flags: argparse.Namespace) -> int:
    word, _, name = flags.what[0].partition("/")
    if not name and len(flags.what) == 2:
        name = flags.what[1]
    kind = await session.kinds.find(word)
    if kind.kind != "Deployment" or not name:
        raise Refusal("give deployment/NAME: only deployments are rolled out")
    if flags.verb == "undo":
        return await _undo(session, kind, name, flags.to_revision)
    try:
        async with asyncio.timeout(flags.timeout):
            return await _status(session, kind, name, flags.watch)
    except TimeoutError:
        raise Refusal(f"the rollout of {name} is not done after {flags.timeout:g} s") from None


async def _status(session: Session, kind: Kind, name: str, watch: bool) -> int:
    fields = f"metadata.name={name}"
    deployment = await session.get(kind, name)
    text, done = progress(deployment)
    print(text, flush=True)
    while not done and watch:
        version = deployment["metadata"]["resourceVersion"]
        params = {"watch": "true", "fieldSelector": fields, "resourceVersion": version}
        async with session.client.stream("GET", kind.path(session.namespace), params=params) as response:
            async for line in response.aiter_lines():
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise from_status(event["object"])
                if event["type"] == "DELETED":
                    raise Refusal(f"deployment {name} was deleted")
                deployment = event["object"]
                before = text
                text, done = progress(deployment)
                if text != before:
                    print(text, flush=True)
                if done:
                    break
    return 0


def progress(deployment: Document) -> tuple[str, bool]:
    """Where a rollout is, in words, and whether it is done.  Raises Refusal when it ran over its deadline."""
    name = deployment["metadata"]["name"]
    status: dict[str, Any] = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return f'Waiting for deployment "{name}" spec update to be observed...', False
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise Refusal(f'deployment "{name}" exceeded its progress deadline')
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new replicas have been updated...", False
    old = status.get("replicas", 0) - updated
    if old > 0:
        return f"{waiting}{old} old replicas are pending termination...", False
    if status.get("availableReplicas", 0) < updated:
        return f"{waiting}{status.get('availableReplicas', 0)} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


async def _undo(session: Session, kind: Kind, name: str, to_revision: int) -> int:
    deployment = await session.get(kind, name)
    if deployment["spec"].get("paused"):
        raise Refusal(f"deployment {name} is paused: resume it first")
    replica_sets = await session.list(await session.kinds.find("replicasets.apps"))
    template = template_to_restore(deployment, replica_sets, to_revision)
    if template is None:
        print(f"{kind.qualified(name)} skipped rollback (it has this template already)")
        return 0
    body = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": deployment["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/spec/template", "value": template},
    ]
    path = kind.path(session.namespace, name)
    await session.request("PATCH", path, body=body, content_type="application/json-patch+json")
    print(f"{kind.qualified(name)} rolled back")
    return 0


def template_to_restore(deployment: Document, replica_sets: list[Document], to_revision: int) -> Document | None:
    """The pod template of a revision (0: the one before the current); None when it is the current one.

    Raises Refusal when there is no such revision.
    """
    uid = deployment["metadata"]["uid"]
    history = {
        int(owned["metadata"].get("annotations", {}).get(REVISION, "0")): owned
        for owned in replica_sets
        if any(
            owner["uid"] == uid and owner.get("controller") for owner in owned["metadata"].get("ownerReferences", [])
        )
    }
    revisions = sorted(history)
    if to_revision == 0:
        if len(revisions) < 2:
            raise Refusal(f"deployment {deployment['metadata']['name']} has no revision before this one")
        to_revision = revisions[-2]
    if to_revision not in history:
        raise Refusal(f"deployment {deployment['metadata']['name']} has no revision {to_revision}")
    template: Document = orjson.loads(orjson.dumps(history[to_revision]["spec"]["template"]))
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    return None if template == deployment["spec"]["template"] else template
