"""Leases: who leads, who is alive (coordination.k8s.io/v1)."""

from api.meta_v1 import ObjectMeta
from api.model import Int32, MicroTime, Model, struct


class LeaseSpec(Model):
    """Who holds a lease, and since when.

    acquireTime: When the holder took it.
    holderIdentity: Who holds it.
    leaseDurationSeconds: Seconds after renewTime at which it may be taken by another.
    leaseTransitions: How often it changed hands.
    preferredHolder: Who should have it next.
    renewTime: When the holder last confirmed it.
    strategy: How a new holder is chosen.
    """

    acquireTime: MicroTime | None = None
    holderIdentity: str | None = None
    leaseDurationSeconds: Int32 | None = None
    leaseTransitions: Int32 | None = None
    preferredHolder: str | None = None
    renewTime: MicroTime | None = None
    strategy: str | None = None


class Lease(Model):
    """Something only one can hold at a time: leadership, or the sign of life of a node.

    spec: Who holds it.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: LeaseSpec = struct()
