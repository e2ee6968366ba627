"""Tables, descriptions and other forms in which objects are shown."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.cli import main
from client.cli.describe import describe, describe_events, short_age, title_of
from client.cli.exec import exec_url, exit_code
from client.cli.kinds import Kind
from client.cli.logs import seconds
from client.cli.manifests import parse, read_manifests
from client.cli.output import BadFormat, TableWriter, render_documents
from client.cli.rollout import progress, template_to_restore
from client.cli.session import Refusal, container_of, selector_of

PODS = Kind("v1", "pods", "Pod", True, frozenset({"pods", "po"}))
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def table(*rows: tuple[str, int, str]) -> dict[str, Any]:
    return {
        "columnDefinitions": [{"name": "Name"}, {"name": "Restarts"}, {"name": "Node", "priority": 1}],
        "rows": [{"cells": list(row), "object": {"metadata": {"namespace": "x"}}} for row in rows],
    }


def test_a_table_has_aligned_columns_and_wide_ones_only_when_asked() -> None:
    assert TableWriter().lines(table(("a", 1, "n"), ("longer", 20, "n"))) == [
        "NAME     RESTARTS",
        "a        1",
        "longer   20",
    ]
    assert TableWriter(wide=True, namespaces=True, kind=PODS).lines(table(("a", 1, "n"))) == [
        "NAMESPACE   NAME    RESTARTS   NODE",
        "x           pod/a   1          n",
    ]


def test_a_watched_table_names_its_columns_once() -> None:
    writer = TableWriter()
    writer.lines(table(("a", 1, "n")))
    later = {"rows": table(("b", 2, "n"))["rows"]}
    assert writer.lines(later) == ["b      2"]


def test_documents_are_shown_as_json_yaml_or_names() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    assert render_documents([pod], PODS, "name", single=True) == "pod/a"
    assert render_documents([pod], PODS, "yaml", single=True) == "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a"
    assert '"kind": "List"' in render_documents([pod], PODS, "json", single=False)
    assert render_documents([pod], None, "jsonpath={.items[0].kind}", single=False) == "Pod"
    with pytest.raises(BadFormat):
        render_documents([pod], PODS, "xml", single=True)


@pytest.mark.parametrize(
    ("ago", "text"),
    [(5, "5s"), (119, "119s"), (130, "2m10s"), (600, "10m"), (7300, "121m"), (4 * 3600, "4h"), (3 * 86400, "3d")],
)
def test_ages(ago: int, text: str) -> None:
    since = (NOW - timedelta(seconds=ago)).isoformat().replace("+00:00", "Z")
    assert short_age(NOW, since) == text


def test_a_description_shows_every_field_and_hides_secrets() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "x", "labels": {"a": "1", "b": "2"}, "uid": "u"},
        "data": {"password": "c2VjcmV0"},
        "immutable": True,
    }
    lines = describe(secret)
    assert lines[:4] == ["Name:         s", "Namespace:    x", "Labels:       a=1", "              b=2"]
    assert "Immutable:  true" in lines
    assert "  Password:  6 bytes" in lines
    assert "c2VjcmV0" not in "\n".join(lines)
    assert title_of("podIP") == "Pod IP"
    assert title_of("app.kubernetes.io/name") == "app.kubernetes.io/name"


def test_events_are_listed_oldest_first_with_counts() -> None:
    def event(seconds_ago: int, message: str, **more: Any) -> dict[str, Any]:
        time = (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": {}, "type": "Normal", "reason": "R", "lastTimestamp": time, "message": message, **more}

    first = (NOW - timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = describe_events([event(5, "new", count=3, firstTimestamp=first), event(30, "old")], NOW)
    assert [line.split()[-1] for line in lines[2:]] == ["old", "new"]
    assert "5s (x3 over 60s)" in lines[3]
    assert describe_events([], NOW) == ["Events:       <none>"]


def test_manifests_from_files_folders_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = "apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n"
    (tmp_path / "b.yaml").write_text(f"{one}---\n---\n{one.replace('one', 'two')}")
    (tmp_path / "a.json").write_text(
        '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}]}'
    )
    (tmp_path / "notes.txt").write_text("no manifest")
    assert [d["metadata"]["name"] for d in read_manifests([str(tmp_path)])] == ["p", "one", "two"]
    monkeypatch.setattr("sys.stdin", io.StringIO(one))
    assert [d["metadata"]["name"] for d in read_manifests(["-"])] == ["one"]


@pytest.mark.parametrize("text", ["a: [", "kind: Pod\nmetadata: {name: x}", "apiVersion: v1\nkind: Pod", "just words"])
def test_a_wrong_manifest_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        list(parse(text, "here"))


def deployment(**status: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "generation": 2, "uid": "d"},
        "spec": {"replicas": 3, "template": {"metadata": {}, "spec": {"n": 2}}},
        "status": {"observedGeneration": 2, **status},
    }


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"observedGeneration": 1}, "spec update to be observed"),
        ({"updatedReplicas": 1}, "1 out of 3 new replicas have been updated"),
        ({"updatedReplicas": 3, "replicas": 4}, "1 old replicas are pending termination"),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}, "2 of 3 updated replicas are available"),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, "successfully rolled out"),
    ],
)
def test_a_rollout_is_told_in_words(status: dict[str, int], text: str) -> None:
    words, done = progress(deployment(**status))
    assert text in words
    assert done == ("successfully" in text)


def replica_set(revision: int) -> dict[str, Any]:
    return {
        "metadata": {
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d", "controller": True}],
        },
        "spec": {"template": {"metadata": {"labels": {"pod-template-hash": "h"}}, "spec": {"n": revision}}},
    }


def test_undo_finds_the_template_of_the_revision_before_or_the_one_asked_for() -> None:
    history = [replica_set(3), replica_set(1), replica_set(2)]
    assert template_to_restore(deployment(), history, 1) == {"metadata": {"labels": {}}, "spec": {"n": 1}}
    back = template_to_restore(deployment(), history, 0)
    assert back is not None
    assert back["spec"] == {"n": 2}
    with pytest.raises(Refusal):
        template_to_restore(deployment(), history, 9)
    with pytest.raises(Refusal):
        template_to_restore(deployment(), history[:1], 0)


def test_exec_url_and_exit_codes() -> None:
    pod = {"metadata": {"namespace": "x", "name": "p"}}
    url = exec_url("https://h:1", pod, "c", ["ls", "-l"], stdin=True, terminal=True)
    assert url == (
        "wss://h:1/api/v1/namespaces/x/pods/p/exec?command=ls&command=-l&container=c&stdout=true&stdin=true&tty=true"
    )
    assert exit_code({"status": "Success"}) == 0
    failed = {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}
    assert exit_code(failed) == 7
    with pytest.raises(Refusal, match="no such file"):
        exit_code({"status": "Failure", "message": "no such file"})


def test_container_and_selector() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    assert container_of(pod, None) == "a"
    assert container_of(pod, "b") == "b"
    with pytest.raises(Refusal):
        container_of(pod, "c")
    rules = [
        {"key": "t", "operator": "In", "values": ["x", "y"]},
        {"key": "e", "operator": "Exists"},
        {"key": "n", "operator": "DoesNotExist"},
    ]
    owner = {"kind": "Deployment", "spec": {"selector": {"matchLabels": {"a": "1"}, "matchExpressions": rules}}}
    assert selector_of(owner) == "a=1,t in (x,y),e,!n"
    assert selector_of({"kind": "Service", "spec": {"selector": {"a": "1"}}}) == "a=1"


def test_durations() -> None:
    assert [seconds(text) for text in ("90s", "5m", "1h30m", "10ms")] == [90, 300, 5400, 1]
    with pytest.raises(ValueError):
        seconds("5 minutes")


def test_usage_and_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "rollout" in capsys.readouterr().out
    assert main(["fly"]) == 2
    assert main(["up", "--help"]) == 0
    assert main(["get"]) == 2
