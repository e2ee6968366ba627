"""Gives services of type LoadBalancer one, and takes it away when they go.

https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.core_v1 import LoadBalancerStatus, Node, Service
from api.errors import NotFound
from client.controller import Controller, Key, NotYet, Watches
from client.store import key_of
from cloud_controller_manager.provider import LoadBalancers, Unavailable

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
_GOING = "ToBeDeletedByClusterAutoscaler"


class ServiceController(Controller):
    name = "service-lb-controller"

    def __init__(self, *common: Any, load_balancers: LoadBalancers) -> None:
        self.load_balancers = load_balancers
        self._nodes_of: dict[Key, tuple[str, ...]] = {}
        """The nodes that each service's load balancer leads to."""
        self._written: dict[Key, int] = {}
        """The resource version that each service got by this controller's last write."""
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.services = watch(Service, enqueue=_balanced)
        self.nodes = watch(Node, enqueue=self._node_changed, delay=1.0)

    async def run(self) -> None:
        await self._watches.synced()
        self.load_balancers.adopt(self.services.list())
        await super().run()

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        """Load balancers lead to other nodes when some come, go or are (no longer) left out."""
        before, after = (node is not None and takes_traffic(node) for node in (old, new))
        if before != after:
            yield from [key_of(service) for service in self.services if wants_load_balancer(service)]

    async def reconcile(self, key: Key) -> None:
        service = self.services.get(key)
        if service is None:
            self._nodes_of.pop(key, None)
            self._written.pop(key, None)
            return
        if int(service.metadata.resourceVersion) < self._written.get(key, 0):
            return  # what was written is on the way and brings us back
        leaving = service.metadata.deletionTimestamp is not None
        try:
            if wants_load_balancer(service) and not leaving:
                await self._ensure(service)
            elif FINALIZER in service.metadata.finalizers:
                await self._delete(service)
        except NotFound:
            return
        except Exception as error:
            self.events.event(service, "Warning", "SyncLoadBalancerFailed", f"Error syncing load balancer: {error}")
            if isinstance(error, Unavailable):
                raise NotYet(str(error)) from error
            raise

    async def _ensure(self, service: Service) -> None:
        nodes = [node for node in self.nodes if takes_traffic(node)]
        names = tuple(sorted(node.metadata.name for node in nodes))
        there = await self.load_balancers.get(service)
        same = there == service.status.loadBalancer and FINALIZER in service.metadata.finalizers
        if same and self._nodes_of.get(key_of(service)) == names and not _wants_another_address(service):
            return
        first = key_of(service) not in self._nodes_of or not same
        if first:
            self.events.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        if FINALIZER not in service.metadata.finalizers:
            service = await self._patch(service, finalizers=[*service.metadata.finalizers, FINALIZER])
        if not nodes:
            message = "There are no available nodes for LoadBalancer"
            self.events.event(service, "Warning", "UnAvailableLoadBalancer", message)
        status = await self.load_balancers.ensure(service, nodes)
        self._nodes_of[key_of(service)] = names
        if status != service.status.loadBalancer:
            await self._patch(service, status=status)
        if first:
            self.events.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
        else:
            self.events.event(service, "Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts")

    async def _delete(self, service: Service) -> None:
        self._nodes_of.pop(key_of(service), None)
        if await self.load_balancers.get(service) is not None:
            self.events.event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
            await self.load_balancers.delete(service)
        left = [finalizer for finalizer in service.metadata.finalizers if finalizer != FINALIZER]
        await self._patch(service, finalizers=left, status=LoadBalancerStatus())
        self.events.event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")

    async def _patch(
        self, service: Service, *, finalizers: list[str] | None = None, status: LoadBalancerStatus | None = None
    ) -> Service:
        """Through the status: it is all of a service that the controller may write."""
        meta = service.metadata
        body: dict[str, Any] = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion}}
        if finalizers is not None:
            body["metadata"]["finalizers"] = finalizers or None
        if status is not None:
            body["status"] = {"loadBalancer": status.to_dict() or None}
        written = await self.client.patch(Service, meta.name, meta.namespace, body, subresource="status")
        self._written[key_of(service)] = int(written.metadata.resourceVersion)
        return written


def _balanced(old: Service | None, new: Service | None) -> Iterable[Key]:
    service = new or old
    if service is not None and (wants_load_balancer(service) or FINALIZER in service.metadata.finalizers):
        yield key_of(service)


def wants_load_balancer(service: Service) -> bool:
    """Services of a class are another controller's."""
    return service.spec.type == "LoadBalancer" and service.spec.loadBalancerClass is None


def _wants_another_address(service: Service) -> bool:
    wish = service.spec.loadBalancerIP
    return bool(wish) and wish not in [ingress.ip for ingress in service.status.loadBalancer.ingress]


def takes_traffic(node: Node) -> bool:
    """Whether load balancers lead to a node."""
    return (
        node.metadata.deletionTimestamp is None
        and EXCLUDED not in node.metadata.labels
        and not any(taint.key == _GOING for taint in node.spec.taints)
    )
