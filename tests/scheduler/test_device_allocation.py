"""The search for devices: what is found on a node, and what not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource_v1 import AllocationResult, DeviceClass, ResourceClaim, ResourceSlice
from scheduler.devices.allocated import Allocated
from scheduler.devices.allocator import Search
from scheduler.devices.errors import AllocationError, OnlyThisNode
from scheduler.devices.pools import Pools
from scheduler.devices.requests import Asked
from scheduler.devices.results import allocations
from scheduler.node_info import NodeInfo
from tests.scheduler.device_world import DRIVER, exactly, make_claim, make_class, make_slice, one_of
from tests.scheduler.world import make_node


def node_info(name: str = "n", **labels: str) -> NodeInfo:
    info = NodeInfo(name)
    info.set_node(make_node(name, labels=labels))
    return info


def allocate(
    slices: Sequence[ResourceSlice],
    *claims: ResourceClaim,
    in_use: Sequence[ResourceClaim] = (),
    node: NodeInfo | None = None,
    classes: Sequence[DeviceClass] = (),
) -> list[AllocationResult] | None:
    pools, allocated = Pools(), Allocated()
    for each in slices:
        pools.set(each)
    for claim in in_use:
        allocated.add(claim)
    known = {each.metadata.name: each for each in classes or (make_class(),)}
    where = node or node_info()
    solution = Search(where, pools.of(where), allocated, known, Asked(claims)).run()
    return None if solution is None else allocations(solution, known, where.name)


def found(result: list[AllocationResult] | None) -> list[list[str]] | None:
    """The names of the devices for each claim."""
    return None if result is None else [[each.device for each in one.devices.results] for one in result]


def holding(*results: Mapping[str, Any], pool: str = "n") -> ResourceClaim:
    """A claim that has devices of a pool."""
    claim = make_claim("other")
    claim.status.allocation = AllocationResult.from_dict(
        {"devices": {"results": [{"request": "r", "driver": DRIVER, "pool": pool, **each} for each in results]}}
    )
    return claim


def attributes(**of: Any) -> dict[str, Any]:
    """Attributes in the API's form, by the types of their values."""
    kinds = {bool: "bool", int: "int", str: "string"}
    return {name: {kinds[type(value)]: value} for name, value in of.items()}


# --- what is free ---------------------------------------------------------------------------------------


def test_a_free_device_is_given_with_all_that_the_kubelet_needs_to_know() -> None:
    settings_of = {"opaque": {"driver": DRIVER, "parameters": {"of": "class"}}}
    own = {"opaque": {"driver": DRIVER, "parameters": {"of": "claim"}}}
    claim = make_claim("c", exactly("r"), exactly("s"), config=[own, {**own, "requests": ["s"]}])
    [result] = allocate([make_slice("s", "a", "b", node="n")], claim, classes=[make_class(config=[settings_of])]) or []
    assert result.to_dict() == {
        "devices": {
            "config": [
                {"source": "FromClass", "requests": ["r", "s"], **settings_of},
                {"source": "FromClaim", **own},
                {"source": "FromClaim", "requests": ["s"], **own},
            ],
            "results": [
                {"request": "r", "driver": DRIVER, "pool": "n", "device": "a"},
                {"request": "s", "driver": DRIVER, "pool": "n", "device": "b"},
            ],
        },
        "nodeSelector": {
            "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]
        },
    }


def test_a_device_belongs_to_one_claim() -> None:
    slices = [make_slice("s", "a", "b", node="n")]
    assert found(allocate(slices, make_claim("c"), in_use=[holding({"device": "a"})])) == [["b"]]
    assert found(allocate(slices, make_claim("c"), make_claim("d"))) == [["a"], ["b"]]
    assert allocate(slices, make_claim("c"), make_claim("d"), make_claim("e")) is None
    assert allocate(slices, make_claim("c", exactly(count=2)), in_use=[holding({"device": "b"})]) is None


def test_administration_takes_devices_in_use_and_keeps_none() -> None:
    slices = [make_slice("s", "a", node="n")]
    admin = make_claim("c", exactly(adminAccess=True))
    [result] = allocate(slices, admin, in_use=[holding({"device": "a"})]) or []
    assert result.devices.results[0].adminAccess is True
    assert found(allocate(slices, make_claim("d"), in_use=[holding({"device": "a", "adminAccess": True})])) == [["a"]]
    assert allocate(slices, make_claim("c", exactly(count=2, adminAccess=True))) is None


