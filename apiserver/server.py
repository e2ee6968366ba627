"""The running server: opens the store, puts the parts together, serves until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config

from api.clock import SystemClock
from api.core_v1 import Namespace
from api.errors import AlreadyExists
from api.garbage import collect_seldom
from api.scheme import RESOURCES
from apiserver import bootstrap
from apiserver.admission.configuration import load
from apiserver.admission.table import plugins
from apiserver.app import Application, AuditFilters, with_filters
from apiserver.arrivals import load_everyday
from apiserver.authentication.chain import authentication, noting_use, service_account_tokens
from apiserver.authorization.modes import authorization
from apiserver.authorization.rbac import RBAC
from apiserver.authorization.requester import AuthorizedRequester
from apiserver.discovery import Discovery
from apiserver.dispatch import Dispatcher
from apiserver.draining import DrainingServer
from apiserver.endpoint import API
from apiserver.filters.authentication import AuthenticationFilter, Authenticator, ClientCertificates
from apiserver.filters.authorization import AuthorizationFilter
from apiserver.filters.impersonation import ImpersonationFilter
from apiserver.filters.metrics import Metrics
from apiserver.flags import Options
from apiserver.gauges import object_counts, of_process, watch_events
from apiserver.handlers.connect import KubeletClient
from apiserver.handlers.create import create_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.write import Write
from apiserver.health import health_of
from apiserver.local_api_services import has_remote, missing_services
from apiserver.pki import Authority, KeyPair, PKIError, issue_kubeconfigs
from apiserver.raw_endpoint import endpoint_of
from apiserver.registry.strategy import Options as RegistryOptions
from apiserver.registry.table import Registry
from apiserver.request import ASGI, User
from apiserver.retention import expire_events
from apiserver.start_work import StartWork
from apiserver.storage.compactor import compact_regularly
from apiserver.storage.protocol import Store
from apiserver.storage.sqlite import SqliteStore
from apiserver.storage.watch_cache import IsStale, WatchCache
from apiserver.tls import HTTPProtocol, ServerContext, server_context, web_socket_protocol

if TYPE_CHECKING:
    from apiserver.audit.backend import Backend
    from apiserver.flow_control.controller import FlowController
    from apiserver.front_proxy import FrontProxyIdentity

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
        self._start_work = StartWork()
        self._followers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What takes over the changes of files of configuration."""
        self._is_stale: IsStale | None = None
        self._front_proxy: Callable[[], FrontProxyIdentity]
        self._flows: FlowController | None = None
        self._audit: Backend | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises StartError, StoreError, PKIError, TokenFileError, ConfigurationError.
        """
        options = self.options
        sock = _listen(options.bind_address, options.secure_port)
        try:
            erases = options.encryption_provider_config is not None  # what was plain is not to be found in free pages
            sqlite = SqliteStore(options.data_dir / "state.db", erases=erases, is_alone=self.metrics.one_in_flight)
            store = self._store(sqlite)
            await store.open()
            try:
                await self._serve(sock, store)
            finally:
                await store.close()
        finally:
            sock.close()

    def _store(self, plain: Store) -> Store:
        """The store with what the encryption configuration puts in front of it.  Raises ConfigurationError."""
        if self.options.encryption_provider_config is None:
            return plain
        from apiserver.encryption.store import EncryptedStore

        store = EncryptedStore(plain, self.options.encryption_provider_config)
        self._is_stale = store.is_stale
        if self.options.encryption_provider_config_automatic_reload:
            self._keep(store.reload_regularly(self.clock))
        return store

    async def _serve(self, sock: socket.socket, store: Store) -> None:
        options = self.options
        authority = Authority(options.data_dir / "pki", self.clock.now())
        serving = self._serving_pair(authority)
        kubelet_pair = authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
        cache = WatchCache(store, is_stale=self._is_stale)
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
        config = Config(
            app,
            http=HTTPProtocol,
            ws=web_socket_protocol,  # type: ignore[arg-type]
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
        config.ssl = context = server_context(str(serving.certificate), str(serving.key), str(client_ca))
        self._front_proxy = functools.cache(lambda: self._become_front_proxy(context, client_ca))
        if options.requestheader_client_ca_file is not None or options.proxy_client_cert_file is not None:
            self._front_proxy()  # what is wrong with these files is said at once
        server = DrainingServer(config, cache.end_watches)
        collect_seldom()
        gc.enable()
        self._keep(expire_events(cache, self.clock, options.event_ttl))
        self._keep(compact_regularly(store, self.clock))
        self._keep(self._create_roles(cache))
        self._keep(self._make_token_key(api))
        if options.client_ca_file is not None:
            from apiserver.client_ca import follow_client_ca

            self._followers.append(
                lambda: follow_client_ca(
                    context, client_ca, self.clock, lambda: self._front_proxy().publish(cache, self.clock)
                )
            )
        for each in self._followers:
            self._keep(each())
        self._keep(self._finish_start(api))
        self._keep(custom_resources)
        if options.check_policy_types:
            self._keep(self._check_policies(api))
        self._keep(self._aggregate(api))
        self._watch_signals(server)
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
            if self._audit is not None:
                await self._audit.close()

    def _become_front_proxy(self, context: ServerContext, client_ca: Path) -> FrontProxyIdentity:
        """Raises PKIError."""
        from apiserver.front_proxy import FrontProxyIdentity  # nobody waits for it at the start

        return FrontProxyIdentity(self.options, client_ca, self.clock.now()).admitted_to(context)

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
        endpoints = [endpoint_of(resource, registry, cache) for resource in registry.resources]
        for endpoint in endpoints:
            if endpoint.owns_storage and endpoint.resource.is_stored:
                selectable = registry.has_selectable_fields(endpoint.resource)
                cache.register(endpoint.prefix, endpoint.selectable_fields if selectable else None)
        tokens = service_account_tokens(
            options.authentication,
            options.data_dir / "pki/sa.key",
            self.clock,
            lambda model, namespace, name: api.peek(model, namespace, name),
        )
        authn = authentication(options.authentication, tokens, self.clock)
        bearers = authn.bearers
        authenticators: list[Authenticator] = [ClientCertificates(), bearers]
        roles = RBAC(cache)
        authz = authorization(options.authorization_mode, options.authentication, roles, cache, self.clock)
        authorizer = authz.authorizer
        self._followers += [each.follow for each in (authn, authz) if each.follow is not None]
        api = API(
            cache=cache,
            clock=self.clock,
            endpoints={(e.resource.group, e.resource.group_version.version, e.resource.plural): e for e in endpoints},
            admission=plugins(
                options.enable_admission_plugins,
                options.disable_admission_plugins,
                {
                    **load(options.admission_control_config_file),
                    "DefaultTolerationSeconds": {
                        "not_ready": options.default_not_ready_toleration_seconds,
                        "unreachable": options.default_unreachable_toleration_seconds,
                    },
                },
            ),
            bearers=bearers,
            authorizer=authorizer,
            requester=lambda user: AuthorizedRequester(user, authorizer, roles),
            tokens=tokens,
            max_request_bytes=options.max_request_bytes,
            disabled=frozenset(options.disable_admission_plugins),
        )
        tokens.used = noting_use(api, SELF, self._keep)
        kubelet_ca = options.kubelet_certificate_authority
        kubelet = KubeletClient.create(
            str(authority.pair.certificate) if kubelet_ca is None else kubelet_ca,
            options.kubelet_client_certificate or kubelet_pair.certificate,
            options.kubelet_client_key or kubelet_pair.key,
            options.kubelet_preferred_address_types,
        )
        discovery = Discovery(RESOURCES, f"{options.advertised}:{options.secure_port}", api)
        issuer = tokens.issuer(f"{_bracketed(options.external_hostname or options.advertised)}:{options.secure_port}")

        def load_plain() -> ASGI:
            from apiserver.openapi import Documents
            from apiserver.plain import plain_endpoints

            documents = Documents(RESOURCES, api, has_issuer=issuer.is_published)
            health = health_of(cache, self._start_work, lambda: self.stopping)
            return plain_endpoints(api, discovery, documents, health, self.metrics, issuer, self._dump_flows)

        async def plain() -> ASGI:
            await self._serving.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_QUIET):  # loading it takes the processor from those who start now
                    await wanted.wait()
            return await asyncio.to_thread(load_plain)

        wanted = asyncio.Event()
        self.metrics.gauges.append(lambda: object_counts(api))
        self.metrics.gauges.append(lambda: watch_events(api))
        self.metrics.gauges.append(functools.partial(of_process, self.clock.now().timestamp()))
        app = with_filters(
            Application(plain(), wanted, Dispatcher(api, kubelet)),
            self.metrics,
            lambda inner: AuthenticationFilter(inner, authenticators, anonymous=authn.anonymous),
            lambda inner: ImpersonationFilter(inner, authorizer, self._has_roles),
            self._flow_control(cache),
            lambda inner: AuthorizationFilter(inner, authorizer, self._has_roles),
            self._audit_filters(),
        )
        return api, app

    def _audit_filters(self) -> AuditFilters | None:
        """What records requests, where the flags say so.  Raises ConfigurationError."""
        options = self.options.audit
        if options is None:
            return None
        from apiserver.audit.policy import read_policy
        from apiserver.audit.start import start_backend
        from apiserver.filters.audit import AuditFilter, FailedAuthenticationFilter

        policy = read_policy(options.policy_file)
        backend = self._audit = start_backend(options, self.clock)
        self.metrics.gauges.append(backend.metrics)
        return AuditFilters(
            lambda inner: AuditFilter(inner, policy, backend, self.clock),
            lambda inner: FailedAuthenticationFilter(inner, policy, backend, self.clock),
        )

    def _flow_control(self, cache: WatchCache) -> Callable[[ASGI], ASGI]:
        """The filter that limits what is done at once."""
        options = self.options
        reading, mutating = options.max_requests_inflight, options.max_mutating_requests_inflight
        if not options.enable_priority_and_fairness:
            from apiserver.filters.max_in_flight import MaxInFlightFilter

            return lambda inner: MaxInFlightFilter(inner, reading, mutating)
        from apiserver.filters.flow_control import FlowControlFilter
        from apiserver.flow_control.controller import FlowController
        from apiserver.flow_control.turns import Turns

        turns = Turns(asyncio.get_running_loop().call_soon)
        controller = self._flows = FlowController(cache, reading + mutating, self.clock.monotonic, turns)
        self.metrics.gauges.append(controller.metrics)
        self._keep(controller.run(self.clock))
        return lambda inner: FlowControlFilter(inner, controller, cache)

    def _dump_flows(self, which: str, details: bool) -> str | None:
        """A table of what waits and runs; None where there is no such table."""
        from apiserver.flow_control.dumps import dump

        if self._flows is None:
            return None
        levels, now = self._flows.levels.values(), self.clock.now()
        return dump(which, levels, self.clock.monotonic(), now, details=details)

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
            await api.cache.until_some(prefix, since)
            await load()

        return load() if api.cache.count(prefix) else first()

    async def _check_policies(self, api: API) -> None:
        """Without any policy, nothing is loaded."""
        endpoint = api.endpoints["admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"]
        await api.cache.until_some(endpoint.prefix, api.cache.revision)
        from apiserver.admission.policies.status import PolicyStatus

        await PolicyStatus(api, SELF).run()

    async def _create_roles(self, cache: WatchCache) -> None:
        """Many objects, which can wait until the server serves: until they are there nobody is refused for want of
        them."""
        await self._serving.wait()
        from apiserver.authorization.bootstrap import ensure_roles

        with self._start_work.piece("rbac/bootstrap-roles"):
            await ensure_roles(cache, self.clock.now())
        self._has_roles.set()

    async def _make_token_key(self, api: API) -> None:
        """The first start makes a key, which takes a while: whoever asks for a token before that waits for it."""
        await self._serving.wait()
        try:
            await api.tokens.keys.ensure()
        except PKIError as error:
            log.error("service accounts get no tokens: %s", error)

    async def _finish_start(self, api: API) -> None:
        """What can wait until the server lets everybody do what they may, and a moment longer."""
        await self._has_roles.wait()
        if self.options.ready_fd is not None:  # a cluster's components wait for the server
            await load_everyday(api)
        await api.arrivals.bring(lambda: self._create_later_objects(api))

    async def _create_later_objects(self, api: API) -> None:
        from apiserver.flow_control.configuration import FlowControlConfiguration
        from apiserver.identity import Identity
        from apiserver.service_ranges import bring_in_step, keep_in_step

        flow_control, work = FlowControlConfiguration(api.cache, self.clock), self._start_work
        with work.piece("priority-and-fairness-config-producer"):
            await flow_control.ensure_built_in()
        with work.piece("start-kubernetes-service-cidr-controller"):
            await bring_in_step(api, SELF, self.options.service_networks)
        with work.piece("scheduling/bootstrap-system-priority-classes", "start-legacy-token-tracking-controller"):
            await asyncio.gather(*(self._create_missing(api, obj) for obj in bootstrap.later_objects(self.clock.now())))
        with work.piece("kube-apiserver-autoregistration"):
            await asyncio.gather(*(self._create_missing(api, obj) for obj in missing_services(api.cache, RESOURCES)))
        with work.piece("start-cluster-authentication-info-controller"):
            await self._front_proxy().publish(api.cache, self.clock)
            self._keep(self._front_proxy().keep_published(api.cache, self.clock))
        self._keep(flow_control.run())
        self._keep(keep_in_step(api, SELF, self.options.service_networks))
        self._keep(Identity(api, SELF).run(work))

    async def _aggregate(self, api: API) -> None:
        """From the first APIService on that names a Service."""
        if not await has_remote(api.cache):
            return
        # It takes a tenth of a second, in which others are served.
        package = await asyncio.to_thread(importlib.import_module, "apiserver.aggregation.aggregator")
        try:
            api.aggregator = aggregator = package.Aggregator(api, SELF, self._front_proxy().client)
        except PKIError as error:
            log.error("other servers would not know us, their APIs are not served: %s", error)
            return
        self.metrics.gauges.append(aggregator.metrics)
        await aggregator.run()

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

    def _watch_signals(self, server: DrainingServer) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if self.stopping:
                server.force_exit = True
            self.stopping = True
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)

    async def _announce(self, server: DrainingServer, port: int) -> None:
        while not server.started:
            await self.clock.sleep(0.002)
        self._serving.set()
        log.info("serving on https://%s:%d", self.options.bind_address, port)
        if self.options.ready_fd is not None:
            os.write(self.options.ready_fd, b"\n")
            os.close(self.options.ready_fd)


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
