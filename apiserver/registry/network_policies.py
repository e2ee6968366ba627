"""NetworkPolicies: which traffic pods may have.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Set

from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.networking_v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from api.scheme import resource_of
from apiserver.registry.addresses import network, parse_network, warn_of_spelling
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.labels import format_selector, validate_selector
from apiserver.registry.names import port_name, port_number
from apiserver.registry.strategy import Column, Context, Strategy

_TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")


class NetworkPolicies(Strategy[NetworkPolicy]):
    resource = resource_of(NetworkPolicy)
    columns = (
        NAME,
        Column(
            "Pod-Selector",
            lambda p, now: format_selector(p.spec.podSelector) or "<none>",
            description="The pods it is about.",
        ),
        AGE,
    )

    def default(self, obj: NetworkPolicy) -> None:
        spec = obj.spec
        for ports in (*(rule.ports for rule in spec.ingress), *(rule.ports for rule in spec.egress)):
            for port in ports:
                if port.protocol is None:
                    port.protocol = "TCP"
        if not spec.policyTypes:
            spec.policyTypes = ["Ingress", "Egress"] if spec.egress else ["Ingress"]

    def prepare_for_create(self, new: NetworkPolicy, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(self, new: NetworkPolicy, old: NetworkPolicy, context: Context) -> None:
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: NetworkPolicy) -> Iterator[FieldError]:
        return _validate_spec(new, frozenset(), False)

    def validate_changed(self, new: NetworkPolicy, old: NetworkPolicy) -> Iterator[FieldError]:
        # Kubernetes looks twice, and only the second time lets be what was there before.
        lenient = any(validate_selector(old.spec.podSelector, ""))
        yield from _validate_spec(new, frozenset(), lenient)
        yield from _validate_spec(new, frozenset(_networks(old)), lenient)

    def warnings(self, new: NetworkPolicy, old: NetworkPolicy | None) -> Iterator[str]:
        for index, ingress in enumerate(new.spec.ingress):
            yield from _peer_warnings(ingress.from_, f"spec.ingress[{index}].from")
        for index, egress in enumerate(new.spec.egress):
            yield from _peer_warnings(egress.to, f"spec.egress[{index}].to")


def _peer_warnings(peers: list[NetworkPolicyPeer], path: str) -> Iterator[str]:
    for index, peer in enumerate(peers):
        if (block := peer.ipBlock) is not None:
            yield from warn_of_spelling(block.cidr, f"{path}[{index}].ipBlock.cidr")
            for position, text in enumerate(block.except_):
                yield from warn_of_spelling(text, f"{path}[{index}].ipBlock.except[{position}]")


def _networks(policy: NetworkPolicy) -> Iterator[str]:
    peers = [peer for rule in policy.spec.ingress for peer in rule.from_]
    peers += [peer for rule in policy.spec.egress for peer in rule.to]
    for peer in peers:
        if peer.ipBlock is not None:
            yield peer.ipBlock.cidr
            yield from peer.ipBlock.except_


def _validate_spec(policy: NetworkPolicy, known: Set[str], lenient: bool) -> Iterator[FieldError]:
    spec = policy.spec
    yield from validate_selector(spec.podSelector, "spec.podSelector", allow_bad_values=lenient)
    rules = [("ingress", "from", [(rule.ports, rule.from_) for rule in spec.ingress])]
    rules += [("egress", "to", [(rule.ports, rule.to) for rule in spec.egress])]
    for direction, side, pairs in rules:
        for index, (ports, peers) in enumerate(pairs):
            path = f"spec.{direction}[{index}]"
            for position, port in enumerate(ports):
                yield from _validate_port(port, f"{path}.ports[{position}]")
            for position, peer in enumerate(peers):
                yield from _validate_peer(peer, f"{path}.{side}[{position}]", known, lenient)
    if len(spec.policyTypes) > len(_TYPES):
        yield invalid_value("spec.policyTypes", list(spec.policyTypes), "may not specify more than two policyTypes")
        return
    for index, name in enumerate(spec.policyTypes):
        if name not in _TYPES:
            yield not_supported(f"spec.policyTypes[{index}]", name, _TYPES)


def _validate_port(port: NetworkPolicyPort, path: str) -> Iterator[FieldError]:
    if port.protocol not in (None, *_PROTOCOLS):
        yield not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS)
    end, where = port.endPort, f"{path}.endPort"
    match port.port:
        case None:
            if end is not None:
                yield invalid_value(where, end, "may not be specified when `port` is not specified")
        case int(number):
            for complaint in port_number(number):
                yield invalid_value(f"{path}.port", number, complaint)
            if end is not None:
                if end < number:
                    yield invalid_value(where, end, "must be greater than or equal to `port`")
                for complaint in port_number(end):
                    yield invalid_value(where, end, complaint)
        case name:
            if end is not None:
                yield invalid_value(where, end, "may not be specified when `port` is non-numeric")
            for complaint in port_name(name):
                yield invalid_value(f"{path}.port", name, complaint)


def _validate_peer(peer: NetworkPolicyPeer, path: str, known: Set[str], lenient: bool) -> Iterator[FieldError]:
    yield from validate_selector(peer.podSelector, f"{path}.podSelector", allow_bad_values=lenient)
    yield from validate_selector(peer.namespaceSelector, f"{path}.namespaceSelector", allow_bad_values=lenient)
    selects = peer.podSelector is not None or peer.namespaceSelector is not None
    if peer.ipBlock is not None:
        yield from _validate_block(peer.ipBlock, f"{path}.ipBlock", known)
        if selects:
            yield forbidden(path, "may not specify both ipBlock and another peer")
    elif not selects:
        yield required(path, "must specify a peer")


def _validate_block(block: IPBlock, path: str, known: Set[str]) -> Iterator[FieldError]:
    if not block.cidr:
        yield required(f"{path}.cidr")
        return
    yield from _validate_network(block.cidr, f"{path}.cidr", known)
    whole = parse_network(block.cidr)
    if whole is None:
        return
    for index, text in enumerate(block.except_):
        where = f"{path}.except[{index}]"
        yield from _validate_network(text, where, known)
        hole = parse_network(text)
        if hole is not None and not _is_inside(hole, whole):
            yield invalid_value(where, text, "must be a strict subset of `cidr`")


def _validate_network(text: str, path: str, known: Set[str]) -> Iterator[FieldError]:
    if text not in known:
        for complaint in network(text):
            yield invalid_value(path, text, complaint)


def _is_inside(
    hole: ipaddress.IPv4Network | ipaddress.IPv6Network, whole: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    same = hole.version == whole.version
    return same and hole.prefixlen > whole.prefixlen and hole.network_address in whole
