"""A small operator on kopf: run with `kopf run`, by the tests of kopf.

Every ConfigMap with the label `copy` gets a twin that is kept like it, and that goes with it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import kopf
import kubernetes

PROGRESS = {
    "annotations": kopf.AnnotationsProgressStorage(),
    "both": kopf.SmartProgressStorage(),  # kopf's own choice: in a status too, which a ConfigMap has not
}


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    kubernetes.config.load_kube_config()
    settings.persistence.progress_storage = PROGRESS[os.environ["KOPF_PROGRESS"]]
    settings.persistence.finalizer = "example.com/copied"
    settings.posting.level = 0


def maps() -> kubernetes.client.CoreV1Api:
    return kubernetes.client.CoreV1Api()


@contextlib.contextmanager
def once_more() -> Iterator[None]:
    """Handlers are called again when kopf has not heard in time of what it wrote itself: what is done stays done."""
    try:
        yield
    except kubernetes.client.ApiException as error:
        if error.status not in (404, 409):
            raise


@kopf.on.create("configmaps", labels={"copy": kopf.PRESENT}, retries=5)
def made(body: kopf.Body, name: str, namespace: str, retry: int, **_: Any) -> dict[str, int]:
    if retry == 0:
        raise kopf.TemporaryError("not at the first try", delay=0.1)
    twin = {"metadata": {"name": f"{name}-copy"}, "data": dict(body.get("data", {}))}
    kopf.label(twin, {"twin": name})
    with once_more():
        maps().create_namespaced_config_map(namespace, twin)
    kopf.event(body, type="Normal", reason="Copied", message=f"made {name}-copy")
    return {"tries": retry + 1}


@kopf.on.update("configmaps", labels={"copy": kopf.PRESENT}, field="data")
def changed(name: str, namespace: str, new: dict[str, str] | None, **_: Any) -> None:
    maps().patch_namespaced_config_map(f"{name}-copy", namespace, {"data": new})


@kopf.on.delete("configmaps", labels={"copy": kopf.PRESENT})
def gone(name: str, namespace: str, **_: Any) -> None:
    with once_more():
        maps().delete_namespaced_config_map(f"{name}-copy", namespace)


@kopf.on.event("apps", "v1", "deployments")
def seen(event: kopf.RawEvent, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    if event["type"] != "DELETED" and event["object"]["metadata"].get("labels", {}).get("seen") != "yes":
        patch.metadata.labels["seen"] = "yes"


@kopf.on.create("apps", "v1", "deployments")
def adopt(name: str, namespace: str, body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    child = {"metadata": {"name": f"{name}-settings"}, "data": {"of": name}}
    kopf.adopt(child, owner=body)
    with once_more():
        maps().create_namespaced_config_map(namespace, child)
    patch.status["replicas"] = 1
