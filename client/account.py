"""Clients that act as service accounts, with tokens they ask for themselves.

A controller manager runs each controller with the rights of that controller alone
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#controller-roles).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import httpx

from api.authentication_v1 import TokenRequest
from api.clock import Clock
from api.core_v1 import ServiceAccount
from api.errors import AlreadyExists, NotFound, StatusError
from api.meta_v1 import ObjectMeta
from client.rest import RestClient, Unreachable
from client.transport import Transport

_LIFE = 3600.0  # seconds that a token is asked to be valid for
_RENEW = 0.8  # of its life, after which a new one is asked for


class AccountToken:
    """The token of one account, asked for when it is first needed and again before it ends."""

    def __init__(self, client: RestClient, namespace: str, name: str, clock: Clock) -> None:
        self._client, self._namespace, self._name, self._clock = client, namespace, name, clock
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """Raises what a call raises."""
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                self._token = await self._ask()
                self._until = self._clock.monotonic() + _LIFE * _RENEW
            return self._token

    def refused(self) -> None:
        """The server does not know it any more, as when the account was made anew."""
        self._until = 0.0

    async def _ask(self) -> str:
        asked = TokenRequest()
        asked.spec.expirationSeconds = int(_LIFE)
        try:
            answer = await self._request(asked)
        except NotFound:
            account = ServiceAccount(metadata=ObjectMeta(name=self._name, namespace=self._namespace))
            with contextlib.suppress(AlreadyExists):
                await self._client.create(account)
            answer = await self._request(asked)
        return answer.status.token

    async def _request(self, asked: TokenRequest) -> TokenRequest:
        return await self._client.create_subresource(ServiceAccount, self._name, self._namespace, "token", asked)


class AccountTransport(Transport):
    """A transport over the connections of another, whose requests carry an account's token."""

    def __init__(self, shared: Transport, user_agent: str, token: AccountToken) -> None:
        super().__init__(shared.config, user_agent, shared=shared)
        self._token = token

    async def call(self, request: httpx.Request) -> httpx.Response:
        return self._heed(await super().call(await self._signed(request)))

    async def stream(self, request: httpx.Request) -> httpx.Response:
        return self._heed(await super().stream(await self._signed(request)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._heed(await super().handle_async_request(await self._signed(request)))

    async def _signed(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {await self._token.get()}"
        return request

    def _heed(self, response: httpx.Response) -> httpx.Response:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token.refused()
        return response


class AccountClients:
    """Makes clients for the accounts of a namespace.  They share connections, which `close` closes."""

    def __init__(self, client: RestClient, namespace: str, user_agent: str, clock: Clock) -> None:
        # A certificate would say who we are before any token could.
        self._config = replace(client.config, client_cert_data=b"", client_key_data=b"", token="")
        self._client, self._namespace, self._user_agent, self._clock = client, namespace, user_agent, clock
        self._shared = Transport(self._config, user_agent)
        self._asking: set[asyncio.Task[None]] = set()

    def of(self, account: str, *, at_once: bool = False) -> RestClient:
        """`at_once`: ask for the token before there is anything to do with it."""
        token = AccountToken(self._client, self._namespace, account, self._clock)
        if at_once:
            asking = asyncio.create_task(self._ask_early(token))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        transport = AccountTransport(self._shared, self._user_agent, token)
        return RestClient(self._config, clock=self._clock, transport=transport)

    @staticmethod
    async def _ask_early(token: AccountToken) -> None:
        with contextlib.suppress(StatusError, Unreachable):  # whoever needs it will ask again, and hear why
            await token.get()

    async def close(self) -> None:
        for asking in self._asking:
            asking.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        await self._shared.aclose()