def test_all_devices_are_all_that_match_or_nothing() -> None:
    slices = [make_slice("s", "a", "b", "c", node="n")]
    everything = make_claim("c", exactly(allocationMode="All"))
    assert found(allocate(slices, everything)) == [["a", "b", "c"]]
    assert allocate(slices, everything, in_use=[holding({"device": "b"})]) is None
    assert allocate([make_slice("s", node="n")], everything) is None
    with pytest.raises(
        AllocationError, match=r"asks for all devices, but resource pool gpu.example.com/n is currently"
    ):
        allocate([make_slice("s", "a", node="n", count=2)], everything)


def test_a_claim_has_at_most_32_devices() -> None:
    slices = [make_slice("s", *(f"d{i:02}" for i in range(40)), node="n")]
    with pytest.raises(AllocationError, match="number of requested devices 33 exceeds the claim limit of 32"):
        allocate(slices, make_claim("c", exactly(count=33)))
    several = {"name": "r", "firstAvailable": [one_of(count=30, name="many"), one_of(count=2, name="few")]}
    [names] = found(allocate(slices, make_claim("c", several, exactly("s", count=20)))) or []
    assert len(names) == 22


# --- which devices match --------------------------------------------------------------------------------


def test_class_and_request_select_by_attributes_and_capacity() -> None:
    big = {"name": "big", "attributes": attributes(model="x", cores=8), "capacity": {"memory": {"value": "80Gi"}}}
    small = {"name": "small", "attributes": {"other.example.com/model": {"string": "y"}, "v": {"version": "1.10.0"}}}
    slices = [make_slice("s", small, big, node="n")]

    def selected(*expressions: str) -> list[list[str]] | None:
        return found(allocate(slices, make_claim("c", exactly("r", "gpu", 1, *expressions))))

    of = f'device.attributes["{DRIVER}"]'
    assert selected(f"{of}.?cores.orValue(0) > 4") == [["big"]]
    assert selected(f'"{DRIVER}" in device.capacity && device.capacity["{DRIVER}"].memory == quantity("80Gi")') == [
        ["big"]
    ]
    assert selected('has(device.attributes["other.example.com"].model)') == [["small"]]
    assert selected(f"has({of}.v) && {of}.v.isGreaterThan(semver('1.9.0'))") == [["small"]]
    assert selected(f"{of}.?cores.orValue(0) > 4", "device.driver == 'else'") is None
    assert selected("device.allowMultipleAllocations") is None


def test_what_is_wrong_with_a_selector_is_said() -> None:
    slices = [make_slice("s", "a", node="n")]
    with pytest.raises(AllocationError, match="claim default/c: selector #0: CEL runtime error: no such key: x"):
        allocate(slices, make_claim("c", exactly("r", "gpu", 1, 'device.attributes["d"].x')))
    with pytest.raises(AllocationError, match="class gpu: selector #1: CEL compile error: "):
        allocate(slices, make_claim("c"), classes=[make_class("gpu", "true", "nothing")])


def test_devices_agree_or_differ_in_an_attribute() -> None:
    def on(numa: int, **more: Any) -> dict[str, Any]:
        return attributes(numa=numa, **more)

    devices = [{"name": name, "attributes": on(numa)} for name, numa in (("a", 0), ("b", 1), ("c", 1), ("d", 2))]
    slices = [make_slice("s", *devices, "bare", node="n")]
    same = {"matchAttribute": f"{DRIVER}/numa"}
    assert found(allocate(slices, make_claim("c", exactly(count=2), constraints=[same]))) == [["b", "c"]]
    assert allocate(slices, make_claim("c", exactly(count=3), constraints=[same])) is None
    differ = {"distinctAttribute": f"{DRIVER}/numa"}
    assert found(allocate(slices, make_claim("c", exactly(count=3), constraints=[differ]))) == [["a", "b", "d"]]
    of_two = {**same, "requests": ["r", "s"]}
    claim = make_claim("c", exactly("free"), exactly("r"), exactly("s"), constraints=[of_two])
    assert found(allocate(slices, claim)) == [["a", "b", "c"]]
    with pytest.raises(AllocationError, match=r"cannot add device gpu.example.com/n/b because a claim constraint"):
        allocate(slices, make_claim("c", exactly(allocationMode="All"), constraints=[same]))


