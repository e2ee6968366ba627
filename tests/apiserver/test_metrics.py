"""Metrics have Kubernetes' names and labels."""

from __future__ import annotations

import re

import httpx

from tests.apiserver.conftest import Watch

SAMPLE = re.compile(r'[a-z_]+(\{([a-z_]+="(?:[^"\\]|\\.)*",?)*\})? [0-9.e+-]+')


def sample(admin: httpx.Client, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    found = 0.0
    for line in admin.get("/metrics").text.splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            found += float(line.rpartition(" ")[2])
    return found


def test_requests_are_counted_by_their_verbs(admin: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    created = {"verb": "POST", "resource": "configmaps", "scope": "resource", "code": "201", "version": "v1"}
    dry, listed = {**created, "dry_run": "All"}, {"verb": "LIST", "resource": "configmaps", "scope": "namespace"}
    before = [sample(admin, "apiserver_request_total", **labels) for labels in (created, dry, listed)]
    admin.post(path, params={"dryRun": "All"}, json={"metadata": {"name": "a"}})
    admin.post(path, json={"metadata": {"name": "a"}})
    admin.get(path)
    after = [sample(admin, "apiserver_request_total", **labels) for labels in (created, dry, listed)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1]
    assert sample(admin, "apiserver_request_duration_seconds_count", **listed) >= 1


def test_what_the_process_uses(admin: httpx.Client) -> None:
    lines = dict(line.split() for line in admin.get("/metrics").text.splitlines() if line.startswith("process_"))
    assert float(lines["process_cpu_seconds_total"]) > 0
    assert 10 << 20 < float(lines["process_resident_memory_bytes"]) < 4 << 30
    assert float(lines["process_start_time_seconds"]) > 1_600_000_000


def test_a_watch_is_a_long_running_request_and_its_events_count(admin: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    running = {"verb": "WATCH", "resource": "secrets", "scope": "namespace"}
    told = sample(admin, "apiserver_watch_events_total", resource="secrets")
    watch = Watch(admin, path)
    admin.post(path, json={"metadata": {"name": "a"}})
    assert watch.next()["type"] == "ADDED"
    assert sample(admin, "apiserver_longrunning_requests", **running) == 1
    assert sample(admin, "apiserver_watch_events_total", resource="secrets") == told + 1
    watch.close()


def test_what_comes_out_is_prometheus_text(admin: httpx.Client) -> None:
    admin.get('/api/v1/namespaces/x"y\\z/pods')
    answer = admin.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert [line for line in lines if not line.startswith("# TYPE ") and not SAMPLE.fullmatch(line)] == []
