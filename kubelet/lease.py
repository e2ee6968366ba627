"""The node's heartbeat: a Lease that is renewed every ten seconds.

See https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats.
"""

from __future__ import annotations

from api.clock import Clock
from api.coordination_v1 import Lease, LeaseSpec
from api.errors import AlreadyExists, Conflict, NotFound
from api.meta_v1 import ObjectMeta, OwnerReference
from client.rest import RestClient

NAMESPACE = "kube-node-lease"
DURATION_SECONDS = 40
RENEW_EVERY = 10.0


class NodeLease:
    """One node's Lease."""

    def __init__(self, client: RestClient, clock: Clock, node_name: str) -> None:
        self._client, self._clock, self._name = client, clock, node_name
        self._lease: Lease | None = None
        self.node_uid = ""

    async def renew(self) -> None:
        """Tell that the node lives.  Raises StatusError, Unreachable."""
        if self._lease is None:
            self._lease = await self._create()
            return
        spec = self._lease.spec.model_copy(update={"renewTime": self._clock.now()})
        lease = self._lease.model_copy(update={"spec": spec})
        try:
            self._lease = await self._client.update(lease)
        except (Conflict, NotFound):
            self._lease = None
            await self.renew()

    async def _create(self) -> Lease:
        owners = []
        if self.node_uid:
            owners = [OwnerReference(apiVersion="v1", kind="Node", name=self._name, uid=self.node_uid)]
        lease = Lease(
            metadata=ObjectMeta(name=self._name, namespace=NAMESPACE, ownerReferences=owners),
            spec=LeaseSpec(
                holderIdentity=self._name, leaseDurationSeconds=DURATION_SECONDS, renewTime=self._clock.now()
            ),
        )
        try:
            return await self._client.create(lease)
        except AlreadyExists:
            existing = await self._client.get(Lease, self._name, NAMESPACE)
            existing.spec = lease.spec
            existing.metadata.ownerReferences = owners or existing.metadata.ownerReferences
            return await self._client.update(existing)
