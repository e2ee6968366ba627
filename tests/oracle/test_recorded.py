"""Conversations recorded from Kubernetes' own API server, held again with ours: every answer must be the same.

They are no part of the project; where their folder is not there, these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.apiserver.conftest import ApiServer
from tests.oracle.conversations import BEHIND, UNSERVED, load_tool, oracle_folder, recorded

_FOLDER = oracle_folder()
_PATHS = recorded(_FOLDER) if _FOLDER is not None else []
_RESOURCE = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[a-z0-9.]+)/(?P<version>\w+))/(?:namespaces/[^/]+/)?(?P<plural>[a-z]+)"
)
_WAIT = 60.0
"""Seconds for what does not come at once.  The recordings allow less, for a machine that nobody else uses."""

pytestmark = pytest.mark.skipif(not _PATHS, reason="NANOKUBE_ORACLE names no folder of conversations")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    assert _FOLDER is not None
    return load_tool(_FOLDER)


@pytest.fixture(scope="module")
def oracle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server of their own: they use fixed addresses and cluster-wide defaults."""
    running = ApiServer(tmp_path_factory.mktemp("oracle"), "--service-account-key-algorithm", "RSA-2048")
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def served(oracle_server: ApiServer) -> set[tuple[str, str, str]]:
    """Group, version and plural of everything that discovery names."""
    found = set()
    with oracle_server.client() as client:
        groups = client.get("/apis").json()["groups"]
        versions = ["v1", *(each["groupVersion"] for group in groups for each in group["versions"])]
        for each in versions:
            group, _, version = each.rpartition("/")
            listed = client.get(f"/apis/{each}" if group else f"/api/{each}").json()["resources"]
            found |= {(group, version, resource["name"]) for resource in listed}
    return found


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_answers_are_the_recorded_ones(
    path: Path, tool: ModuleType, oracle_server: ApiServer, served: set[tuple[str, str, str]]
) -> None:
    name = f"{path.parent.name}/{path.stem}"
    for beginning, why in UNSERVED.items():
        if name.startswith(beginning):
            pytest.skip(why)
    scenario = json.loads(path.read_text())
    missing = [] if path.parent.name == "machinery" else sorted(_created(scenario) - served)
    if missing:
        group, version, plural = missing[0]
        pytest.skip(f"{plural} of {group or 'the core group'} {version} are not served")
    for step in scenario["steps"]:
        if "wait" in step:
            step["wait"]["timeout"] = _WAIT
        if "watch" in step and "timeoutSeconds=" in step["path"]:
            step["watch"] = _WAIT  # the server ends it before
    connection = tool.Server(oracle_server.url)
    refused = _note_refused_preparations(connection)
    results = tool.replay(connection, scenario)
    wrong = [
        f"{step['method']} {step['path']} ({step.get('name', '')}): {found[0]}" for step, found in results if found
    ]
    passing, expected = len(results) - len(wrong), BEHIND.get(name, len(results))
    assert passing == expected, "\n".join(
        [f"{passing} of {len(results)} steps pass:", *wrong, "prepared in vain:", *refused, oracle_server.last_words()]
    )


def test_what_is_behind_is_recorded() -> None:
    assert set(BEHIND) <= {f"{path.parent.name}/{path.stem}" for path in _PATHS}


def _note_refused_preparations(connection: Any) -> list[str]:
    """The tool compares no answers to what only prepares a step: those that explain a failure are found here."""
    send, refused = connection.send, []

    def noting(step: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"status": 0, "body": "no answer"}
        try:
            answer = send(step)
        finally:
            if step.get("setup") and not 200 <= answer["status"] < 300:
                refused.append(f"{step['method']} {step['path']}: {answer['status']} {answer['body']}")
        return answer

    connection.send = noting
    return refused


def _created(scenario: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Group, version and plural of the built-in resources a conversation creates objects of."""
    found = set()
    for step in scenario["steps"]:
        match = _RESOURCE.match(step["path"]) if step["method"] == "POST" else None
        if match:
            found.add((match["group"] or "", match["core"] or match["version"], match["plural"]))
    return found
