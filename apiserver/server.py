"""The running server: opens the store, puts the parts together, serves until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

import uvicorn

from api.clock import SystemClock
from api.core_v1 import Namespace
from api.errors import AlreadyExists
from api.scheme import RESOURCES, everyday_resources
from apiserver import bootstrap
from apiserver.admission.configuration import ConfigurationError, load
from apiserver.admission.plugin import AdmissionPlugin
from apiserver.admission.table import plugins
from apiserver.app import Application, with_filters
from apiserver.authorization.modes import authorizer_of
from apiserver.authorization.rbac import RBAC
from apiserver.authorization.requester import AuthorizedRequester
from apiserver.discovery import Discovery
from apiserver.dispatch import Dispatcher
from apiserver.endpoint import API, Endpoint
from apiserver.filters.authentication import (
    AuthenticationFilter,
    Authenticator,
    ClientCertificates,
    StaticTokens,
)
from apiserver.filters.authorization import AuthorizationFilter
from apiserver.filters.impersonation import ImpersonationFilter
from apiserver.filters.metrics import Metrics
from apiserver.flags import Options
from apiserver.handlers.connect import KubeletClient
from apiserver.handlers.create import create_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.write import Write
from apiserver.health import Health
from apiserver.local_api_services import local_api_service, local_versions
from apiserver.pki import Authority, KeyPair, issue_kubeconfigs
from apiserver.registry.strategy import Options as RegistryOptions
from apiserver.registry.table import Registry
from apiserver.request import ASGI, User
from apiserver.retention import expire_events
from apiserver.service_account_tokens import ServiceAccountTokens
from apiserver.storage.compactor import compact_regularly
from apiserver.storage.protocol import StoreError
from apiserver.storage.sqlite import SqliteStore
from apiserver.storage.watch_cache import WatchCache
from apiserver.tls import HTTPProtocol, WebSocketProtocol, server_context

log = logging.getLogger("apiserver")
SELF = User("system:apiserver", groups=("system:masters",))
_QUIET = 2.0  # seconds before what nobody has asked for yet is loaded
_DRAIN = 5  # seconds that requests get to finish in after SIGTERM


class StartError(Exception):
    """The server cannot start; the message says what to do about it."""


class Server:
    """One API server over one data folder."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = SystemClock()
        self.stopping = False
        self.metrics = Metrics()
        self._background: set[asyncio.Task[None]] = set()
        self._serving = asyncio.Event()
        self._has_roles = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.  Raises StartError, StoreError, PKIError, TokenFileError."""
        options = self.options
        sock = _listen(options.bind_address, options.secure_port)
        try:
            store = SqliteStore(options.data_dir / "state.db")
            await store.open()
            try:
                await self._serve(sock, store)
            finally:
                await store.close()
        finally:
            sock.close()

    async def _serve(self, sock: socket.socket, store: SqliteStore) -> None:
        options = self.options
        authority = Authority(options.data_dir / "pki", self.clock.now())
        serving = self._serving_pair(authority)
        kubelet_pair = authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
        cache = WatchCache(store)
        api, app = self._assemble(cache, authority, kubelet_pair)
        await cache.start()
        custom_resources = self._custom_resources(api)
        await self._create_built_in_objects(api)
        host = options.external_hostname or options.advertised
        port = sock.getsockname()[1]
        issue_kubeconfigs(
            authority, options.data_dir, f"https://{_bracketed(host)}:{port}", options.issue_kubeconfig_for
        )
        client_ca = options.client_ca_file or authority.pair.certificate
        config = uvicorn.Config(
            app,
            http=HTTPProtocol,
            ws=WebSocketProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN,
            timeout_keep_alive=120,
            ws_max_size=64 * 1024 * 1024,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
        )
        config.load()
        config.ssl = server_context(str(serving.certificate), str(serving.key), str(client_ca))
        server = uvicorn.Server(config)
        # What is here now stays: looking through it again and again costs a quarter of every write.  Objects
        # hold no cycles, so the collector may come seldom.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()
        self._keep(expire_events(cache, self.clock, options.event_ttl))
        self._keep(compact_regularly(store, self.clock))
        self._keep(self._create_roles(cache))
        self._keep(self._finish_start(api))
        self._keep(custom_resources)
        if options.check_policy_types:
            self._keep(self._check_policies(api))
        self._watch_signals(server, cache)
        ready = asyncio.create_task(self._announce(server, port))
        try:
            # uvicorn's own serve() takes over signals; its parts do the same without.
            await server._serve([sock])
        finally:
            ready.cancel()
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            await cache.stop()

    def _serving_pair(self, authority: Authority) -> KeyPair:
        options = self.options
        if options.tls_cert_file and options.tls_private_key_file:
            return KeyPair(options.tls_cert_file, options.tls_private_key_file)
        names = {
            "localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local", str(options.service_networks[0].network_address + 1),
            options.advertised, *options.tls_san,
        }  # fmt: skip
        if options.bind_address not in ("0.0.0.0", "::"):
            names.add(options.bind_address)
        if options.external_hostname:
            names.add(options.external_hostname)
        return authority.issue("apiserver", "kube-apiserver", [], names, client=False)

    def _assemble(self, cache: WatchCache, authority: Authority, kubelet_pair: KeyPair) -> tuple[API, ASGI]:
        options = self.options
        registry = Registry(RegistryOptions(options.service_networks, options.service_node_port_range))
        endpoints = [Endpoint(resource, registry, cache) for resource in registry.resources]
        for endpoint in endpoints:
            if endpoint.owns_storage and endpoint.resource.is_stored:
                cache.register(endpoint.prefix, endpoint.selectable_fields)
        authenticators: list[Authenticator] = [ClientCertificates()]
        if options.token_auth_file:
            authenticators.append(StaticTokens.from_file(options.token_auth_file))
        tokens = ServiceAccountTokens(
            options.data_dir / "pki/sa.key", self.clock, lambda model, ns, name: api.get_object(model, ns, name)
        )
        authenticators.append(tokens)
        roles = RBAC(cache)
        authorizer = authorizer_of(options.authorization_mode, roles, cache)
        authentication = AuthenticationFilter(_nothing, authenticators, anonymous=options.anonymous_auth)
        api = API(
            cache=cache,
            clock=self.clock,
            endpoints={(e.resource.group, e.resource.group_version.version, e.resource.plural): e for e in endpoints},
            admission=_admission(options),
            authenticate=authentication.authenticate,
            authorizer=authorizer,
            requester=lambda user: AuthorizedRequester(user, authorizer, roles),
            tokens=tokens,
            max_request_bytes=options.max_request_bytes,
        )
        kubelet = KubeletClient.create(
            str(authority.pair.certificate), str(kubelet_pair.certificate), str(kubelet_pair.key)
        )
        discovery = Discovery(RESOURCES, f"{options.advertised}:{options.secure_port}", api)

        def load_plain() -> ASGI:
            from apiserver.openapi import Documents
            from apiserver.plain import plain_endpoints

            return plain_endpoints(discovery, Documents(RESOURCES, api), self._health(cache), self.metrics)

        async def plain() -> ASGI:
            await self._serving.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_QUIET):  # loading it takes the processor from those who start now
                    await wanted.wait()
            return await asyncio.to_thread(load_plain)

        wanted = asyncio.Event()

        self.metrics.gauges.append(lambda: _object_counts(endpoints))
        self.metrics.gauges.append(lambda: _watch_events(api))
        app = with_filters(
            Application(plain(), wanted, Dispatcher(api, kubelet)),
            self.metrics,
            lambda inner: AuthenticationFilter(inner, authenticators, anonymous=options.anonymous_auth),
            lambda inner: ImpersonationFilter(inner, authorizer, self._has_roles),
            lambda inner: AuthorizationFilter(inner, authorizer, self._has_roles),
        )
        return api, app

    def _health(self, cache: WatchCache) -> Health:
        return Health(
            {
                "ping": lambda: "",
                "log": lambda: "",
                "etcd": lambda: str(cache.failure or ""),
                "etcd-readiness": lambda: str(cache.failure or ""),
                "informer-sync": lambda: "" if cache.revision else "the watch cache is not loaded",
                "shutdown": lambda: "shutting down" if self.stopping else "",
            }
        )

    async def _create_built_in_objects(self, api: API) -> None:
        """The namespaces and the `kubernetes` Service, where they do not exist yet."""
        options = self.options
        objects = list(bootstrap.objects(options.advertised, options.secure_port, options.service_cluster_ip_range))
        # Together, so that they share their syncs to disk; what lives in a namespace comes after it.
        for namespaces in (True, False):
            chosen = [obj for obj in objects if isinstance(obj, Namespace) is namespaces]
            await asyncio.gather(*(self._create_missing(api, obj) for obj in chosen))

    def _custom_resources(self, api: API) -> Coroutine[Any, Any, None]:
        """Serve at once what definitions define; returns what looks after them.  Without any, nothing is loaded."""
        prefix = api.endpoints["apiextensions.k8s.io", "v1", "customresourcedefinitions"].prefix
        since = api.cache.revision

        def load() -> Coroutine[Any, Any, None]:
            from apiserver.custom_resources.controller import Definitions

            definitions = Definitions(api, SELF)
            definitions.load()
            return definitions.run()

        async def first() -> None:
            await _until_some(api.cache, prefix, since)
            await load()

        return load() if api.cache.count(prefix) else first()

    async def _check_policies(self, api: API) -> None:
        """Without any policy, nothing is loaded."""
        endpoint = api.endpoints["admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"]
        await _until_some(api.cache, endpoint.prefix, api.cache.revision)
        from apiserver.admission.policies.status import PolicyStatus

        await PolicyStatus(api, SELF).run()

    async def _create_roles(self, cache: WatchCache) -> None:
        """Many objects, which can wait until the server serves: until they are there nobody is refused for want of
        them."""
        await self._serving.wait()
        from apiserver.authorization.bootstrap import ensure_roles

        try:
            await ensure_roles(cache, self.clock.now())
        except StoreError as error:
            log.error("the built-in roles could not be created: %s", error)
        self._has_roles.set()

    async def _finish_start(self, api: API) -> None:
        """What can wait until the server lets everybody do what they may, and a moment longer."""
        await self._has_roles.wait()
        for resource in everyday_resources():
            endpoint = api.endpoints[resource.group, resource.group_version.version, resource.plural]
            endpoint.load()
            await asyncio.sleep(0)  # whoever asks for something now does not wait for all of them
        await api.arrivals.bring(lambda: self._create_later_objects(api))

    async def _create_later_objects(self, api: API) -> None:
        from apiserver.flow_control.configuration import FlowControlConfiguration
        from apiserver.service_ranges import bring_in_step, keep_in_step

        flow_control = FlowControlConfiguration(api.cache, self.clock)
        try:
            await flow_control.ensure_built_in()
            await bring_in_step(api, SELF, self.options.service_networks)
            await asyncio.gather(*(self._create_missing(api, obj) for obj in bootstrap.later_objects()))
            await self._create_local_api_services(api)
        except StoreError as error:
            log.error("some built-in objects could not be created: %s", error)
        self._keep(flow_control.run())
        self._keep(keep_in_step(api, SELF, self.options.service_networks))

    async def _create_local_api_services(self, api: API) -> None:
        """Where all exist, which is so from the second start on, nothing is loaded for them."""
        services = api.endpoints["apiregistration.k8s.io", "v1", "apiservices"]
        versions = local_versions(RESOURCES)
        missing = [name for name in versions if api.cache.get(services.key("", name)) is None]
        await asyncio.gather(*(self._create_missing(api, local_api_service(name, versions[name])) for name in missing))

    @staticmethod
    async def _create_missing(api: API, obj: Any) -> None:
        endpoint = api.endpoint_of(type(obj))
        if api.cache.get(endpoint.key(obj.metadata.namespace, obj.metadata.name)) is not None:
            return
        options = WriteOptions(manager="kube-apiserver")
        write = Write(api, endpoint, SELF, options, obj.metadata.namespace, [], alone=True)
        with contextlib.suppress(AlreadyExists):
            await create_object(write, obj)

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _watch_signals(self, server: uvicorn.Server, cache: WatchCache) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if self.stopping:
                server.force_exit = True
            self.stopping = True
            server.should_exit = True
            cache.end_watches()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)

    async def _announce(self, server: uvicorn.Server, port: int) -> None:
        while not server.started:
            await self.clock.sleep(0.002)
        self._serving.set()
        log.info("serving on https://%s:%d", self.options.bind_address, port)
        if self.options.ready_fd is not None:
            os.write(self.options.ready_fd, b"\n")
            os.close(self.options.ready_fd)


def _admission(options: Options) -> list[AdmissionPlugin]:
    """Raises StartError."""
    try:
        configurations = load(options.admission_control_config_file)
        return plugins(options.enable_admission_plugins, options.disable_admission_plugins, configurations)
    except ConfigurationError as error:
        raise StartError(f"--admission-control-config-file: {error}") from None


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Stands behind a filter that is only asked, not passed through."""


async def _until_some(cache: WatchCache, prefix: str, since: int) -> None:
    """Until there is an object of the resource, of which nobody knew any at revision `since`."""
    while not cache.count(prefix):
        subscription = cache.watch(prefix, "", since)
        await subscription.next_batch()
        await subscription.aclose()


def _listen(address: str, port: int) -> socket.socket:
    """Raises StartError when the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
        sock.listen(1024)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or error
        raise StartError(
            f"cannot listen on {address} port {port}: {reason}; choose another with --secure-port"
        ) from None
    return sock


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _watch_events(api: API) -> Iterator[str]:
    yield "# TYPE apiserver_watch_events_total counter"
    for (group, version, resource), count in sorted(api.watch_events.items()):
        yield f'apiserver_watch_events_total{{group="{group}",resource="{resource}",version="{version}"}} {count}'


def _object_counts(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    yield "# TYPE apiserver_storage_objects gauge"
    for endpoint in endpoints:
        if endpoint.owns_storage and endpoint.resource.is_stored:
            count = endpoint.cache.count(endpoint.prefix)
            yield f'apiserver_storage_objects{{resource="{endpoint.resource.group_resource}"}} {count}'
