"""What the commands that talk to a cluster share: their flags, the connection, and how errors are told."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import orjson

from api.clock import Clock, SystemClock
from api.errors import StatusError, from_answer
from client.cli.kinds import Kind, Kinds
from client.cluster.data_dir import DataDir, default_data_dir
from client.config import ClientConfig, ConfigError, load_kubeconfig
from client.rest import RestClient, Unreachable

Document = dict[str, Any]


class Refusal(Exception):
    """The command cannot be carried out; the text is for the user."""


def parser_for(command: str, description: str, *, namespaced: bool = True) -> argparse.ArgumentParser:
    """A parser with the flags that every command has, named as kubectl's."""
    parser = argparse.ArgumentParser(prog=f"nanokube {command}", description=description)
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="the kubeconfig to use")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="use the kubeconfig of the cluster in this folder")
    parser.add_argument("--context", metavar="NAME", help="the kubeconfig's context to use")
    if namespaced:
        parser.add_argument("-n", "--namespace", metavar="NAME", help="the namespace to work in")
    return parser


def find_kubeconfig(kubeconfig: Path | None, data_dir: Path | None) -> Path | None:
    """--kubeconfig, --data-dir, $KUBECONFIG, the default cluster's, ~/.kube/config: the first that is there."""
    if kubeconfig is not None:
        return kubeconfig
    if data_dir is not None:
        return DataDir(data_dir).kubeconfig
    own = DataDir(default_data_dir()).kubeconfig
    return None if os.environ.get("KUBECONFIG") or not own.exists() else own


class Session:
    """A connection to one cluster, working with objects of any kind as plain JSON documents."""

    def __init__(self, client: RestClient, config: ClientConfig, namespace: str) -> None:
        self.client = client
        self.config = config
        self.namespace = namespace
        self.kinds = Kinds(self)
        self.clock: Clock = SystemClock()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[Document, int]:
        """The answer's document and its code.  Raises StatusError."""
        data = None if body is None else orjson.dumps(body)
        response: httpx.Response = await self.client.raw(
            method, path, params=params, body=data, content_type=content_type, accept=accept
        )
        if response.status_code >= 400:
            raise from_answer(response.status_code, response.content)
        for warning in response.headers.get_list("warning"):
            print(f"Warning: {warning.partition(' - ')[2].strip(chr(34))}", file=sys.stderr)
        return cast(Document, orjson.loads(response.content)), response.status_code

    async def get(self, kind: Kind, name: str, namespace: str | None = None, subresource: str = "") -> Document:
        path = kind.path(self.namespace if namespace is None else namespace, name, subresource)
        return (await self.request("GET", path))[0]

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Document]:
        """All objects of a namespace (all namespaces: ""); each with its kind, which lists leave out."""
        path = kind.path(self.namespace if namespace is None else namespace)
        params = {"labelSelector": labels, "fieldSelector": fields}
        document, _ = await self.request("GET", path, params=params)
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in document["items"]]


def run_session(flags: argparse.Namespace, work: Callable[[Session], Awaitable[int]]) -> int:
    """Connect as the flags say, do the work, and tell errors the way kubectl does; returns the exit code."""

    async def connected() -> int:
        config = load_kubeconfig(find_kubeconfig(flags.kubeconfig, flags.data_dir), flags.context)
        namespace = getattr(flags, "namespace", None) or config.namespace
        async with RestClient(config, user_agent="nanokube") as client:
            return await work(Session(client, config, namespace))

    try:
        return asyncio.run(connected())
    except StatusError as error:
        print(f"Error from server ({error.reason or error.http_code}): {error.message}", file=sys.stderr)
    except Unreachable as error:
        print(f"nanokube: the server does not answer: {error}", file=sys.stderr)
    except (Refusal, ConfigError) as error:
        print(f"nanokube: {error}", file=sys.stderr)
    return 1


def container_of(pod: Document, wanted: str | None) -> str:
    """The container to use: the one asked for, the pod's declared default, or the first.  Raises Refusal."""
    names = [c["name"] for part in ("containers", "initContainers") for c in pod["spec"].get(part, [])]
    name: str = wanted or pod["metadata"].get("annotations", {}).get(
        "kubectl.kubernetes.io/default-container", names[0]
    )
    if name not in names:
        raise Refusal(f"pod {pod['metadata']['name']} has no container {name!r}, only {', '.join(names)}")
    return name


async def pod_of(session: Session, target: str) -> Document:
    """The pod meant by "name", "pod/name" or, for what has pods, "deployment/name".  Raises Refusal."""
    word, _, name = target.rpartition("/")
    kind = await session.kinds.find(word or "pods")
    owner = await session.get(kind, name)
    if kind.kind == "Pod":
        return owner
    pods = await session.kinds.find("pods")
    found = await session.list(pods, labels=selector_of(owner))
    if not found:
        raise Refusal(f"{target} has no pods")
    return min(found, key=lambda pod: (pod.get("status", {}).get("phase") != "Running", pod["metadata"]["name"]))


def selector_of(owner: Document) -> str:
    """The label selector text of something that selects pods.  Raises Refusal."""
    selector = owner.get("spec", {}).get("selector") or {}
    if "matchLabels" in selector or "matchExpressions" in selector:
        terms = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
        for rule in selector.get("matchExpressions", []):
            values = f" ({','.join(rule.get('values', []))})"
            operator = {"In": " in", "NotIn": " notin", "Exists": "", "DoesNotExist": "!"}[rule["operator"]]
            terms.append(
                f"!{rule['key']}" if operator == "!" else f"{rule['key']}{operator}{values if operator else ''}"
            )
    else:
        terms = [f"{key}={value}" for key, value in selector.items()]
    if not terms:
        raise Refusal(f"{owner['kind'].lower()} {owner['metadata']['name']} selects no pods")
    return ",".join(terms)