def test_the_first_alternative_that_can_be_had_is_taken() -> None:
    slices = [make_slice("s", {"name": "a", "attributes": attributes(size=1)}, "b", node="n")]
    large = one_of("gpu", 1, f'device.attributes["{DRIVER}"].?size.orValue(0) > 5', name="large")
    pair = one_of(count=2, name="pair")
    claim = make_claim(
        "c",
        {"name": "r", "firstAvailable": [large, pair, one_of(name="one")]},
        config=[{"requests": ["r/pair"], "opaque": {"driver": DRIVER, "parameters": {}}}],
    )
    [result] = allocate(slices, claim) or []
    assert [each.request for each in result.devices.results] == ["r/pair", "r/pair"]
    assert [each.requests for each in result.devices.config] == [["r/pair"]]
    [result] = allocate(slices, claim, in_use=[holding({"device": "b"})]) or []
    assert [(each.request, each.device) for each in result.devices.results] == [("r/one", "a")]
    assert not result.devices.config


def test_tainted_devices_are_for_those_who_tolerate_them() -> None:
    tainted = {"name": "a", "taints": [{"key": "broken", "value": "yes", "effect": "NoSchedule"}]}
    harmless = {"name": "b", "taints": [{"key": "old", "effect": "None"}]}
    assert found(allocate([make_slice("s", tainted, harmless, node="n")], make_claim("c"))) == [["b"]]

    def tolerating(**toleration: str) -> list[list[str]] | None:
        claim = make_claim("c", exactly(tolerations=[toleration]))
        return found(allocate([make_slice("s", tainted, node="n")], claim))

    assert tolerating(key="broken", value="yes", operator="Equal") == [["a"]]
    assert tolerating(operator="Exists") == [["a"]]
    assert tolerating(key="broken", value="no", operator="Equal") is None
    assert tolerating(key="broken", operator="Exists", effect="NoExecute") is None


# --- pools and places -----------------------------------------------------------------------------------


def test_only_whole_pools_of_the_newest_generation_are_used() -> None:
    claim = make_claim("c")
    assert allocate([make_slice("s", "a", node="n", count=2)], claim) is None
    both = [make_slice("s", "a", node="n", count=2), make_slice("t", "b", node="n", count=2)]
    assert found(allocate(both, claim)) == [["a"]]
    assert found(allocate([make_slice("s", "a", node="n"), make_slice("t", "b", node="n", generation=2)], claim)) == [
        ["b"]
    ]
    elsewhere = make_slice("t", "b", node="m", pool="n", generation=2)
    assert allocate([make_slice("s", "a", node="n"), elsewhere], claim) is None
    other = make_slice("z", "z", node="n", pool="other")
    assert found(allocate([make_slice("s", "a", node="n", count=2), other], claim)) == [["z"]]


def test_a_pool_with_two_devices_of_one_name_is_not_used() -> None:
    twice = [make_slice("s", "a", node="n", count=2), make_slice("t", "a", node="n", count=2)]
    with pytest.raises(OnlyThisNode, match="invalid resource pools were encountered"):
        allocate(twice, make_claim("c"))
    assert found(allocate([*twice, make_slice("u", "b", node="n", pool="p")], make_claim("c"))) == [["b"]]


def test_devices_are_used_where_they_are() -> None:
    zone = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
    in_zone = make_slice("s", "a", nodeSelector=zone)
    [result] = allocate([in_zone], make_claim("c"), node=node_info("n", zone="a")) or []
    assert result.nodeSelector is not None
    assert result.nodeSelector.to_dict() == zone
    assert allocate([in_zone], make_claim("c"), node=node_info("n", zone="b")) is None
    [result] = allocate([make_slice("s", "a", allNodes=True)], make_claim("c")) or []
    assert result.nodeSelector is None
    bound = make_slice("s", {"name": "a", "bindsToNode": True}, allNodes=True)
    [result] = allocate([bound], make_claim("c")) or []
    assert result.nodeSelector is not None
    assert result.nodeSelector.nodeSelectorTerms[0].matchFields[0].values == ["n"]
    each = make_slice("s", {"name": "a", "nodeName": "m"}, {"name": "b", "allNodes": True}, perDeviceNodeSelection=True)
    assert found(allocate([each], make_claim("c"))) == [["b"]]
    assert found(allocate([each], make_claim("c", exactly(count=2)), node=node_info("m"))) == [["a", "b"]]


