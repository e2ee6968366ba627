"""How fast nodes may be given up, by zone: when most of a zone is silent, the network is to blame and not the nodes.

https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.core_v1 import Node
from controller_manager.node_lifecycle.health import ready_status

_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


def zone_of(node: Node) -> str:
    labels = node.metadata.labels
    return f"{labels.get(_REGION, '')}:{labels.get(_ZONE, '')}"


@dataclass(frozen=True)
class Limits:
    """Rates are nodes a second; `unhealthy` is the share of nodes from which a zone counts as disrupted; zones of at
    most `large` nodes are not evicted from at all while they are."""

    rate: float = 0.1
    secondary_rate: float = 0.01
    unhealthy: float = 0.55
    large: int = 50


def rates(nodes: Iterable[Node], limits: Limits) -> dict[str, float]:
    """Nodes a second that may be given up, by zone.  0 everywhere when no node at all is ready: then it is we who
    are cut off."""
    counts: dict[str, tuple[int, int]] = {}
    for node in nodes:
        good, bad = counts.get(zone_of(node), (0, 0))
        is_ready = ready_status(node) == "True"
        counts[zone_of(node)] = (good + is_ready, bad + (not is_ready))
    if counts and not any(good for good, _ in counts.values()):
        return dict.fromkeys(counts, 0.0)
    return {zone: _rate(good, bad, limits) for zone, (good, bad) in counts.items()}


def _rate(good: int, bad: int, limits: Limits) -> float:
    if good == 0 or not (bad > 2 and bad / (good + bad) >= limits.unhealthy):
        return limits.rate
    return limits.secondary_rate if good + bad > limits.large else 0.0


class EvictionBudget:
    """A token bucket for each zone, one token large."""

    def __init__(self) -> None:
        self._tokens: dict[str, float] = {}
        self._filled_at = 0.0

    def refill(self, zone_rates: Mapping[str, float], now: float) -> None:
        passed, self._filled_at = now - self._filled_at, now
        self._tokens = {
            zone: min(1.0, self._tokens.get(zone, 1.0) + passed * rate) if rate else 0.0
            for zone, rate in zone_rates.items()
        }

    def take(self, zone: str) -> bool:
        """Whether a node of the zone may be given up now; if so, it is counted."""
        if self._tokens.get(zone, 0.0) < 1.0:
            return False
        self._tokens[zone] -= 1.0
        return True
