"""Cluster addresses and node ports of Services: taken before a write, kept or given back after it.

What Services have in use follows from those that exist: after a restart `restore` takes everything again.  It runs in
one event loop, between awaits: two requests never allocate at once.  Addresses are IPAddress objects as well, for
everybody to see (KEP-1880): whoever creates one takes the address, and whoever creates a ServiceCIDR adds a range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from api.core_v1 import Service
from api.errors import BadRequest, FieldError, InternalError, Invalid, invalid, invalid_value
from apiserver.registry.addresses import Address, family, parse
from apiserver.registry.ip_allocator import ALLOCATED, FULL, AllocationError, IPAllocator
from apiserver.registry.port_allocator import PortAllocator
from apiserver.registry.service_addresses import ClusterAddresses
from apiserver.registry.service_fields import (
    is_headless,
    may_have_node_ports,
    needs_cluster_ip,
    needs_health_check_port,
    needs_node_ports,
    node_ports,
)
from apiserver.registry.service_validation import validate_cluster_ips
from apiserver.registry.strategy import Finish, Network

_SINGLE, _PREFER, _REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
_SEVERAL = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"


class ServiceAllocation:
    """What is in use of `--service-cluster-ip-range` and `--service-node-port-range`."""

    def __init__(self, networks: Iterable[Network], ports: range) -> None:
        self.addresses = {f"IPv{network.version}": IPAllocator(network) for network in networks}
        self.ports = PortAllocator(ports)

    def restore(self, services: Iterable[Service]) -> None:
        """Take what existing services have; what two of them claim is taken once."""
        for service in services:
            for text in own_addresses(service):
                found = parse(text)
                if found is not None and family(text) in self.addresses:
                    self.addresses[family(text)].used.add(int(found))
            for port in _own_ports(service):
                with suppress(AllocationError):
                    self.ports.allocate(port)

    def create(self, service: Service, others: ClusterAddresses) -> Finish:
        """Give a new service what it needs.  Raises Invalid or InternalError; nothing is taken then."""
        return self._allocate(service, None, others)

    def update(self, new: Service, old: Service, others: ClusterAddresses) -> Finish:
        """Give a changed service what it needs now; what it no longer needs is free once the write succeeded."""
        return self._allocate(new, old, others)

    def release(self, service: Service) -> None:
        """Give back all that a deleted service had."""
        self._release(own_addresses(service), _own_ports(service))

    def _allocate(self, new: Service, old: Service | None, others: ClusterAddresses) -> Finish:
        had_addresses = set() if old is None else own_addresses(old)
        had_ports = set() if old is None else _own_ports(old)
        addresses: set[str] = set()
        ports: set[int] = set()
        try:
            if needs_cluster_ip(new):
                self.settle_families(new, old)
                if not is_headless(new):
                    self._take_addresses(new, old, addresses, others)
            if may_have_node_ports(new):
                if old is None:
                    self._take_first_node_ports(new, ports)
                else:
                    self._take_node_ports(new, had_ports, ports)
            if needs_health_check_port(new):
                self._take_health_check_port(new, had_ports | ports, ports)
        except BaseException:
            self._release(addresses, ports)
            raise

        def finish(written: bool) -> None:
            if not written:
                self._release(addresses, ports)
            else:
                self._release(had_addresses - own_addresses(new), had_ports - _own_ports(new))

        return finish

    def _release(self, addresses: Iterable[str], ports: Iterable[int]) -> None:
        for text in addresses:
            found = parse(text)
            if found is not None and family(text) in self.addresses:
                self.addresses[family(text)].release(found)
        for port in ports:
            self.ports.release(port)

    # --- families (KEP-563) ---------------------------------------------------------------------

    def settle_families(self, new: Service, old: Service | None) -> None:
        """Decide ipFamilies and ipFamilyPolicy where the client left them open, and refuse what the cluster
        has no range for."""
        spec = new.spec
        bare = is_headless(new) and not spec.selector
        if spec.ipFamilyPolicy is None:
            # Nobody but the user fills the endpoints of a bare one: it may have both families even where the cluster
            # has one.
            former = None if old is None else old.spec.ipFamilyPolicy
            spec.ipFamilyPolicy = former or (_REQUIRE if bare else _SINGLE)
        _refuse(new, list(validate_cluster_ips(new)))
        complaints: list[FieldError] = []
        if old is not None and spec.ipFamilyPolicy == _SINGLE:
            if spec.clusterIPs == old.spec.clusterIPs:
                spec.clusterIPs = spec.clusterIPs[:1]
            if spec.ipFamilies == old.spec.ipFamilies:
                spec.ipFamilies = spec.ipFamilies[:1]
        elif old is not None:
            complaints += _complain_of_loss(new, old)
        if spec.ipFamilyPolicy == _SINGLE:
            for values, called in ((spec.clusterIPs, "cluster IPs"), (spec.ipFamilies, "IP families")):
                if len(values) == 2:
                    complaints.append(
                        invalid_value("spec.ipFamilyPolicy", spec.ipFamilyPolicy, _SEVERAL.format(called))
                    )
        complaints += self._infer_families(new)
        _refuse(new, complaints)
        configured = list(self.addresses)
        if not bare:
            _refuse(new, self._complaints_about_families(new))
        if not spec.ipFamilies:
            spec.ipFamilies = [configured[0]]
        if spec.ipFamilyPolicy != _SINGLE and len(spec.ipFamilies) == 1 and (bare or len(configured) == 2):
            spec.ipFamilies = [*spec.ipFamilies, _other(spec.ipFamilies[0])]

    def _infer_families(self, service: Service) -> Iterator[FieldError]:
        """Take over the families of the addresses that the client asks for."""
        spec = service.spec
        if is_headless(service):
            return
        for index, text in enumerate(spec.clusterIPs):
            if index >= len(spec.ipFamilies):
                if family(text) in self.addresses:
                    spec.ipFamilies = [*spec.ipFamilies, family(text)]
                else:
                    detail = f"{family(text)} is not configured on this cluster"
                    yield invalid_value(f"spec.clusterIPs[{index}]", list(spec.clusterIPs), detail)

    def _complaints_about_families(self, service: Service) -> list[FieldError]:
        spec = service.spec
        complaints = []
        if spec.ipFamilyPolicy == _REQUIRE and len(self.addresses) < 2:
            detail = "this cluster is not configured for dual-stack services"
            complaints.append(invalid_value("spec.ipFamilyPolicy", spec.ipFamilyPolicy, detail))
        for index, name in enumerate(spec.ipFamilies):
            if name not in self.addresses:
                where = f"spec.ipFamilies[{index}]"
                complaints.append(invalid_value(where, name, "not configured on this cluster"))
        return complaints

    # --- addresses ------------------------------------------------------------------------------

    def _take_addresses(self, service: Service, old: Service | None, taken: set[str], others: ClusterAddresses) -> None:
        spec = service.spec
        settled = 0  # the addresses of a service cannot change, as validation says: only a second one is given later
        if old is not None and needs_cluster_ip(old):
            if is_headless(old):
                return
            settled = len(old.spec.ipFamilies)
        result: list[str] = []
        for index, name in enumerate(spec.ipFamilies):
            wanted = spec.clusterIPs[index] if index < len(spec.clusterIPs) else ""
            if index < settled:
                result.append(wanted)
                continue
            found = parse(wanted) if wanted else None
            try:
                if found is None:
                    found = self._any_address(name, others)
                else:
                    self._take_address(name, found, others)
            except AllocationError as error:
                if wanted:
                    detail = f"failed to allocate IP {wanted}: {error}"
                    raise _invalid(service, [invalid_value("spec.clusterIPs", list(spec.clusterIPs), detail)]) from None
                raise _internal(f"failed to allocate a serviceIP: {error}") from None
            text = wanted or str(found)
            taken.add(text)
            result.append(text)
        spec.clusterIPs = result
        spec.clusterIP = result[0]

    def _take_address(self, name: str, address: Address, others: ClusterAddresses) -> None:
        """Raises AllocationError."""
        if others.is_taken(address):
            raise AllocationError(ALLOCATED)
        allocators = self._allocators(name, others)
        next((a for a in allocators if a.has(address)), self.addresses[name]).allocate(address)

    def _any_address(self, name: str, others: ClusterAddresses) -> Address:
        """Raises AllocationError."""
        for allocator in self._allocators(name, others):
            with suppress(AllocationError):
                return allocator.allocate_next(others.is_taken)
        raise AllocationError(FULL)

    def _allocators(self, name: str, others: ClusterAddresses) -> Iterator[IPAllocator]:
        """Those of one family; who finds something in the first need not look at others."""
        own = self.addresses[name]
        yield own
        for network in others.ranges():
            if network.version == own.network.version and network != own.network:
                yield IPAllocator(network, own.used)

    # --- ports ----------------------------------------------------------------------------------

    def _take_first_node_ports(self, service: Service, taken: set[int]) -> None:
        """The same port over another protocol shares its node port."""
        ports = service.spec.ports
        wishes = {port.port: port.nodePort for port in reversed(ports) if port.nodePort}
        numbers: dict[int, int] = {}
        for index, port in enumerate(ports):
            if not port.nodePort and not needs_node_ports(service):
                continue
            if port.port not in numbers:
                port.nodePort = numbers[port.port] = self._take_node_port(service, index, wishes.get(port.port), taken)
            elif not port.nodePort:
                port.nodePort = numbers[port.port]
            elif port.nodePort != numbers[port.port]:
                self._take_node_port(service, index, port.nodePort, taken)

    def _take_node_ports(self, service: Service, had: set[int], taken: set[int]) -> None:
        """Of a service that exists: each port has its own node port, unless the client shares one between protocols."""
        seen: set[tuple[str, int]] = set()
        for index, port in enumerate(service.spec.ports):
            if not port.nodePort and not needs_node_ports(service):
                continue
            if port.nodePort not in had | taken:
                port.nodePort = self._take_node_port(service, index, port.nodePort or None, taken)
            if (port.protocol, port.nodePort) in seen:
                # The client's mistake, for which Kubernetes answers 500.
                raise BadRequest(f"duplicate nodePort: {{{port.protocol} {port.nodePort}}}")
            seen.add((port.protocol, port.nodePort))

    def _take_node_port(self, service: Service, index: int, wanted: int | None, taken: set[int]) -> int:
        """Raises Invalid where the wish cannot be granted, InternalError where there is nothing left."""
        try:
            if wanted is None:
                wanted = self.ports.allocate_next()
            else:
                self.ports.allocate(wanted)
        except AllocationError as error:
            if wanted is None:
                raise _internal(f"failed to allocate a nodePort: {error}") from None
            raise _invalid(service, [invalid_value(f"spec.ports[{index}].nodePort", wanted, str(error))]) from None
        taken.add(wanted)
        return wanted

    def _take_health_check_port(self, service: Service, had: set[int], taken: set[int]) -> None:
        wanted = service.spec.healthCheckNodePort
        if wanted and wanted in had:
            return
        try:
            if wanted:
                self.ports.allocate(wanted)
            else:
                wanted = service.spec.healthCheckNodePort = self.ports.allocate_next()
        except AllocationError as error:
            if wanted:  # the client's mistake, for which Kubernetes answers 500
                raise BadRequest(f"failed to allocate requested HealthCheck NodePort {wanted}: {error}") from None
            raise _internal(f"failed to allocate a HealthCheck NodePort: {error}") from None
        taken.add(wanted)


def own_addresses(service: Service) -> set[str]:
    """The cluster addresses of a service."""
    if not needs_cluster_ip(service) or is_headless(service):
        return set()
    return set(service.spec.clusterIPs) or ({service.spec.clusterIP} - {""})


def _own_ports(service: Service) -> set[int]:
    ports = node_ports(service) if may_have_node_ports(service) else set()
    return ports | ({service.spec.healthCheckNodePort} - {0})


def _complain_of_loss(new: Service, old: Service) -> Iterator[FieldError]:
    for field, called in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        after, before = getattr(new.spec, field), getattr(old.spec, field)
        if 0 < len(after) < len(before):
            detail = f"must be 'SingleStack' to release the secondary {called}"
            yield invalid_value("spec.ipFamilyPolicy", new.spec.ipFamilyPolicy, detail)


def _other(name: str) -> str:
    return "IPv6" if name == "IPv4" else "IPv4"


def _invalid(service: Service, errors: list[FieldError]) -> Invalid:
    return invalid("", "Service", service.metadata.name, errors)


def _refuse(service: Service, errors: list[FieldError]) -> None:
    if errors:
        raise _invalid(service, errors)


def _internal(message: str) -> InternalError:
    return InternalError(f"Internal error occurred: {message}")
