"""Making and deleting the pods of a workload: several at once, with the events that people see."""

from __future__ import annotations

from collections.abc import Sequence

from api.core_v1 import Pod
from api.errors import Forbidden, NotFound
from api.model import Model
from client.controller import Key
from client.events import EventRecorder
from client.rest import RestClient
from controller_manager.expectations import Expectations
from controller_manager.slow_start import slow_start


class PodControl:
    """For controllers whose pods have names made up by the server.

    The caller writes down first, in `expectations`, what it is about to do; what fails is counted off here.
    """

    def __init__(self, client: RestClient, events: EventRecorder, expectations: Expectations) -> None:
        self._client, self._events, self._expectations = client, events, expectations

    async def create(self, key: Key, owner: Model, pods: Sequence[Pod]) -> Exception | None:
        """The first exception, if not all could be made: Forbidden among others (see `namespace_is_ending`)."""

        async def create(number: int) -> None:
            try:
                created = await self._client.create_quietly(pods[number])
            except Exception as error:
                if not namespace_is_ending(error):
                    self._events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
                raise
            self._events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {created.name}")

        done, error = await slow_start(len(pods), create)
        if error is not None:
            self._expectations.created(key, len(pods) - done)
        return error

    async def delete(self, key: Key, owner: Model, pods: Sequence[Pod]) -> Exception | None:
        """The first exception, if not all could be deleted.  Pods that are gone already are no failure."""

        untried = {*range(len(pods))}

        async def delete(number: int) -> None:
            untried.remove(number)
            meta = pods[number].metadata
            try:
                await self._client.delete(Pod, meta.name, meta.namespace, uid=meta.uid)
            except NotFound:
                self._expectations.deleted(key, meta.uid)
                return
            except Exception as error:
                self._expectations.deleted(key, meta.uid)
                self._events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
                raise
            self._events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")

        _, error = await slow_start(len(pods), delete)
        for number in untried:
            self._expectations.deleted(key, pods[number].metadata.uid)
        return error


def namespace_is_ending(error: BaseException) -> bool:
    """The namespace takes no new objects because it is being deleted: not worth another try."""
    causes = error.details.causes if isinstance(error, Forbidden) and error.details else []
    return any(cause.reason == "NamespaceTerminating" for cause in causes)
