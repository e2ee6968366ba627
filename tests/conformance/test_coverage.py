"""Every conformance test of Kubernetes that concerns a controller or the scheduler is named by a test of ours.

Kubernetes' list (test/conformance/testdata/conformance.yaml) is no part of the project; where it is not at hand, this
test is skipped.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent

CONCERN_A_CONTROLLER = (
    r"\[sig-apps\] ",
    r"\[sig-scheduling\] ",
    r"\[sig-api-machinery\] (Garbage collector|Namespaces|OrderedNamespaceDeletion|ResourceQuota) ",
    r"\[sig-auth\] ",
    r"\[sig-network\] (API Server|EndpointSlice|EndpointSliceMirroring|Endpoints|EndpointsController|HostPort) ",
    r"\[sig-network\] (Service endpoints latency|ServiceCIDR and IPAddress API) ",
    r"\[sig-network\] Services should (?!.*session affinity)",  # which is the proxy's
    r"\[sig-node\] (Node Lifecycle|NoExecuteTaintManager|Pods Extended|RuntimeClass) ",
    r"\[sig-node\] (Lease|PodTemplates|\[DRA\] CRUD Tests) ",
    r"\[sig-storage\] (CSI\w+|PersistentVolumes|StorageClasses|VolumeAttachment|VolumeAttributesClass) ",
    r"\[sig-instrumentation\] Events ",
)


def conformance_list() -> Path | None:
    """`NANOKUBE_CONFORMANCE`, or `shared/kubernetes-*/conformance.yaml` beside one of this checkout's parents."""
    named = os.environ.get("NANOKUBE_CONFORMANCE")
    beside = (file for parent in ROOT.parents for file in parent.glob("shared/kubernetes-*/conformance.yaml"))
    return Path(named) if named else next(beside, None)


def bare(name: str) -> str:
    """Without the tags in brackets, on one line."""
    return " ".join(re.sub(r"\[[^\]]*\]", "", name).split())


def docstrings() -> Iterator[str]:
    """Those of all tests."""
    for file in ROOT.glob("tests/**/test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield bare(ast.get_docstring(node) or "")


def test_every_conformance_test_of_controllers_is_named() -> None:
    where = conformance_list()
    if where is None:
        pytest.skip("NANOKUBE_CONFORMANCE names no list of conformance tests")
    codenames = [" ".join(each["codename"].split()) for each in yaml.safe_load(where.read_text())]
    ours = [name for name in codenames if any(re.match(pattern, name) for pattern in CONCERN_A_CONTROLLER)]
    unused = [pattern for pattern in CONCERN_A_CONTROLLER if not any(re.match(pattern, name) for name in ours)]
    assert unused == []
    assert len(ours) > 120
    named = "\n".join(docstrings())
    assert [name for name in ours if bare(name) not in named] == []
