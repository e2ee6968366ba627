"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, to come back to.

A revision's data is a patch that `kubectl rollout undo` applies; its number says when it was last the newest: a
template that comes back gets the next number and no second revision.
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#revision-history
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.apps_v1 import ControllerRevision, DaemonSet, StatefulSet
from api.core_v1 import PodTemplateSpec
from api.errors import AlreadyExists, Forbidden, NotFound
from api.meta_v1 import ObjectMeta
from client.controller import controller_of
from client.rest import RestClient
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_template import controller_reference, template_hash

REVISION_LABEL = "controller-revision-hash"
"""On a pod: which revision it was made from."""
_LONGEST_PREFIX = 223

Owner = StatefulSet | DaemonSet


@dataclass(frozen=True)
class History:
    """The revisions of a workload sorted out: `newest` is of its present template, `old` the others by number.

    `duplicates` are others of the present template: somebody made them by hand.  `collisions` is the workload's
    status.collisionCount, raised for every name that was taken.
    """

    newest: ControllerRevision
    old: list[ControllerRevision]
    duplicates: list[ControllerRevision]
    collisions: int


async def present(
    client: RestClient, owner: Owner, revisions: Iterable[ControllerRevision], label: str
) -> History | None:
    """Sort out `revisions`, all that `owner` controls, making or renumbering the newest if need be.

    `label` is where a revision carries its hash.  `revisions` must show what this process wrote; what one made that was
    killed is found on the server by its name.  None: the namespace, which takes no new one, is ending.
    """
    patch = patch_of(owner.spec.template)
    ordered = by_number(revisions)
    same = [revision for revision in ordered if revision.data == patch]
    old = [revision for revision in ordered if revision.data != patch]
    number = max((revision.revision for revision in old), default=0) + 1
    collisions = owner.status.collisionCount or 0
    if not same:
        try:
            newest, collisions = await _create(client, owner, patch, number, label)
        except Forbidden as error:
            if namespace_is_ending(error):
                return None
            raise
    else:
        newest = same[-1]
        if newest.revision < number:
            meta = newest.metadata
            newest = await client.patch(ControllerRevision, meta.name, meta.namespace, {"revision": number})
    return History(newest, old, same[:-1], collisions)


async def _create(
    client: RestClient, owner: Owner, patch: dict[str, Any], number: int, label: str
) -> tuple[ControllerRevision, int]:
    """The new revision, and the count of collisions up to a name that was free."""
    collisions = owner.status.collisionCount or 0
    while True:
        mark = template_hash(owner.spec.template, collisions)
        meta = ObjectMeta(
            name=f"{owner.metadata.name[:_LONGEST_PREFIX]}-{mark}",
            namespace=owner.metadata.namespace,
            labels={**owner.spec.template.metadata.labels, label: mark},
            annotations=dict(owner.metadata.annotations),
            ownerReferences=[controller_reference(owner)],
        )
        try:
            return await client.create(ControllerRevision(metadata=meta, data=patch, revision=number)), collisions
        except AlreadyExists:
            known = await client.get(ControllerRevision, meta.name, meta.namespace)
        reference = controller_of(known.metadata)
        if known.data == patch and (reference is None or reference.uid == owner.metadata.uid):
            return known, collisions
        collisions += 1


async def truncate(client: RestClient, unused: Sequence[ControllerRevision], count: int, limit: int | None) -> None:
    """Delete the first of `unused`, in order, until of `count` revisions spec.revisionHistoryLimit remain."""
    if limit is not None and limit >= 0:
        for revision in unused[: max(count - limit, 0)]:
            await delete(client, revision)


async def delete(client: RestClient, revision: ControllerRevision) -> None:
    meta = revision.metadata
    try:
        await client.delete(ControllerRevision, meta.name, meta.namespace, uid=meta.uid)
    except NotFound:
        return


def is_known(owner: Owner, revisions: Iterable[ControllerRevision]) -> bool:
    """Whether the present template has a revision."""
    patch = patch_of(owner.spec.template)
    return any(revision.data == patch for revision in revisions)


def by_number(revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    """Oldest first."""
    return sorted(revisions, key=lambda r: (r.revision, str(r.metadata.creationTimestamp), r.metadata.name))


def patch_of(template: PodTemplateSpec) -> dict[str, Any]:
    """The strategic merge patch that puts this template in the place of another.  kubectl compares its bytes, so the
    members are in the order in which Go writes them."""
    patch = {"spec": {"template": {**template.to_dict(), "$patch": "replace"}}}
    ordered: dict[str, Any] = orjson.loads(orjson.dumps(patch, option=orjson.OPT_SORT_KEYS))
    return ordered


def template_of(revision: ControllerRevision) -> PodTemplateSpec:
    """What `patch_of` was made from."""
    template = dict((revision.data or {})["spec"]["template"])
    template.pop("$patch", None)
    return PodTemplateSpec.from_dict(template)
