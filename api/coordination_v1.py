"""Leases: who leads, who is alive (coordination.k8s.io/v1)."""

from api.meta_v1 import ObjectMeta
from api.model import Int32, MicroTime, Model, struct


class LeaseSpec(Model):
    acquireTime: MicroTime | None = None
    holderIdentity: str | None = None
    leaseDurationSeconds: Int32 | None = None
    leaseTransitions: Int32 | None = None
    preferredHolder: str | None = None
    renewTime: MicroTime | None = None
    strategy: str | None = None


class Lease(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: LeaseSpec = struct()
