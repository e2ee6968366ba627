"""ConfigMaps and Secrets for the pods of this node, and for no others.

What a volume shows is watched, object by object, as long as a pod mounts it, so that changes appear in the
pod; what only goes into an environment is read when a container is made.  A node may read nothing else
(https://kubernetes.io/docs/reference/access-authn-authz/node/).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from api.clock import Clock
from api.core_v1 import ConfigMap, Pod, Secret
from api.errors import NotFound, StatusError
from client.informer import Informer
from client.rest import RestClient

Reference = tuple[type[ConfigMap] | type[Secret], str, str]
"""Kind, namespace, name."""

_PATIENCE = 10.0


@dataclass(slots=True)
class _Followed:
    informer: Informer[Any]
    task: asyncio.Task[None]
    followers: set[str] = field(default_factory=set)


class WatchedConfiguration:
    """`on_change(uid)` is called for each pod that mounts an object that changed."""

    def __init__(self, client: RestClient, clock: Clock, on_change: Callable[[str], None]) -> None:
        self._client, self._clock, self._on_change = client, clock, on_change
        self._followed: dict[Reference, _Followed] = {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        """Raises NotFound."""
        found: ConfigMap = await self._get((ConfigMap, namespace, name))
        return found

    async def secret(self, namespace: str, name: str) -> Secret:
        """Raises NotFound."""
        found: Secret = await self._get((Secret, namespace, name))
        return found

    def follow(self, pod: Pod) -> None:
        """Watch what the pod's volumes show.  May be called again."""
        for reference in references(pod):
            followed = self._followed.get(reference)
            if followed is None:
                followed = self._followed[reference] = self._begin(reference)
            followed.followers.add(pod.metadata.uid)

    def unfollow(self, uid: str) -> None:
        """The pod is over."""
        for reference, followed in [*self._followed.items()]:
            followed.followers.discard(uid)
            if not followed.followers:
                followed.task.cancel()
                del self._followed[reference]

    def stop(self) -> None:
        for followed in self._followed.values():
            followed.task.cancel()
        self._followed.clear()

    def _begin(self, reference: Reference) -> _Followed:
        model, namespace, name = reference
        informer: Informer[Any] = Informer(
            self._client, model, namespace, field_selector=f"metadata.name={name}", clock=self._clock
        )
        followed = _Followed(informer, asyncio.create_task(informer.run(), name=f"watch of {model.__name__} {name}"))

        def changed(old: Any, new: Any) -> None:
            if informer.has_synced:
                for uid in followed.followers:
                    self._on_change(uid)

        informer.on_change(changed)
        return followed

    async def _get(self, reference: Reference) -> Any:
        model, namespace, name = reference
        followed = self._followed.get(reference)
        try:
            if followed is None:
                return await self._client.get(model, name, namespace)
            async with asyncio.timeout(_PATIENCE):
                await followed.informer.synced()
        except NotFound:
            pass
        except TimeoutError as error:
            raise StatusError(f"failed to sync {model.__name__.lower()} cache: timed out") from error
        else:
            found = followed.informer.store.get(f"{namespace}/{name}")
            if found is not None:
                return found
        raise NotFound(f'{model.__name__.lower()} "{name}" not found')


def references(pod: Pod) -> Iterable[Reference]:
    """What the pod's volumes show."""
    namespace = pod.metadata.namespace
    for volume in pod.spec.volumes:
        if volume.configMap is not None:
            yield ConfigMap, namespace, volume.configMap.name or ""
        if volume.secret is not None:
            yield Secret, namespace, volume.secret.secretName
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.configMap is not None:
                yield ConfigMap, namespace, source.configMap.name
            if source.secret is not None:
                yield Secret, namespace, source.secret.name
