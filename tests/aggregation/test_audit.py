"""What is recorded of requests that another server answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.aggregation.conftest import extended, local_server
from tests.cluster.support import until


def test_a_proxied_request_is_recorded_with_its_answers_status(tmp_path: Path) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    rules = [{"level": "RequestResponse", "resources": [{"group": "audited.example.com"}]}, {"level": "None"}]
    policy.write_text(yaml.safe_dump({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": rules}))
    flags = ("--audit-policy-file", str(policy), "--audit-log-path", str(log))
    with local_server(tmp_path, *flags) as server, server.client() as admin:
        assert admin.post("/api/v1/namespaces", json={"metadata": {"name": "away"}}).status_code == 201
        with extended(admin, tmp_path, "audited.example.com", "away") as extension:
            path = "/apis/audited.example.com/v1/namespaces/away/notes"
            body = {"apiVersion": "audited.example.com/v1", "kind": "Note", "metadata": {"name": "n"}}
            made = admin.post(path, json=body)
            missing = admin.get(f"{path}/other")
            with admin.stream("GET", path, params={"watch": "1"}) as watch:
                asked = [made, missing, watch]
            audit_ids = [answer.headers["audit-id"] for answer in asked]
            told = [headers for _, place, _, headers in extension.asked if place.startswith(path)]

        def recorded() -> list[dict[str, Any]]:
            whole = log.read_text().rpartition("\n")[0]  # the last line may still be on its way
            return [json.loads(line) for line in whole.splitlines()] if whole.count("ResponseComplete") >= 3 else []

        events = until(recorded)
    complete = {event["auditID"]: event for event in events if event["stage"] == "ResponseComplete"}
    assert [complete[each]["verb"] for each in audit_ids] == ["create", "get", "watch"]
    assert [complete[each]["responseStatus"]["code"] for each in audit_ids] == [201, 404, 200]
    assert all(event["objectRef"]["resource"] == "notes" for event in events)
    assert all({"requestObject", "responseObject"}.isdisjoint(event) for event in events), "that is the other's to tell"
    stages = [event["stage"] for event in events if event["auditID"] == audit_ids[2]]
    assert stages == ["RequestReceived", "ResponseStarted", "ResponseComplete"]
    sent = [{name.lower(): value for name, value in headers.items()}.get("audit-id") for headers in told]
    assert sent == audit_ids, "both servers' records of a request can be told to belong together"
