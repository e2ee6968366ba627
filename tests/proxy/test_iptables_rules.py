"""The rules as text."""

from __future__ import annotations

from proxy.iptables_rules import HOOKS, Ruleset, Settings, render, restore_input
from tests.proxy.objects import mapped, service, slice_of
from tests.proxy.test_service_map import endpoint

PLAIN = Settings()


def following(rules: Ruleset, start: str, needle: str) -> list[str]:
    """The rules of the chain that the one rule of `start` with `needle` jumps to."""
    (rule,) = [r for r in rules.nat[start] if needle in r]
    return rules.nat[rule.rsplit(" ", 1)[1]]


def test_a_cluster_ip_leads_to_its_endpoints_with_equal_chances() -> None:
    rules = render(mapped(service(), slice_of("web", "10.0.0.1", "10.0.0.2", "10.0.0.3")), PLAIN)
    entry = rules.nat["KUBE-SERVICES"][0]
    assert entry.startswith(
        '-m comment --comment "default/web:http cluster IP" -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-'
    )
    picks = following(rules, "KUBE-SERVICES", "10.96.0.10")
    assert ["--probability 0.3333333333" in picks[0], "--probability 0.5000000000" in picks[1]] == [True, True]
    assert "statistic" not in picks[2]
    hairpin, dnat = rules.nat[picks[0].rsplit(" ", 1)[1]]
    assert hairpin.endswith("-s 10.0.0.1/32 -j KUBE-MARK-MASQ")
    assert dnat.endswith("-p tcp -m tcp -j DNAT --to-destination 10.0.0.1:8080")


def test_node_ports_come_last_and_are_masqueraded() -> None:
    rules = render(mapped(service(node_port=30080), slice_of("web", "10.0.0.1")), PLAIN)
    assert rules.nat["KUBE-SERVICES"][-1].endswith("-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")
    first, second = following(rules, "KUBE-NODEPORTS", "--dport 30080")
    assert first.endswith("-j KUBE-MARK-MASQ")
    assert second.startswith("-j KUBE-SVC-")
    limited = render(mapped(), Settings(nodeport_addresses=("192.0.2.0/24",)))
    assert "-d 192.0.2.0/24 -m addrtype --dst-type LOCAL" in limited.nat["KUBE-SERVICES"][-1]


def test_without_endpoints_connections_are_refused() -> None:
    rules = render(mapped(service(node_port=30080)), PLAIN)
    assert rules.filter["KUBE-SERVICES"] == [
        '-m comment --comment "default/web:http has no endpoints" -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j REJECT'
    ]
    assert rules.filter["KUBE-EXTERNAL-SERVICES"] == [
        '-m comment --comment "default/web:http has no endpoints" '
        "-m addrtype --dst-type LOCAL -p tcp -m tcp --dport 30080 -j REJECT"
    ]
    assert not any(chain.startswith("KUBE-SVC") for chain in rules.nat)


def test_with_endpoints_only_elsewhere_local_traffic_is_dropped() -> None:
    far = slice_of("web", endpoint("10.0.0.2", nodeName="far"))
    rules = render(mapped(service(node_port=30080, externalTrafficPolicy="Local"), far), PLAIN)
    (drop,) = rules.filter["KUBE-EXTERNAL-SERVICES"]
    assert "has no local endpoints" in drop
    assert drop.endswith("-j DROP")
    external = following(rules, "KUBE-NODEPORTS", "30080")
    assert [("--src-type LOCAL" in rule) for rule in external] == [True, True]  # from the node itself it works


def test_local_traffic_keeps_its_source() -> None:
    near = slice_of("web", endpoint("10.0.0.1", nodeName="node"), endpoint("10.0.0.2", nodeName="far"))
    rules = render(
        mapped(service(node_port=30080, externalTrafficPolicy="Local"), near), Settings(cluster_cidr="10.0.0.0/16")
    )
    pods, mark, itself, rest = following(rules, "KUBE-NODEPORTS", "30080")
    assert "-s 10.0.0.0/16 -j KUBE-SVC-" in pods
    assert mark.endswith("--src-type LOCAL -j KUBE-MARK-MASQ")
    assert "--src-type LOCAL -j KUBE-SVC-" in itself
    assert rest.startswith("-j KUBE-SVL-")
    assert len(rules.nat[rest.split()[-1]]) == 1


