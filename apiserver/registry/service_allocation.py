"""Cluster addresses and node ports of Services: taken before a write, kept or given back after it.

All that is in use follows from the Services that exist, so nothing of it is stored: after a restart
`restore` takes everything again.  It runs in one event loop, between awaits: two requests never
allocate at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from api.core_v1 import Service
from api.errors import BadRequest, FieldError, InternalError, Invalid, invalid, invalid_value
from apiserver.registry.addresses import family, parse
from apiserver.registry.ip_allocator import AllocationError, IPAllocator
from apiserver.registry.port_allocator import PortAllocator
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
        """Take what existing services have; what two of them claim or is outside the ranges, is left alone."""
        for service in services:
            for text in _own_addresses(service):
                found = parse(text)
                if found is not None and family(text) in self.addresses:
                    with suppress(AllocationError):
                        self.addresses[family(text)].allocate(found)
            for port in _own_ports(service):
                with suppress(AllocationError):
                    self.ports.allocate(port)

    def create(self, service: Service) -> Finish:
        """Give a new service what it needs.  Raises Invalid or InternalError; nothing is taken then."""
        return self._allocate(service, None)

    def update(self, new: Service, old: Service) -> Finish:
        """Give a changed service what it needs now; what it no longer needs is free once the write succeeded."""
        return self._allocate(new, old)

    def release(self, service: Service) -> None:
        """Give back all that a deleted service had."""
        self._release(_own_addresses(service), _own_ports(service))

    def _allocate(self, new: Service, old: Service | None) -> Finish:
        had_addresses = set() if old is None else _own_addresses(old)
        had_ports = set() if old is None else _own_ports(old)
        addresses: set[str] = set()
        ports: set[int] = set()
        try:
            if needs_cluster_ip(new):
                self.settle_families(new, old)
                if not is_headless(new):
                    self._take_addresses(new, had_addresses, addresses)
            if may_have_node_ports(new):
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
                self._release(had_addresses - _own_addresses(new), had_ports - _own_ports(new))

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
        _refuse(new, list(validate_cluster_ips(new)))
        if old is not None and spec.ipFamilyPolicy == _SINGLE and old.spec.ipFamilyPolicy not in (None, _SINGLE):
            if spec.clusterIPs == old.spec.clusterIPs:
                spec.clusterIPs = spec.clusterIPs[:1]
            if spec.ipFamilies == old.spec.ipFamilies:
                spec.ipFamilies = spec.ipFamilies[:1]
        configured = list(self.addresses)
        headless = is_headless(new)
        if headless and not spec.selector:
            # Nobody but the user fills its endpoints: it may have both families even where the cluster has one.
            if spec.ipFamilyPolicy is None:
                spec.ipFamilyPolicy = _SINGLE if len(spec.ipFamilies) == 1 else _REQUIRE
            if not spec.ipFamilies:
                spec.ipFamilies = [configured[0]]
            if len(spec.ipFamilies) == 1 and spec.ipFamilyPolicy != _SINGLE:
                spec.ipFamilies = [*spec.ipFamilies, _other(spec.ipFamilies[0])]
            return
        if not headless:
            known = len(spec.ipFamilies)
            spec.ipFamilies = [*spec.ipFamilies, *(family(text) for text in spec.clusterIPs[known:])]
        if spec.ipFamilyPolicy is None:
            spec.ipFamilyPolicy = _SINGLE
        _refuse(new, self._complaints_about_families(new))
        if not spec.ipFamilies:
            spec.ipFamilies = [configured[0]]
        if spec.ipFamilyPolicy != _SINGLE and len(spec.ipFamilies) == 1 and len(configured) == 2:
            spec.ipFamilies = [*spec.ipFamilies, _other(spec.ipFamilies[0])]

    def _complaints_about_families(self, service: Service) -> list[FieldError]:
        spec = service.spec
        policy = spec.ipFamilyPolicy
        if policy == _SINGLE and len(spec.clusterIPs) > 1:
            return [invalid_value("spec.ipFamilyPolicy", policy, _SEVERAL.format("cluster IPs"))]
        if policy == _SINGLE and len(spec.ipFamilies) > 1:
            return [invalid_value("spec.ipFamilyPolicy", policy, _SEVERAL.format("IP families"))]
        if policy == _REQUIRE and len(self.addresses) < 2:
            detail = "this cluster is not configured for dual-stack services"
            return [invalid_value("spec.ipFamilyPolicy", policy, detail)]
        return [
            invalid_value(f"spec.ipFamilies[{index}]", name, "not configured on this cluster")
            for index, name in enumerate(spec.ipFamilies)
            if name not in self.addresses
        ]

    # --- addresses ------------------------------------------------------------------------------

    def _take_addresses(self, service: Service, had: set[str], taken: set[str]) -> None:
        spec = service.spec
        result: list[str] = []
        for index, name in enumerate(spec.ipFamilies):
            wanted = spec.clusterIPs[index] if index < len(spec.clusterIPs) else ""
            if wanted in had:
                result.append(wanted)
                continue
            allocator = self.addresses[name]
            found = parse(wanted) if wanted else None
            try:
                if found is None:
                    found = allocator.allocate_next()
                else:
                    allocator.allocate(found)
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

    # --- ports ----------------------------------------------------------------------------------

    def _take_node_ports(self, service: Service, had: set[int], taken: set[int]) -> None:
        ports = service.spec.ports
        for index, port in enumerate(ports):
            if port.nodePort and port.nodePort not in had and port.nodePort not in taken:
                try:
                    self.ports.allocate(port.nodePort)
                except AllocationError as error:
                    where = f"spec.ports[{index}].nodePort"
                    raise _invalid(service, [invalid_value(where, port.nodePort, str(error))]) from None
                taken.add(port.nodePort)
        if not needs_node_ports(service):
            return
        # The same port over another protocol shares its node port.
        by_port = {port.port: (port.nodePort, {port.protocol}) for port in ports if port.nodePort}
        for port in ports:
            if port.nodePort:
                continue
            number, protocols = by_port.get(port.port, (0, set()))
            if not number or port.protocol in protocols:
                try:
                    number, protocols = self.ports.allocate_next(), set()
                except AllocationError as error:
                    raise _internal(f"failed to allocate a nodePort: {error}") from None
                taken.add(number)
            port.nodePort = number
            by_port[port.port] = (number, protocols | {port.protocol})

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


def _own_addresses(service: Service) -> set[str]:
    if not needs_cluster_ip(service) or is_headless(service):
        return set()
    return set(service.spec.clusterIPs) or ({service.spec.clusterIP} - {""})


def _own_ports(service: Service) -> set[int]:
    ports = node_ports(service) if may_have_node_ports(service) else set()
    return ports | ({service.spec.healthCheckNodePort} - {0})


def _other(name: str) -> str:
    return "IPv6" if name == "IPv4" else "IPv4"


def _invalid(service: Service, errors: list[FieldError]) -> Invalid:
    return invalid("", "Service", service.metadata.name, errors)


def _refuse(service: Service, errors: list[FieldError]) -> None:
    if errors:
        raise _invalid(service, errors)


def _internal(message: str) -> InternalError:
    return InternalError(f"Internal error occurred: {message}")
