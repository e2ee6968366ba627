"""Forgets connections that the kernel still sends to endpoints that are gone.

Only UDP needs this: its "connections" live as long as packets come, so a client that keeps sending from one
port would keep talking to a removed endpoint, or keep missing one that came later.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from proxy.service_map import PortRules

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stale:
    """UDP flows to forget: to `address`:`port` as the client sees it; those that `endpoint` answers, or (with an
    empty one) those that nobody answers.  An empty address is any local one (node ports)."""

    address: str
    port: int
    endpoint: str = ""


def stale_flows(old: Iterable[PortRules], new: Iterable[PortRules]) -> set[Stale]:
    """What to forget when one service map follows another."""
    before = {(r.label, r.protocol): r for r in old if r.protocol == "UDP"}
    after = {(r.label, r.protocol): r for r in new if r.protocol == "UDP"}
    found: set[Stale] = set()
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        ips_were = {e.ip for e in (*was.cluster, *was.local)} if was else set()
        ips_are = {e.ip for e in (*now.cluster, *now.local)} if now else set()
        for rules in (was, now):
            if rules is None:
                continue
            for address, port in _fronts(rules):
                found.update(Stale(address, port, gone) for gone in ips_were - ips_are)
                if ips_are and not ips_were:
                    found.add(Stale(address, port))
    return found


def _fronts(rules: PortRules) -> list[tuple[str, int]]:
    fronts = [(ip, rules.port) for ip in (*rules.cluster_ips, *rules.external_ips, *rules.load_balancer_ips)]
    return [*fronts, ("", rules.node_port)] if rules.node_port else fronts


def forget(stale: Iterable[Stale]) -> int:
    """Delete matching entries from the kernel's table; returns how many.  Needs CAP_NET_ADMIN."""
    wanted = set(stale)
    if not wanted:
        return 0
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

    count = 0
    with NFCTSocket() as table:
        for entry in list(table.dump(tuple_orig=NFCTAttrTuple(proto=socket.IPPROTO_UDP))):
            flow = _flow(entry)
            if flow is None:
                continue
            destination, port, source, source_port, replier = flow
            answered = replier != destination
            if not any(
                s.port == port
                and s.address in ("", destination)
                and (s.endpoint == replier if s.endpoint else not answered)
                for s in wanted
            ):
                continue
            original = NFCTAttrTuple(
                saddr=source, daddr=destination, proto=socket.IPPROTO_UDP, sport=source_port, dport=port
            )
            try:
                table.entry("del", tuple_orig=original)
                count += 1
            except Exception as error:
                log.debug("conntrack entry of %s:%s: %s", destination, port, error)
    return count


def _flow(entry: Any) -> tuple[str, int, str, int, str] | None:
    """Destination, port, source, source port as sent, and who answers; None for what is not UDP over IPv4."""
    original, reply = entry.get_attr("CTA_TUPLE_ORIG"), entry.get_attr("CTA_TUPLE_REPLY")
    if original is None or reply is None:
        return None
    ip, proto, back = (
        original.get_attr("CTA_TUPLE_IP"),
        original.get_attr("CTA_TUPLE_PROTO"),
        reply.get_attr("CTA_TUPLE_IP"),
    )
    if ip is None or proto is None or back is None or proto.get_attr("CTA_PROTO_NUM") != socket.IPPROTO_UDP:
        return None
    destination = ip.get_attr("CTA_IP_V4_DST")
    if destination is None:
        return None
    return (
        destination,
        proto.get_attr("CTA_PROTO_DST_PORT"),
        ip.get_attr("CTA_IP_V4_SRC"),
        proto.get_attr("CTA_PROTO_SRC_PORT"),
        back.get_attr("CTA_IP_V4_SRC"),
    )
