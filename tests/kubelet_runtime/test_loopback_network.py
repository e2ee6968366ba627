from __future__ import annotations

import pytest

from kubelet.network.address_pool import AddressPool
from kubelet.network.loopback import LoopbackNetwork, loopback_range
from kubelet.network.pod_network import NetworkFailure, PodAddress


@pytest.mark.parametrize(
    ("cidr", "mirrored"),
    [
        ("10.244.3.0/24", "127.244.3.0/24"),
        ("10.1.2.0/24", "127.129.2.0/24"),
        ("127.130.4.0/26", "127.130.4.0/26"),
    ],
)
def test_each_pod_range_has_its_part_of_the_loopback_range(cidr: str, mirrored: str) -> None:
    assert loopback_range(cidr) == mirrored


def test_addresses_rest_before_they_are_given_again() -> None:
    pool = AddressPool("10.0.0.0/29")
    assert [pool.take("a"), pool.take("b")] == ["10.0.0.2", "10.0.0.3"]
    pool.free("a")
    assert [pool.take("c"), pool.take("d"), pool.take("e")] == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    assert pool.take("f") == "10.0.0.2"
    with pytest.raises(NetworkFailure, match="no free address"):
        pool.take("g")


async def test_known_addresses_are_not_given_again() -> None:
    network = LoopbackNetwork()
    with pytest.raises(NetworkFailure):
        await network.add("early")
    await network.start("127.1.22.0/24", {"old": PodAddress("127.1.22.3")})
    assert [(await network.add(name)).ip for name in ("a", "b")] == ["127.1.22.4", "127.1.22.5"]
