"""The iptables rules for a service map: pure, so that they can be read and tested as text.

The structure is kube-proxy's (https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-iptables):

    PREROUTING, OUTPUT → KUBE-SERVICES → KUBE-SVC-…  → KUBE-SEP-…  → DNAT
                                       → KUBE-NODEPORTS → KUBE-EXT-… → KUBE-SVC-… or KUBE-SVL-… (local only)
    POSTROUTING → KUBE-POSTROUTING: masquerade what KUBE-MARK-MASQ marked

An instance's name goes into the chains' names, so that proxies of several clusters on one machine leave each
other's rules alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from proxy.service_map import Endpoint, PortRules, ServiceMap

Chains = dict[str, list[str]]
"""Rules by chain, each as iptables-restore reads it after `-A CHAIN `."""

HOOKS: tuple[tuple[str, str, str, str], ...] = (
    ("nat", "PREROUTING", "SERVICES", '-m comment --comment "kubernetes service portals"'),
    ("nat", "OUTPUT", "SERVICES", '-m comment --comment "kubernetes service portals"'),
    ("nat", "POSTROUTING", "POSTROUTING", '-m comment --comment "kubernetes postrouting rules"'),
    ("filter", "INPUT", "FIREWALL", ""),
    ("filter", "INPUT", "NODEPORTS", '-m comment --comment "kubernetes health check service ports"'),
    ("filter", "INPUT", "EXTERNAL-SERVICES", "-m conntrack --ctstate NEW"),
    ("filter", "INPUT", "PROXY-FIREWALL", "-m conntrack --ctstate NEW"),
    ("filter", "FORWARD", "PROXY-FIREWALL", "-m conntrack --ctstate NEW"),
    ("filter", "FORWARD", "FORWARD", '-m comment --comment "kubernetes forwarding rules"'),
    ("filter", "FORWARD", "SERVICES", "-m conntrack --ctstate NEW"),
    ("filter", "FORWARD", "EXTERNAL-SERVICES", "-m conntrack --ctstate NEW"),
    ("filter", "OUTPUT", "SERVICES", "-m conntrack --ctstate NEW"),
    ("filter", "OUTPUT", "PROXY-FIREWALL", "-m conntrack --ctstate NEW"),
)
"""Table, built-in chain, our chain (without prefix), further matches of the jump."""


@dataclass(frozen=True)
class Settings:
    """How the rules are made.

    `instance` names the proxy among several on one machine; `cluster_cidr` are the pods' addresses, whose
    traffic keeps its source; `nodeport_addresses` limits node ports to local addresses in these ranges;
    `localhost_nodeports` lets 127.0.0.1:nodePort work.
    """

    instance: str = ""
    family: int = 4
    cluster_cidr: str = ""
    masquerade_all: bool = False
    masquerade_bit: int = 14
    localhost_nodeports: bool = True
    nodeport_addresses: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """What chains' names end with (fixed ones) or carry (hashed ones)."""
        return f"-{short_hash(self.instance, 5)}" if self.instance else ""

    def chain(self, name: str) -> str:
        """The full name of a fixed chain: "SERVICES" → "KUBE-SERVICES-ABCDE"."""
        return f"KUBE-{name}{self.tag}"

    def hashed(self, kind: str, *what: str) -> str:
        """The full name of a chain for one port or endpoint; 28 characters at most."""
        if self.instance:
            return f"KUBE-{kind}{self.tag}-{short_hash(' '.join(what), 12)}"
        return f"KUBE-{kind}-{short_hash(' '.join(what), 16)}"

    def owns(self, chain: str) -> bool:
        """Whether a chain is one of this instance's."""
        if chain in {self.chain(name) for name in FIXED}:
            return True
        parts = chain.split("-")
        if len(parts) < 3 or parts[0] != "KUBE" or parts[1] not in HASHED:
            return False
        if self.instance:
            return len(parts) == 4 and f"-{parts[2]}" == self.tag
        return len(parts) == 3 and len(parts[2]) == 16

    @property
    def mark(self) -> str:
        return f"{1 << self.masquerade_bit:#x}"


FIXED = (
    "SERVICES",
    "NODEPORTS",
    "POSTROUTING",
    "MARK-MASQ",
    "EXTERNAL-SERVICES",
    "PROXY-FIREWALL",
    "FORWARD",
    "FIREWALL",
)
HASHED = ("SVC", "SVL", "EXT", "SEP", "FW")


@lru_cache(maxsize=65536)
def short_hash(text: str, length: int) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:length]


@dataclass
class Ruleset:
    """Both tables."""

    nat: Chains = field(default_factory=dict)
    filter: Chains = field(default_factory=dict)

    def tables(self) -> tuple[tuple[str, Chains], ...]:
        return ("filter", self.filter), ("nat", self.nat)