def test_traffic_from_outside_the_cluster_is_masqueraded() -> None:
    objects = service(), slice_of("web", "10.0.0.1")
    picks = following(render(mapped(*objects), Settings(cluster_cidr="10.0.0.0/16")), "KUBE-SERVICES", "10.96.0.10")
    assert "! -s 10.0.0.0/16 -j KUBE-MARK-MASQ" in picks[0]
    picks = following(render(mapped(*objects), Settings(masquerade_all=True)), "KUBE-SERVICES", "10.96.0.10")
    assert picks[0].endswith("--dport 80 -j KUBE-MARK-MASQ")


def test_affinity_remembers_clients() -> None:
    config = {"clientIP": {"timeoutSeconds": 7}}
    sticky = service(sessionAffinity="ClientIP", sessionAffinityConfig=config)
    rules = render(mapped(sticky, slice_of("web", "10.0.0.1", "10.0.0.2")), PLAIN)
    picks = following(rules, "KUBE-SERVICES", "10.96.0.10")
    assert ["--rcheck --seconds 7 --reap" in pick for pick in picks] == [True, True, False, False]
    chain = picks[0].split()[-1]
    assert f"-m recent --name {chain} --set -p tcp" in rules.nat[chain][1]


def test_source_ranges_of_a_load_balancer_wall_it_off() -> None:
    balanced = service(type="LoadBalancer", ingress=["192.0.2.9"], loadBalancerSourceRanges=["203.0.113.0/24"])
    rules = render(mapped(balanced, slice_of("web", "10.0.0.1")), PLAIN)
    (wall,) = following(rules, "KUBE-SERVICES", "192.0.2.9")
    assert "-s 203.0.113.0/24 -j KUBE-EXT-" in wall
    (drop,) = rules.filter["KUBE-PROXY-FIREWALL"]
    assert "-d 192.0.2.9/32" in drop
    assert drop.endswith("-j DROP")


def test_health_check_ports_are_let_in() -> None:
    checked = service(node_port=30080, externalTrafficPolicy="Local", healthCheckNodePort=31000)
    rules = render(mapped(checked), PLAIN)
    assert rules.filter["KUBE-NODEPORTS"][0].endswith("-p tcp -m tcp --dport 31000 -j ACCEPT")


def test_instances_share_no_chain_and_names_are_short_enough() -> None:
    objects = service(node_port=30080, sessionAffinity="ClientIP"), slice_of("web", "10.0.0.1")
    settings = [PLAIN, Settings(instance="/home/a/cluster"), Settings(instance="/home/b/cluster")]
    seen: set[str] = set()
    for mine in settings:
        rules = render(mapped(*objects), mine)
        chains = {*rules.nat, *rules.filter}
        assert not chains & seen
        assert all(len(chain) <= 28 for chain in chains)
        assert all(mine.owns(chain) for chain in chains)
        assert not any(other.owns(chain) for other in settings if other is not mine for chain in chains)
        assert {mine.chain(chain) for _, _, chain, _ in HOOKS} <= chains
        seen |= chains


def test_only_what_changed_is_restored() -> None:
    one = render(mapped(service(), slice_of("web", "10.0.0.1")), PLAIN)
    applied = {table: dict(chains) for table, chains in one.tables()}
    assert restore_input(applied, one) == ""
    two = render(mapped(service(), slice_of("web", "10.0.0.2")), PLAIN)
    lines = restore_input(applied, two).splitlines()
    assert lines[0] == "*nat"
    assert lines[-1] == "COMMIT"
    assert "filter" not in " ".join(lines)
    assert sorted(line.split("-")[1] for line in lines if line.startswith(":")) == ["SEP", "SEP", "SVC"]
    assert len([line for line in lines if line.startswith("-X KUBE-SEP-")]) == 1
    assert not any("KUBE-SERVICES" in line for line in lines)
