"""A collection whose objects go side by side, of which one may not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from api.errors import Forbidden
from api.meta_v1 import DeleteOptions
from apiserver.handlers import delete_collection


async def test_a_refusal_ends_it_and_cuts_off_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what comes after an object's end, such as giving back its addresses, would be left undone."""
    begun: list[str] = []
    ended: list[str] = []
    refused = asyncio.Event()

    async def delete(write: Any, name: str, options: DeleteOptions) -> None:
        begun.append(name)
        if name == "refused":
            refused.set()
            raise Forbidden("it stays")
        await refused.wait()
        ended.append(name)

    monkeypatch.setattr(delete_collection, "delete_object", delete)
    monkeypatch.setattr(delete_collection, "_AT_ONCE", 2)
    write: Any = SimpleNamespace(api=None, endpoint=None, user=None, options=None, warnings=[], audit_annotations={})
    entries: Any = [SimpleNamespace(namespace="n", name=name) for name in ("slow", "refused", "later")]
    with pytest.raises(Forbidden, match="it stays"):
        await delete_collection.delete_objects(write, entries, DeleteOptions())
    assert (begun, ended) == (["slow", "refused"], ["slow"])