def render(services: ServiceMap, settings: Settings) -> Ruleset:
    """All chains and rules for these services."""
    rules = _fixed(settings)
    for port in services.ports:
        _Port(port, settings, rules).render()
    for check in services.health_checks:
        note = _comment(f"{check.namespace}/{check.name} health check node port")
        accept = f"{note} -p tcp -m tcp --dport {check.port} -j ACCEPT"
        rules.filter[settings.chain("NODEPORTS")].append(accept)
    portals, nodeports = rules.nat[settings.chain("SERVICES")], settings.chain("NODEPORTS")
    note = _comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
    if settings.nodeport_addresses:
        portals += [f"{note} -d {a} -m addrtype --dst-type LOCAL -j {nodeports}" for a in settings.nodeport_addresses]
    else:
        portals.append(f"{note} -m addrtype --dst-type LOCAL -j {nodeports}")
    return rules


def _fixed(settings: Settings) -> Ruleset:
    mark = settings.mark
    marked = f"--mark {mark}/{mark}"
    chain = settings.chain
    localnet = (
        [
            f"{_comment('block incoming localnet connections')} -d 127.0.0.0/8 ! -s 127.0.0.0/8 "
            "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
        ]
        if settings.family == 4 and settings.localhost_nodeports
        else []
    )
    nat: Chains = {
        chain("SERVICES"): [],
        chain("NODEPORTS"): [],
        chain("MARK-MASQ"): [f"-j MARK --or-mark {mark}"],
        chain("POSTROUTING"): [
            f"-m mark ! {marked} -j RETURN",
            f"-j MARK --xor-mark {mark}",
            f"{_comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully",
        ],
    }
    filter_: Chains = {
        chain("SERVICES"): [],
        chain("EXTERNAL-SERVICES"): [],
        chain("NODEPORTS"): [],
        chain("PROXY-FIREWALL"): [],
        chain("FIREWALL"): localnet,
        chain("FORWARD"): [
            "-m conntrack --ctstate INVALID -j DROP",
            f"{_comment('kubernetes forwarding rules')} -m mark {marked} -j ACCEPT",
            f"{_comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ],
    }
    return Ruleset(nat, filter_)


class _Port:
    """The rules of one service port, written into a ruleset."""

    def __init__(self, port: PortRules, settings: Settings, rules: Ruleset) -> None:
        self.port, self.settings, self.rules = port, settings, rules
        self.protocol = port.protocol.lower()
        self.identity = (settings.instance, port.label, port.protocol)
        self.masquerade = settings.chain("MARK-MASQ")

    def render(self) -> None:
        port = self.port
        internal = self._balancing(local=port.internal_local) if port.internal else ""
        external = ""
        if port.has_external and (port.external or (port.external_local and port.cluster)):
            external = self._external()
        self._cluster_ips(internal)
        self._external_ips(external)
        self._load_balancer_ips(external)
        self._node_port(external)

    # --- where traffic arrives ------------------------------------------------------------------------

    def _to(self, ip: str) -> str:
        return f"-d {_host(ip)} {self._dport(self.port.port)}"

    def _dport(self, port: int) -> str:
        return f"-p {self.protocol} -m {self.protocol} --dport {port}"

    def _cluster_ips(self, chain: str) -> None:
        settings, label = self.settings, self.port.label
        for ip in self.port.cluster_ips:
            match = self._to(ip)
            if not chain:
                self._refuse("SERVICES", label, match, local=self.port.internal_local)
                continue
            note = _comment(f"{label} cluster IP")
            self._services.append(f"{note} {match} -j {chain}")
            if settings.masquerade_all:
                self.rules.nat[chain].insert(0, f"{note} {match} -j {self.masquerade}")
            elif settings.cluster_cidr:
                not_pods = f"! -s {settings.cluster_cidr}"
                self.rules.nat[chain].insert(0, f"{note} {match} {not_pods} -j {self.masquerade}")

    def _external_ips(self, chain: str) -> None:
        for ip in self.port.external_ips:
            if chain:
                note = _comment(f"{self.port.label} external IP")
                self._services.append(f"{note} {self._to(ip)} -j {chain}")
            self._refuse_external(self._to(ip))

    def _load_balancer_ips(self, chain: str) -> None:
        port = self.port
        if chain and port.source_ranges and port.load_balancer_ips:
            wall = self.settings.hashed("FW", *self.identity)
            note = _comment(f"{port.label} loadbalancer IP")
            self.rules.nat[wall] = [f"{note} -s {source} -j {chain}" for source in port.source_ranges]
            for ip in port.load_balancer_ips:  # what the wall did not send on arrives here undiverted
                drop = _comment(f"{port.label} traffic not accepted by {wall}")
                self.rules.filter[self.settings.chain("PROXY-FIREWALL")].append(f"{drop} {self._to(ip)} -j DROP")
            chain = wall
        for ip in port.load_balancer_ips:
            if chain:
                note = _comment(f"{port.label} loadbalancer IP")
                self._services.append(f"{note} {self._to(ip)} -j {chain}")
            self._refuse_external(self._to(ip))

    def _node_port(self, chain: str) -> None:
        port, settings = self.port, self.settings
        if not port.node_port:
            return
        if chain:
            not_here = "" if settings.localhost_nodeports or settings.family == 6 else "! -d 127.0.0.0/8 "
            note = _comment(port.label)
            self.rules.nat[settings.chain("NODEPORTS")].append(
                f"{note} {not_here}{self._dport(port.node_port)} -j {chain}"
            )
        self._refuse_external(f"-m addrtype --dst-type LOCAL {self._dport(port.node_port)}")

    def _refuse_external(self, match: str) -> None:
        if not self.port.external:
            self._refuse("EXTERNAL-SERVICES", self.port.label, match, local=self.port.external_local)

    def _refuse(self, chain: str, label: str, match: str, *, local: bool) -> None:
        """Without endpoints a connection is refused; if only this node lacks them, another may be tried."""
        dropped = local and bool(self.port.cluster)
        why = "has no local endpoints" if dropped else "has no endpoints"
        action = "DROP" if dropped else "REJECT"
        self.rules.filter[self.settings.chain(chain)].append(f"{_comment(f'{label} {why}')} {match} -j {action}")

    @property
    def _services(self) -> list[str]:
        return self.rules.nat[self.settings.chain("SERVICES")]

    # --- where it goes --------------------------------------------------------------------------------

    def _external(self) -> str:
        """The chain for traffic from outside; it may have to lose its source address on the way."""
        port, settings = self.port, self.settings
        chain = settings.hashed("EXT", *self.identity)
        rules = self.rules.nat.setdefault(chain, [])
        if not port.external_local:
            note = _comment(f"masquerade traffic for {port.label} external destinations")
            rules.append(f"{note} -j {self.masquerade}")
            rules.append(f"-j {self._balancing(local=False)}")
            return chain
        anywhere = self._balancing(local=False) if port.cluster else ""
        if anywhere:
            if settings.cluster_cidr:
                note = _comment(f"pod traffic for {port.label} external destinations")
                rules.append(f"{note} -s {settings.cluster_cidr} -j {anywhere}")
            note = _comment(f"masquerade LOCAL traffic for {port.label} external destinations")
            rules.append(f"{note} -m addrtype --src-type LOCAL -j {self.masquerade}")
            note = _comment(f"route LOCAL traffic for {port.label} external destinations")
            rules.append(f"{note} -m addrtype --src-type LOCAL -j {anywhere}")
        if port.local:
            rules.append(f"-j {self._balancing(local=True)}")
        return chain

    def _balancing(self, *, local: bool) -> str:
        """The chain that picks an endpoint, made when first asked for."""
        chain = self.settings.hashed("SVL" if local else "SVC", *self.identity)
        if chain not in self.rules.nat:
            endpoints = self.port.local if local else self.port.cluster
            self.rules.nat[chain] = list(self._picks(endpoints))
        return chain

    def _picks(self, endpoints: Sequence[Endpoint]) -> Iterable[str]:
        port = self.port
        chains = [(self._endpoint(e), _comment(f"{port.label} -> {e.address}")) for e in endpoints]
        if port.affinity_seconds:
            for chain, note in chains:
                yield (f"{note} -m recent --name {chain} --rcheck --seconds {port.affinity_seconds} --reap -j {chain}")
        for left, (chain, note) in zip(range(len(chains), 0, -1), chains, strict=True):
            if left > 1:
                yield f"{note} -m statistic --mode random --probability {1 / left:.10f} -j {chain}"
            else:
                yield f"{note} -j {chain}"

    def _endpoint(self, endpoint: Endpoint) -> str:
        chain = self.settings.hashed("SEP", *self.identity, endpoint.address)
        if chain not in self.rules.nat:
            note = _comment(self.port.label)
            remember = f"-m recent --name {chain} --set " if self.port.affinity_seconds else ""
            self.rules.nat[chain] = [
                # A pod that reaches itself through the service must see another source than itself.
                f"{note} -s {_host(endpoint.ip)} -j {self.masquerade}",
                f"{note} {remember}-p {self.protocol} -m {self.protocol} -j DNAT --to-destination {endpoint.address}",
            ]
        return chain


def _host(ip: str) -> str:
    return f"{ip}/128" if ":" in ip else f"{ip}/32"


def _comment(text: str) -> str:
    return f'-m comment --comment "{text}"'


def restore_input(old: Mapping[str, Mapping[str, Sequence[str]]], new: Ruleset) -> str:
    """What to feed to `iptables-restore --noflush` to get from the applied chains to the new: only what differs.

    `old` has the chains by table.  Empty when nothing differs.  One input is applied as a whole or not at all.
    """
    parts: list[str] = []
    for table, chains in new.tables():
        applied = old.get(table, {})
        changed = [name for name, rules in chains.items() if name not in applied or list(applied[name]) != rules]
        gone = [name for name in applied if name not in chains]
        if not changed and not gone:
            continue
        parts.append(f"*{table}")
        parts += [f":{name} - [0:0]" for name in (*changed, *gone)]
        parts += [f"-A {name} {rule}" for name in changed for rule in chains[name]]
        parts += [f"-X {name}" for name in gone]
        parts.append("COMMIT")
    return "\n".join(parts) + "\n" if parts else ""