def test_devices_that_have_to_be_prepared_come_last() -> None:
    fabric = {"name": "a", "bindingConditions": ["attached"], "bindingFailureConditions": ["failed"]}
    slices = [make_slice("s", fabric, node="n", pool="a"), make_slice("t", "z", node="n", pool="b")]
    assert found(allocate(slices, make_claim("c"))) == [["z"]]
    [result] = allocate(slices[:1], make_claim("c")) or []
    assert result.devices.results[0].bindingConditions == ["attached"]
    assert result.devices.results[0].bindingFailureConditions == ["failed"]


# --- parts of devices -----------------------------------------------------------------------------------


def partitioned() -> list[ResourceSlice]:
    """A card with 40Gi: one whole, or two halves."""
    sets = [{"name": "card", "counters": {"memory": {"value": "40Gi"}}}]

    def part(name: str, memory: str) -> dict[str, Any]:
        return {"name": name, "consumesCounters": [{"counterSet": "card", "counters": {"memory": {"value": memory}}}]}

    return [
        make_slice("counters", node="n", count=2, sharedCounters=sets),
        make_slice("devices", part("whole", "40Gi"), part("half-1", "20Gi"), part("half-2", "20Gi"), node="n", count=2),
    ]


def test_partitions_share_what_the_card_has() -> None:
    assert found(allocate(partitioned(), make_claim("c"))) == [["whole"]]
    assert found(allocate(partitioned(), make_claim("c", exactly(count=2)))) == [["half-1", "half-2"]]
    assert allocate(partitioned(), make_claim("c", exactly(count=3))) is None
    assert found(allocate(partitioned(), make_claim("c"), in_use=[holding({"device": "half-2"})])) == [["half-1"]]
    assert allocate(partitioned(), make_claim("c"), in_use=[holding({"device": "whole"})]) is None


def test_a_pool_that_takes_of_what_there_is_not_is_not_used() -> None:
    with pytest.raises(OnlyThisNode):
        allocate([make_slice("d", *partitioned()[1].to_dict()["spec"]["devices"], node="n")], make_claim("c"))


def shared(**policy: Any) -> list[ResourceSlice]:
    capacity: dict[str, Any] = {"memory": {"value": "10Gi", **({"requestPolicy": policy} if policy else {})}}
    return [make_slice("s", {"name": "a", "allowMultipleAllocations": True, "capacity": capacity}, node="n")]


def wanting(memory: str | None = None, count: int = 1) -> ResourceClaim:
    more = {} if memory is None else {"capacity": {"requests": {"memory": memory}}}
    return make_claim("c", exactly(count=count, **more))


def test_shares_of_a_device_are_given_until_it_is_used_up() -> None:
    [result] = allocate(shared(), wanting("4Gi", count=2)) or []
    one, other = result.devices.results
    assert (one.device, one.consumedCapacity) == ("a", {"memory": "4Gi"})
    assert one.shareID
    assert one.shareID != other.shareID
    assert allocate(shared(), wanting("4Gi", count=3)) is None
    others = [holding({"device": "a", "shareID": "x", "consumedCapacity": {"memory": "7Gi"}})]
    assert allocate(shared(), wanting("4Gi"), in_use=others) is None
    assert found(allocate(shared(), wanting("3Gi"), in_use=others)) == [["a"]]
    assert allocate(shared(), make_claim("c", exactly(capacity={"requests": {"cores": "1"}}))) is None


@pytest.mark.parametrize(
    ("policy", "wanted", "given"),
    [
        ({}, None, "10Gi"),
        ({"default": "1Gi", "validValues": ["1Gi", "2Gi", "8Gi"]}, None, "1Gi"),
        ({"default": "1Gi", "validValues": ["1Gi", "2Gi", "8Gi"]}, "3Gi", "8Gi"),
        ({"default": "1Gi", "validValues": ["1Gi", "2Gi"]}, "3Gi", None),
        ({"default": "1Gi", "validRange": {"min": "1Gi", "step": "2Gi"}}, "2Gi", "3Gi"),
        ({"default": "1Gi", "validRange": {"min": "1Gi", "step": "2Gi"}}, "100Mi", "1Gi"),
        ({"default": "1Gi", "validRange": {"min": "1Gi", "max": "4Gi"}}, "2500Mi", "2500Mi"),
        ({"default": "1Gi", "validRange": {"min": "1Gi", "max": "4Gi"}}, "5Gi", None),
    ],
)  # fmt: skip
def test_a_policy_says_which_amounts_there_are(policy: dict[str, Any], wanted: str | None, given: str | None) -> None:
    result = allocate(shared(**policy), wanting(wanted))
    assert (None if result is None else result[0].devices.results[0].consumedCapacity["memory"]) == given


