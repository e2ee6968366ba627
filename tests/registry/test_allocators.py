"""Addresses and node ports: who gets which, and that none is given twice."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.registry.ip_allocator import AllocationError, IPAllocator, static_band
from apiserver.registry.port_allocator import PortAllocator

ip = ipaddress.ip_address


def allocator(network: str) -> IPAllocator:
    return IPAllocator(ipaddress.ip_network(network))


def test_every_address_but_the_networks_own_is_given_once() -> None:
    found = allocator("10.0.0.0/28")
    given_out = {found.allocate_next() for _ in range(14)}
    assert given_out == set(ipaddress.ip_network("10.0.0.0/28").hosts())
    with pytest.raises(AllocationError, match="range is full"):
        found.allocate_next()


def test_a_released_address_is_free_again() -> None:
    found = allocator("10.0.0.0/30")
    first, second = found.allocate_next(), found.allocate_next()
    found.release(first)
    assert first not in found
    assert second in found
    assert found.allocate_next() == first


def test_chosen_addresses_are_taken_or_refused() -> None:
    found = allocator("10.96.0.0/16")
    found.allocate(ip("10.96.0.10"))
    with pytest.raises(AllocationError, match="provided IP is already allocated"):
        found.allocate(ip("10.96.0.10"))
    for outside in ("10.97.0.1", "10.96.0.0", "10.96.255.255", "fd00::1"):
        with pytest.raises(AllocationError, match="does not match the current range"):
            found.allocate(ip(outside))


def test_the_lower_band_is_left_to_those_who_choose() -> None:
    """KEP-3070: of a /24 the first sixteen."""
    found = allocator("10.0.0.0/24")
    upper = {found.allocate_next() for _ in range(254 - 16)}
    assert min(upper) == ip("10.0.0.17")
    assert found.allocate_next() < ip("10.0.0.17")  # only when nothing else is left


@pytest.mark.parametrize(("size", "band"), [(6, 0), (14, 0), (254, 16), (4094, 255), (65534, 256)])
def test_the_band_grows_with_the_range(size: int, band: int) -> None:
    assert static_band(size, 16, 256) == band


def test_loopback_ranges_serve_as_well() -> None:
    assert allocator("127.64.0.0/16").allocate_next() in ipaddress.ip_network("127.64.0.0/16")


def test_ipv6_ranges() -> None:
    found = allocator("fd00:10::/112")
    assert found.allocate_next().version == 6
    assert found.free == 2**16 - 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 13)), max_size=40))
def test_never_twice(steps: list[int | None]) -> None:
    """Whatever is allocated and released, what is handed out was free."""
    found = allocator("10.0.0.0/28")
    held: list[object] = []
    for step in steps:
        if step is None or step >= len(held):
            try:
                address = found.allocate_next()
            except AllocationError:
                assert len(held) == 14
                continue
            assert address not in held
            held.append(address)
        else:
            found.release(held.pop(step))  # type: ignore[arg-type]
    assert len(found) == len(held)


def test_ports_come_from_the_upper_band_first() -> None:
    """KEP-3668: of 2768 ports the first 86."""
    ports = PortAllocator(range(30000, 32768))
    assert all(ports.allocate_next() >= 30086 for _ in range(100))


def test_chosen_ports_are_taken_or_refused() -> None:
    ports = PortAllocator(range(30000, 32768))
    ports.allocate(30080)
    with pytest.raises(AllocationError, match="provided port is already allocated"):
        ports.allocate(30080)
    with pytest.raises(AllocationError, match="The range of valid ports is 30000-32767"):
        ports.allocate(80)
    ports.release(30080)
    ports.allocate(30080)


def test_ports_run_out() -> None:
    ports = PortAllocator(range(30000, 30003))
    assert {ports.allocate_next() for _ in range(3)} == {30000, 30001, 30002}
    with pytest.raises(AllocationError, match="range is full"):
        ports.allocate_next()
