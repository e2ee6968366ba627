"""`/scale`: the replica count of anything that has one, as an autoscaling/v1 Scale.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling-resources/scale-v1/
"""

from __future__ import annotations

from typing import Any

import orjson

from api.autoscaling_v1 import Scale as ScaleObject
from api.autoscaling_v1 import ScaleSpec, ScaleStatus
from api.errors import invalid, invalid_value
from api.meta_v1 import LabelSelector, ObjectMeta
from api.selectors import LabelMatcher
from apiserver.endpoint import Endpoint
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write, check_names, nameless
from apiserver.registry.strategy import Scale
from apiserver.storage.entry import Entry
from apiserver.stored import StoredObject

HEAD = {"kind": "Scale", "apiVersion": "autoscaling/v1"}


def scale_document(endpoint: Endpoint, part: Scale, entry: Entry) -> dict[str, Any]:
    """An object's scale as a client reads it."""
    return {**HEAD, **scale_of(part, orjson.loads(entry.body)).to_dict()}


def scale_of(part: Scale, document: dict[str, Any]) -> ScaleObject:
    metadata = document["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return ScaleObject(
        metadata=ObjectMeta.from_dict({k: metadata[k] for k in kept if k in metadata}),
        spec=ScaleSpec(replicas=_dig(document, part.replicas) or 0),
        status=ScaleStatus(
            replicas=_dig(document, part.status_replicas) or 0,
            selector=_selector_text(_dig(document, part.selector)),
        ),
    )


def _dig(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _selector_text(selector: Any) -> str:
    if not selector:
        return ""
    if "matchLabels" in selector or "matchExpressions" in selector:
        return str(LabelMatcher.from_model(LabelSelector.from_dict(selector)))
    return ",".join(f"{k}={v}" for k, v in sorted(selector.items()))


async def write_scale(write: Write, part: Scale, name: str, make: Any) -> Entry:
    """Change the replica count.  `make` makes the new Scale from the present one (as dictionaries).

    The object's own optimistic concurrency holds: a Scale with a resourceVersion conflicts when the object
    has changed since.
    """

    def transform(old: Any, stored: StoredObject | None) -> Any:
        assert stored is not None
        document = orjson.loads(stored.plain)
        changed: ScaleObject = make({**HEAD, **scale_of(part, document).to_dict()})
        if not changed.metadata.name:
            raise nameless(name)
        check_names(changed, write.namespace, name, write.endpoint.namespaced)
        if changed.spec.replicas < 0:
            problem = invalid_value("spec.replicas", changed.spec.replicas, "must be greater than or equal to 0")
            raise invalid("autoscaling", "Scale", name, [problem])
        holder: Any = document
        *path, last = part.replicas.split(".")
        for step in path:
            holder = holder.setdefault(step, {})
        holder[last] = changed.spec.replicas
        new = write.endpoint.model.from_dict(document)
        new.metadata.resourceVersion = changed.metadata.resourceVersion
        if changed.metadata.uid:
            new.metadata.uid = changed.metadata.uid
        return new

    entry, _ = await update_object(write, name, transform)
    return entry
