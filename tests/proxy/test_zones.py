"""A proxy learns its zones when it needs them."""

from api.clock import SystemClock
from api.core_v1 import Node
from api.meta_v1 import ObjectMeta
from client.rest import RestClient
from proxy.zones import ZONE, OwnZones
from tests.client.api_double import api_double
from tests.client.waiting import eventually
from tests.proxy.objects import slice_of

HINTED = slice_of("web", {"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "east"}]}})


async def test_nodes_are_watched_once_an_endpoint_is_meant_for_a_zone() -> None:
    async with api_double() as server, RestClient(server.config) as client:
        await client.create(Node(metadata=ObjectMeta(name="n", labels={ZONE: "east"})))
        changes: list[None] = []
        zones = OwnZones(client, ["n"], SystemClock(), lambda: changes.append(None))
        try:
            assert zones.needed_by([slice_of("web", "10.0.0.1")]) == set()
            asked = len(server.requests)
            assert zones.needed_by([HINTED]) == set(), "not known yet"
            await eventually(lambda: changes)
            assert zones.needed_by([HINTED]) == {"east"}
            assert all("metadata.name%3Dn" in r or "metadata.name=n" in r for r in server.requests[asked:])
            await client.patch(Node, "n", "", {"metadata": {"labels": {ZONE: "west"}}})
            await eventually(lambda: zones.needed_by([HINTED]) == {"west"})
            await eventually(lambda: len(changes) == 2)
        finally:
            zones.stop()
