"""Extenders: HTTP services that filter, score, preempt or bind for the scheduler
(https://github.com/kubernetes/enhancements/tree/master/keps/sig-scheduling/1819-scheduler-extender).

Requests and answers are Go's JSON of k8s.io/kube-scheduler/extender/v1: fields carry their Go names in requests, and
any case in answers.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from scheduler.framework import Code, Status, unresolvable, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

if TYPE_CHECKING:
    from scheduler.configuration import ExtenderConfig
    from scheduler.plugins.default_preemption import Candidate

log = logging.getLogger(__name__)

NAME = "Extender"
"""Whom nodes' refusals are signed by."""
SCALE = 10
"""Extenders score from 0 to 10, plugins from 0 to 100."""


class ExtenderFailed(Exception):
    """An extender gave no usable answer."""


class Extender:
    """One extender.  Methods raise ExtenderFailed, unless the extender is `ignorable`: then it has no say."""

    def __init__(self, config: ExtenderConfig, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.config = config
        self._managed = frozenset(resource.name for resource in config.managedResources)
        self._url = config.urlPrefix.rstrip("/")
        self._client = httpx.AsyncClient(timeout=config.seconds, transport=transport, verify=_trust(config))

    async def close(self) -> None:
        await self._client.aclose()

    def is_interested(self, pod: PodInfo) -> bool:
        """Whether the pod concerns the extender, which may only be there for pods with certain resources."""
        if not self._managed:
            return True
        containers = [*pod.pod.spec.containers, *pod.pod.spec.initContainers]
        return any(
            not self._managed.isdisjoint(c.resources.requests) or not self._managed.isdisjoint(c.resources.limits)
            for c in containers
        )

    async def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> tuple[list[NodeInfo], dict[str, Status]]:
        """The nodes that the extender lets pass, and why not the others."""
        if not self.config.filterVerb:
            return list(nodes), {}
        try:
            answer = await self._call(self.config.filterVerb, self._args(pod, nodes))
            if error := answer.get("error"):
                raise ExtenderFailed(error)
        except ExtenderFailed as problem:
            if not self.config.ignorable:
                raise
            log.warning("extender %s has no say about %s: %s", self._url, pod.key, problem)
            return list(nodes), {}
        passed = self._passed(answer, nodes)
        refused = {name: unschedulable(why) for name, why in (answer.get("failednodes") or {}).items()}
        for name, why in (answer.get("failedandunresolvablenodes") or {}).items():
            refused[name] = unresolvable(why)
        return passed, {name: Status(s.code, s.reasons, NAME) for name, s in refused.items()}

    def _passed(self, answer: Mapping[str, Any], nodes: Sequence[NodeInfo]) -> list[NodeInfo]:
        by_name = {node.name: node for node in nodes}
        names = answer.get("nodenames")
        if not self.config.nodeCacheCapable or names is None:
            found = folded(answer.get("nodes") or {})
            names = [folded(folded(item)["metadata"])["name"] for item in found.get("items") or []]
        unknown = [name for name in names if name not in by_name]
        if unknown:
            why = f'claims a filtered node "{unknown[0]}" which is not found in the input node list'
            raise ExtenderFailed(f'extender "{self._url}" {why}')
        return [by_name[name] for name in names]

    async def prioritize(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> dict[str, int]:
        """Weighted scores by node name; none when the extender fails, since they are only wishes."""
        if not self.config.prioritizeVerb:
            return {}
        try:
            answer = await self._post(self.config.prioritizeVerb, self._args(pod, nodes))
            scores = [folded(entry) for entry in answer or []]
            return {entry["host"]: int(entry.get("score", 0)) * self.config.weight * SCALE for entry in scores}
        except (ExtenderFailed, KeyError, TypeError, ValueError) as problem:
            log.warning("extender %s scores nothing for %s: %s", self._url, pod.key, problem)
            return {}

    def binds(self, pod: PodInfo) -> bool:
        return bool(self.config.bindVerb) and self.is_interested(pod)

    async def bind(self, pod: PodInfo, node_name: str) -> Status | None:
        """Leave the binding to the extender."""
        body = {"PodName": pod.name, "PodNamespace": pod.namespace, "PodUID": pod.uid, "Node": node_name}
        try:
            answer = await self._call(self.config.bindVerb, body)
        except ExtenderFailed as problem:
            return Status(Code.ERROR, (str(problem),))
        return Status(Code.ERROR, (str(answer["error"]),)) if answer.get("error") else None

    def preempts(self, pod: PodInfo) -> bool:
        return bool(self.config.preemptVerb) and self.is_interested(pod)

    async def preempt(self, pod: PodInfo, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates that the extender agrees with, with the victims it wants."""
        from scheduler.plugins.default_preemption import Candidate, importance

        whole = not self.config.nodeCacheCapable
        victims = {
            c.node.name: {
                "Pods": [v.pod.to_dict() if whole else {"UID": v.uid} for v in c.victims],
                "NumPDBViolations": c.violations,
            }
            for c in candidates
        }
        body = {"Pod": pod.pod.to_dict(), "NodeNameToVictims": None, "NodeNameToMetaVictims": None}
        body["NodeNameToVictims" if whole else "NodeNameToMetaVictims"] = victims
        nodes = {c.node.name: c.node for c in candidates}
        try:
            answer = await self._call(self.config.preemptVerb, body)
            found = []
            for name, entry in (answer.get("nodenametometavictims") or {}).items():
                wanted, node = folded(entry), nodes[name]
                pods = [node.pods[folded(meta)["uid"]] for meta in wanted.get("pods") or []]
                violations = int(wanted.get("numpdbviolations") or 0)
                if pods:
                    found.append(Candidate(node, tuple(sorted(pods, key=importance)), violations))
            return found
        except KeyError as missing:
            problem = ExtenderFailed(f'extender "{self._url}" claims to preempt {missing} which is not known')
        except ExtenderFailed as failure:
            problem = failure
        if not self.config.ignorable:
            raise problem
        log.warning("extender %s has no say about making room for %s: %s", self._url, pod.key, problem)
        return list(candidates)

    # --- HTTP -----------------------------------------------------------------------------------------

    def _args(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> dict[str, Any]:
        if self.config.nodeCacheCapable:
            return {"Pod": pod.pod.to_dict(), "Nodes": None, "NodeNames": [node.name for node in nodes]}
        items = [node.node.to_dict() for node in nodes if node.node is not None]
        return {"Pod": pod.pod.to_dict(), "Nodes": {"metadata": {}, "items": items}, "NodeNames": None}

    async def _call(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._post(verb, body)
        if not isinstance(answer, dict):
            raise ExtenderFailed(f"{self._url}/{verb} answered with no object")
        return folded(answer)

    async def _post(self, verb: str, body: Mapping[str, Any]) -> Any:
        url = f"{self._url}/{verb.lstrip('/')}"
        try:
            response = await self._client.post(
                url, content=orjson.dumps(body), headers={"Content-Type": "application/json"}
            )
            if response.status_code != httpx.codes.OK:
                raise ExtenderFailed(f"failed {verb} with extender at URL {url}, code {response.status_code}")
            return orjson.loads(response.content)
        except httpx.HTTPError as error:
            raise ExtenderFailed(f"{url}: {error or type(error).__name__}") from error
        except orjson.JSONDecodeError as error:
            raise ExtenderFailed(f"{url}: {error}") from error


def folded(document: Mapping[str, Any]) -> dict[str, Any]:
    """An object with its keys in lower case: Go reads JSON without regard to it."""
    return {key.lower(): value for key, value in document.items()}


def _trust(config: ExtenderConfig) -> ssl.SSLContext | bool:
    """How to know the extender, and how it knows us.  Raises OSError for files that cannot be used."""
    tls = config.tlsConfig
    if tls is None:
        return not config.enableHTTPS or ssl.create_default_context()
    context = ssl.create_default_context(cafile=tls.caFile or None, cadata=_text(tls.caData))
    if tls.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if tls.certFile:
        context.load_cert_chain(tls.certFile, tls.keyFile or None)
    return context


def _text(data: str) -> str | None:
    from base64 import b64decode

    return b64decode(data).decode() if data else None
