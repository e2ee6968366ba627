"""schemathesis over the published documents: what it sends is answered, and the answers are what the documents say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.apiserver.conftest import ApiServer

CASES = {GenerationMode.POSITIVE: 130, GenerationMode.NEGATIVE: 30}  # in all: more kinds do not take more time
# Kubernetes' own documents say that a field is required which is left out when it is empty, and call JSON a string.
INEXACT = {
    "POST /apis/authentication.k8s.io/v1/tokenreviews",
    "GET /.well-known/openid-configuration/",
    "GET /openid/v1/jwks/",
}
TIMEOUT = 60.0


def operations(admin: httpx.Client, server: ApiServer) -> Iterator[Any]:
    """Of every group that is served; the deprecated paths that only watch are left out.

    Go writes a time, list or map that is not set as null, and a RawExtension that is no object, which no document
    says: here they do.
    """
    for group in admin.get("/openapi/v3").json()["paths"].values():
        document = admin.get(group["serverRelativeURL"]).json()
        for name, described in document["components"]["schemas"].items():
            described["nullable"] = name.endswith((".Time", ".MicroTime"))
            if name.endswith(".RawExtension"):
                described.pop("type", None)
            for member in described.get("properties", {}).values():
                if member.get("type") in ("array", "object"):
                    member["nullable"] = True
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=server.url)
        for found in schema.get_all_operations():
            operation = found.ok()
            if "/watch/" not in operation.path and not operation.path.endswith(("/exec", "/attach", "/portforward")):
                yield operation


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_documents_and_answers_agree(admin: httpx.Client, server: ApiServer, mode: GenerationMode) -> None:
    todo = list(operations(admin, server))
    todo = todo[:: max(1, len(todo) // CASES[mode])]
    examples = max(1, CASES[mode] // len(todo))
    certificates, failures, tried = str(server.folder / "data/pki/ca.crt"), [], 0
    for operation in todo:

        @hypothesis.settings(
            max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: schemathesis.Case) -> None:
            for endless in ("watch", "follow"):
                (case.query or {}).pop(endless, None)
            headers = {"Authorization": "Bearer admintoken"}
            response = case.call(headers=headers, verify=certificates, timeout=TIMEOUT)
            try:
                exact = [] if case.operation.label in INEXACT else [response_schema_conformance]
                case.validate_response(response, checks=[not_a_server_error, *exact])
            except (Failure, FailureGroup) as failure:
                failures.append(f"{case.operation.label}: {failure}")

        try:
            answers()
        except hypothesis.errors.Unsatisfiable:  # nothing that it takes can be wrong
            continue
        tried += 1
    assert tried > len(todo) // 2
    assert not failures, f"{len(failures)} answers are wrong:\n" + "\n".join(failures[:10])
