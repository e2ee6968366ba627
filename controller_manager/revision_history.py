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
from client.store import Store, key_of
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_template import controller_reference, template_hash

REVISION_LABEL = "controller-revision-hash"
"""On a pod: which revision it was made from."""
_LONGEST_PREFIX = 223
_PATIENCE = 10
"""Tries, with growing delays: some five seconds."""

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


class Newest:
    """The revision that was the newest of each workload, by its key, when it was last looked at.

    Until the local copy shows it, as it was written, the copy must not be decided by: the next revision would get a
    number that is taken, or a template that comes back none at all, which nobody would see to later.
    """

    def __init__(self, shown: Store[ControllerRevision]) -> None:
        self._shown = shown
        self._written: dict[str, ControllerRevision] = {}

    def note(self, key: str, revision: ControllerRevision) -> None:
        self._written[key] = revision

    def is_shown(self, key: str, tries: int = 0) -> bool:
        """After so many `tries` in vain the copy is believed: the revision was deleted while nobody watched."""
        written = self._written.get(key)
        if written is None or tries >= _PATIENCE:
            return True
        found = self._shown.get(key_of(written))
        return found is not None and int(found.metadata.resourceVersion) >= int(written.metadata.resourceVersion)

    def deleted(self, revision: ControllerRevision) -> None:
        """Somebody deleted a revision: it will not be shown any more."""
        uid = revision.metadata.uid
        self._written = {key: each for key, each in self._written.items() if each.metadata.uid != uid}

    def forget(self, key: str) -> None:
        self._written.pop(key, None)


async def present(
    client: RestClient, owner: Owner, revisions: Iterable[ControllerRevision], label: str
) -> History | None:
    """Sort out `revisions`, all that `owner` controls, making or renumbering the newest if need be.

    `label` is where a revision carries its hash.  What was made by somebody whose writes `Newest` does not know, one
    that was killed, is found on the server by its name.  None: the namespace, which takes no new one, is ending.
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
