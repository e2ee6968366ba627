"""Tells whether the server of an APIService can be reached: the Service, its endpoints, an answer to a request.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/#APIServiceStatus
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from api.apiregistration_v1 import APIService, APIServiceCondition
from api.core_v1 import Service
from api.errors import NotFound, StatusError
from apiserver.aggregation.identity import identity_headers
from apiserver.aggregation.remote import AGGREGATOR, Remote, exchange, named
from apiserver.dial_errors import dial_error
from apiserver.endpoint import API
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write
from apiserver.request import User
from apiserver.service_target import ServiceTarget, ports, ready_addresses, service_targets, slices
from apiserver.stored import StoredObject

_AVAILABLE = "Available"
_MANAGER = "kube-apiserver"
_PATIENCE = 5.0  # seconds for an answer
_ATTEMPTS = 5  # endpoints that are asked at once


@dataclass(frozen=True)
class Verdict:
    """What the condition Available is to say."""

    status: str
    reason: str
    message: str

    @property
    def is_failed_check(self) -> bool:
        """Whether asking again may help: nothing that is watched tells of it."""
        return self.reason == "FailedDiscoveryCheck"


LOCAL = Verdict("True", "Local", "Local APIServices are always available")
_PASSED = Verdict("True", "Passed", "all checks passed")


async def judge(api: API, remote: Remote, client: httpx.AsyncClient) -> Verdict:
    """Look at the Service and its endpoints, then ask.  `client` shows our certificate and checks none."""
    namespace, name = remote.service
    shown = f'service/{name} in "{namespace}"'
    services = api.endpoint_of(Service)
    entry = api.cache.get(services.key(namespace, name))
    if entry is None:
        return Verdict("False", "ServiceNotFound", f"{shown} is not present")
    spec: dict[str, Any] = entry.document["spec"]
    if spec.get("type") == "ClusterIP":
        port = next((each for each in spec.get("ports", ()) if each["port"] == remote.port), None)
        if port is None:
            return Verdict("False", "ServicePortError", f"{shown} is not listening on port {remote.port}")
        found = slices(api.cache, namespace, name)
        if not found:
            return Verdict("False", "EndpointsNotFound", f"cannot find endpointslices for {shown}")
        called = port.get("name", "")
        if not any(ports(each, called) and any(ready_addresses(each)) for each in found):
            message = f'endpointslices for {shown} have no addresses with port name "{called}"'
            return Verdict("False", "MissingEndpoints", message)
    try:
        targets = service_targets(api, namespace, name, remote.port)
    except StatusError as error:
        return Verdict("False", "FailedDiscoveryCheck", error.message)
    return await _first_answer(remote, client, api.random.sample(targets, min(len(targets), _ATTEMPTS)))


async def _first_answer(remote: Remote, client: httpx.AsyncClient, targets: list[ServiceTarget]) -> Verdict:
    """One endpoint that answers is enough; of others that do not, the last to fail says why."""
    problem = ""
    asking = [asyncio.create_task(_ask(remote, client, target)) for target in targets]
    try:
        for answered in asyncio.as_completed(asking):
            problem = await answered
            if not problem:
                return _PASSED
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return Verdict("False", "FailedDiscoveryCheck", problem)


async def _ask(remote: Remote, client: httpx.AsyncClient, target: ServiceTarget) -> str:
    """What is wrong with an endpoint; "" when it answers."""
    path = f"/api/{remote.spec['version']}" if remote.path == "/api" else remote.path
    url = f"https://{target.authority}{path}"
    request = httpx.Request("GET", url, headers=identity_headers(AGGREGATOR), extensions=named(target))
    problem = ""
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await exchange(client, request)
            await answer.aclose()
            if not answer.is_success:
                problem = f"bad status from {url}: {answer.status_code}"
    except TimeoutError:
        problem = f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except httpx.HTTPError as error:
        problem = f'Get "{url}": {dial_error(error, target.authority)}'
    return f"failing or missing response from {url}: {problem}" if problem else ""


async def write_condition(api: API, user: User, name: str, verdict: Verdict) -> None:
    """Put a verdict into an APIService's status, where it says something else.

    Raises Conflict when it has just changed, StatusError, StoreError.
    """

    def transform(old: APIService, stored: StoredObject | None) -> APIService:
        new = old.copy_deep()
        new.metadata.managedFields = []
        conditions = new.status.conditions
        now = api.clock.now().replace(microsecond=0)
        condition = next((each for each in conditions if each.type == _AVAILABLE), None)
        if condition is None:
            condition = APIServiceCondition(type=_AVAILABLE, status="")
            conditions.append(condition)
        if condition.status != verdict.status:
            condition.status, condition.lastTransitionTime = verdict.status, now
        condition.reason, condition.message = verdict.reason, verdict.message
        return new

    endpoint = api.endpoint_of(APIService)
    write = Write(api, endpoint, user, WriteOptions(manager=_MANAGER), "", [], "status")
    with suppress(NotFound):  # nobody needs to know it any more
        await update_object(write, name, transform)
