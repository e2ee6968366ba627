"""Writing status: only when it changed, and again when someone else was faster."""

from __future__ import annotations

from typing import TypeVar, cast

from api.errors import Conflict, NotFound
from api.model import Model
from client.rest import HasMetadata, RestClient

M = TypeVar("M", bound=Model)


async def write_status(client: RestClient, obj: M, status: Model) -> M:
    """Give `obj` this status unless it has it.  Returns the object as it then is.

    A change of the object since it was read does not matter as long as it is the same object: status says which
    generation it speaks of.  When `obj` is gone it is returned unchanged.
    """
    if obj.status == status:  # type: ignore[attr-defined]
        return obj
    try:
        try:
            return await client.update(obj.model_copy(update={"status": status}), subresource="status")
        except Conflict:
            meta = cast(HasMetadata, obj).metadata
            live = await client.get(type(obj), meta.name, meta.namespace)
            if cast(HasMetadata, live).metadata.uid != meta.uid:
                return obj
            return await client.update(live.model_copy(update={"status": status}), subresource="status")
    except NotFound:
        return obj
