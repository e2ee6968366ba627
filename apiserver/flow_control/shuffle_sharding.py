"""Which queues a flow may use: a hand of cards, dealt from the deck of queues by the flow's hash.

Two flows rarely get the same hand, so a flow that fills its own queues leaves every other one a queue that is free
(https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#queuing).
"""

from __future__ import annotations

import hashlib


def flow_hash(schema: str, distinguisher: str) -> int:
    """64 bits that are the same wherever the flow is met."""
    digest = hashlib.sha256(f"{schema}\0{distinguisher}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def deal(value: int, deck_size: int, hand_size: int) -> tuple[int, ...]:
    """So many different numbers below `deck_size`, every hand as likely as any other."""
    hand: list[int] = []
    for dealt in range(min(hand_size, deck_size)):
        value, card = divmod(value, deck_size - dealt)
        # `card` counts the cards that are left: pass over those that are gone.
        for gone in sorted(hand):
            card += card >= gone
        hand.append(card)
    return tuple(hand)
