"""What was decided and what the watch shows: the answer to a write may come later than the news of it."""

from __future__ import annotations

from api.core_v1 import PersistentVolume
from api.resource_v1 import ResourceClaim
from scheduler.known import Assumable
from tests.scheduler.device_world import DeviceWorld, make_claim, make_class, make_slice, pod_with
from tests.scheduler.world import make_node


def version(number: int, name: str = "v") -> PersistentVolume:
    return PersistentVolume.from_dict({"metadata": {"name": name, "resourceVersion": str(number)}, "spec": {}})


def test_what_was_assumed_holds_until_a_later_version_is_seen() -> None:
    known: Assumable[PersistentVolume] = Assumable()
    read, decided, written = version(1), version(1), version(3)
    known.set("v", read)
    known.assume("v", decided)
    assert known.get("v") is decided
    known.assume("v", written)
    known.set("v", version(2))
    assert known.get("v") is written
    later = version(4)
    known.set("v", later)
    assert known.get("v") is later


def test_what_was_seen_later_than_the_write_stands() -> None:
    known: Assumable[PersistentVolume] = Assumable()
    later = version(4)
    known.set("v", later)
    known.assume("v", version(3))
    assert known.get("v") is later


def test_what_was_seen_to_go_does_not_come_back_with_the_answer() -> None:
    known: Assumable[PersistentVolume] = Assumable()
    known.set("v", version(1))
    known.remove("v", version(5))
    known.assume("v", version(3))
    assert known.get("v") is None
    new = version(6)
    known.assume("v", new)  # made again, and not seen yet
    assert known.get("v") is new


async def test_the_devices_of_a_claim_that_goes_before_its_writer_hears_of_it_are_free() -> None:
    class Overtaken(DeviceWorld):
        async def update_resource_claim(self, claim: ResourceClaim, subresource: str = "") -> ResourceClaim:
            written = await super().update_resource_claim(claim, subresource)
            if subresource and claim.metadata.name == "first":
                self.show()
                gone = self.api.pop("default/first").copy_deep()
                gone.metadata.resourceVersion = str(int(gone.metadata.resourceVersion) + 1)
                self.shown.pop("default/first")
                self.handle.devices.claim_seen(gone, None)
            return written

    world = Overtaken(make_node("a"))
    world.offer(make_class(), make_slice("s", "only", node="a"))
    world.claim(make_claim("first"))
    await world.schedule(pod_with("first"))
    world.claim(make_claim("second"))
    assert await world.schedule(pod_with("second")) == ["a"]
    assert world.devices_of("second") == ["only"]