# --- against a slow and obvious reference ---------------------------------------------------------------

DEVICE = st.fixed_dictionaries({"kind": st.integers(0, 2), "numa": st.integers(0, 2), "part": st.integers(0, 2)})
WAY = st.tuples(st.integers(1, 3), st.one_of(st.none(), st.integers(0, 2)))
"""How many devices, of which kind."""
REQUEST = st.lists(WAY, min_size=1, max_size=2)
"""Ways to satisfy it, the best first."""


def possible(
    devices: Sequence[Mapping[str, int]],
    ways: Sequence[tuple[int, int | None]],
    taken: Sequence[int],
    constraint: str,
    memory: int,
) -> bool:
    """Whether any assignment of different free devices to all requests does, trying all of them."""
    slots = [kind for count, kind in ways for _ in range(count)]
    free = [i for i in range(len(devices)) if i not in taken]
    used = sum(devices[i]["part"] for i in taken)
    for chosen in itertools.permutations(free, len(slots)):
        if any(kind is not None and devices[i]["kind"] != kind for i, kind in zip(chosen, slots, strict=True)):
            continue
        numas = [devices[i]["numa"] for i in chosen]
        if constraint == "matchAttribute" and len(set(numas)) > 1:
            continue
        if constraint == "distinctAttribute" and len(set(numas)) < len(numas):
            continue
        if used + sum(devices[i]["part"] for i in chosen) > memory and any(devices[i]["part"] for i in chosen):
            continue
        return True
    return False


@settings(max_examples=300, deadline=None)
@given(
    devices=st.lists(DEVICE, min_size=1, max_size=5),
    requests=st.lists(REQUEST, min_size=1, max_size=3),
    taken=st.sets(st.integers(0, 4), max_size=2),
    constraint=st.sampled_from(["", "matchAttribute", "distinctAttribute"]),
    memory=st.integers(0, 6),
)
def test_devices_are_found_if_and_only_if_they_are_there(
    devices: list[dict[str, int]],
    requests: list[list[tuple[int, int | None]]],
    taken: set[int],
    constraint: str,
    memory: int,
) -> None:
    def device(i: int) -> dict[str, Any]:
        of = devices[i]
        counters = [{"counterSet": "set", "counters": {"memory": {"value": str(of["part"])}}}] if of["part"] else []
        return {
            "name": f"d{i}",
            "attributes": attributes(kind=of["kind"], numa=of["numa"]),
            "consumesCounters": counters,
        }

    def way(count: int, kind: int | None, **more: str) -> dict[str, Any]:
        expressions = [] if kind is None else [f'device.attributes["{DRIVER}"].kind == {kind}']
        return one_of("gpu", count, *expressions, **more)

    sets = [{"name": "set", "counters": {"memory": {"value": str(memory)}}}]
    slices = [
        make_slice("c", node="n", count=2, sharedCounters=sets),
        make_slice("d", *map(device, range(len(devices))), node="n", count=2),
    ]
    asked = [
        {"name": f"r{number}", "firstAvailable": [way(*each, name=f"w{i}") for i, each in enumerate(ways)]}
        if len(ways) > 1
        else {"name": f"r{number}", "exactly": way(*ways[0])}
        for number, ways in enumerate(requests)
    ]
    claim = make_claim("c", *asked, constraints=[{constraint: f"{DRIVER}/numa"}] if constraint else [])
    held = [i for i in sorted(taken) if i < len(devices)]
    result = allocate(slices, claim, in_use=[holding(*({"device": f"d{i}"} for i in held))])
    assert (result is not None) == any(
        possible(devices, ways, held, constraint, memory) for ways in itertools.product(*requests)
    )
    if result is None:
        return
    results = result[0].devices.results
    assert len({each.device for each in results} | {f"d{i}" for i in held}) == len(results) + len(held)
    for number, ways in enumerate(requests):
        mine = [each for each in results if each.request.partition("/")[0] == f"r{number}"]
        [name] = {each.request for each in mine}
        count, kind = ways[int(name.partition("/w")[2] or 0)]
        assert len(mine) == count
        assert kind is None or all(devices[int(each.device[1:])]["kind"] == kind for each in mine)
