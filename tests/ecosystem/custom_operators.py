"""An operator on kopf for a kind of its own: run with `kopf run`, by the tests of kopf.

An Oven of the group that `KOPF_GROUP` names gets a ConfigMap of its settings, which is its own, and a status.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import kopf
import kubernetes

_OVENS = (os.environ.get("KOPF_GROUP", "example.com"), "v1", "ovens")


@contextlib.contextmanager
def once_more() -> Iterator[None]:
    """Handlers are called again when kopf has not heard in time of what it wrote itself: what is done stays done."""
    try:
        yield
    except kubernetes.client.ApiException as error:
        if error.status not in (404, 409):
            raise


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    kubernetes.config.load_kube_config()
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage()
    settings.persistence.finalizer = "example.com/cooled"
    settings.posting.enabled = False


@kopf.on.create(*_OVENS)
def built(spec: kopf.Spec, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    child = {"metadata": {"name": f"{name}-settings"}, "data": {"heat": str(spec["heat"])}}
    kopf.adopt(child)
    with once_more():
        kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, child)
    patch.status["phase"] = "Hot"


@kopf.on.update(*_OVENS, field="spec.heat")
def turned(name: str, namespace: str, new: int, patch: kopf.Patch, **_: Any) -> None:
    change = {"data": {"heat": str(new)}}
    kubernetes.client.CoreV1Api().patch_namespaced_config_map(f"{name}-settings", namespace, change)
    patch.status["phase"] = "Hotter"


@kopf.on.delete(*_OVENS)
def cooled(name: str, namespace: str, **_: Any) -> None:
    with once_more():
        kubernetes.client.CoreV1Api().delete_namespaced_config_map(f"{name}-settings", namespace)
