"""Documents that the tests create, and what they look for in those they get back."""

from __future__ import annotations

from typing import Any

from tests.cluster.support import until
from tests.conformance.api import Api, Document, Space, resource

START_ERROR = "sim.nanokube.io/start-error"
RUN_SECONDS = "sim.nanokube.io/run-seconds"


def pod_spec(image: str = "one", **spec: Any) -> Document:
    container = {"name": "c", "image": image, **spec.pop("container", {})}
    return {"terminationGracePeriodSeconds": 1, "containers": [container], **spec}


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Document:
    annotations = spec.pop("annotations", {})
    return {"metadata": {"name": name, "labels": labels or {}, "annotations": annotations}, "spec": pod_spec(**spec)}


def template(app: str, image: str = "one", **spec: Any) -> Document:
    annotations = spec.pop("annotations", {})
    return {"metadata": {"labels": {"app": app}, "annotations": annotations}, "spec": pod_spec(image, **spec)}


def workload(name: str, replicas: int = 1, image: str = "one", app: str = "", **spec: Any) -> Document:
    """A Deployment or ReplicaSet, whose pods carry the label app."""
    app = app or name
    made = {"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": template(app, image)}
    return {"metadata": {"name": name, "labels": {"app": app}}, "spec": made | spec}


def condition(document: Document, type: str) -> Document | None:
    found: list[Document] = document.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == type), None)


def image_of(document: Document) -> str:
    """Of a pod, or of a workload's template."""
    spec = document["spec"].get("template", document)["spec"]
    return str(spec["containers"][0]["image"])


def is_ready(pod: Document) -> bool:
    ready = condition(pod, "Ready")
    return "deletionTimestamp" not in pod["metadata"] and ready is not None and ready["status"] == "True"


def ready_pods(space: Space, app: str, count: int) -> list[Document]:
    """The pods with the label, once there are just so many and all are ready."""

    def found() -> list[Document] | None:
        pods = space("pods").list(f"app={app}")
        return pods if len(pods) == count and all(map(is_ready, pods)) else None

    if count == 0:
        until(lambda: not space("pods").list(f"app={app}"), f"no pods of {app}")
        return []
    pods = until(found, f"{count} ready pods of {app}")
    assert pods is not None
    return pods


def heard_of(space: Space, app: str, count: int) -> None:
    """Wait until the controllers, which share what they hear of pods, know that so many with the label are ready:
    else they may act as if there were none.  A budget that asks for nothing tells."""
    budgets, name = space("poddisruptionbudgets"), f"heard-of-{app}"
    budgets.create({"metadata": {"name": name}, "spec": {"minAvailable": 0, "selector": {"matchLabels": {"app": app}}}})
    until(lambda: budgets.get(name)["status"].get("currentHealthy") == count, f"controllers have heard of {app}")
    budgets.delete(name)


def scheduled(space: Space, name: str) -> str:
    """The pod's node, once it has one."""
    return str(until(lambda: space("pods").get(name)["spec"].get("nodeName"), f"{name} has a node"))


def events(space: Space, name: str) -> set[tuple[str, str]]:
    """(reason, message) of the events about an object."""
    found = space("events").list(fields=f"involvedObject.name={name}")
    return {(each["reason"], each["message"]) for each in found}


def owners(document: Document) -> list[str]:
    return [each["uid"] for each in document["metadata"].get("ownerReferences", [])]


def check_discovery(api: Api, plural: str, *parts: str) -> None:
    """Discovery knows the resource and these parts of it."""
    found = resource(plural)
    if found.group:
        assert found.group in {each["name"] for each in api.send("GET", "/apis")["groups"]}
        versions = api.send("GET", f"/apis/{found.group}")["versions"]
        assert found.api_version in {each["groupVersion"] for each in versions}
    root = f"/apis/{found.api_version}" if found.group else f"/api/{found.api_version}"
    names = {each["name"] for each in api.send("GET", root)["resources"]}
    assert {found.plural, *(f"{found.plural}/{part}" for part in parts)} <= names


def check_operations(space: Space, plural: str, make: Any, *parts: str, replaces: bool = True) -> None:
    """What conformance asks of every resource: discovery, and to create, get, list, watch, patch, update, delete and
    delete several.  `make(name)` is an object."""
    check_discovery(space.api, plural, *parts)
    collection, selector = space(plural), f"special-label={space.name}"
    since = collection.listed()["metadata"]["resourceVersion"]

    def labelled(name: str) -> Document:
        document: Document = make(name)
        document["metadata"].setdefault("labels", {})["special-label"] = space.name
        return document

    names = [collection.create(labelled(f"{space.name}-{letter}"))["metadata"]["name"] for letter in "abc"]
    first = names[0]
    assert collection.get(first)["metadata"]["name"] == first
    assert collection.names(selector) == {*names}
    everywhere = Space(space.api, "")(plural)
    assert {*names} <= {each["metadata"]["name"] for each in everywhere.list(selector)}
    patched = collection.patch(first, {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    if replaces:
        collection.change(first, lambda each: each["metadata"]["annotations"].update(updated="true"))
        assert collection.get(first)["metadata"]["annotations"]["updated"] == "true"
    collection.seen(since, "ADDED", "ADDED", "ADDED", "MODIFIED", selector=selector)
    collection.delete(first)
    left = collection.find(first)
    assert left is None or "deletionTimestamp" in left["metadata"]
    collection.delete_all(selector)
    until(lambda: not collection.list(selector), "all are gone")
    collection.seen(since, "DELETED", "DELETED", "DELETED", selector=selector)
