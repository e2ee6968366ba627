"""What ends the search for devices early."""

from __future__ import annotations


class AllocationError(Exception):
    """Something is wrong with a claim or a class, so that no other node needs to be tried."""


class OnlyThisNode(Exception):
    """The devices of this node cannot be had; others may do."""
