"""Writing status: only when it changed, and again when someone else was faster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from api.errors import Conflict, NotFound
from api.model import Model
from client.rest import HasMetadata, RestClient

M = TypeVar("M", bound=Model)


async def write_status(client: RestClient, obj: M, status: Model, *, of_others: Iterable[str] = ()) -> M:
    """Give `obj` this status unless it has it.  Returns the object as it then is.

    `of_others`: members of the status that the caller only passes on, and others may have written meanwhile.

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
            meanwhile = {name: getattr(live.status, name) for name in of_others}  # type: ignore[attr-defined]
            status = status.model_copy(update=meanwhile)
            return await client.update(live.model_copy(update={"status": status}), subresource="status")
    except NotFound:
        return obj
