"""Clients that act as service accounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from api.authentication_v1 import SelfSubjectReview
from api.clock import ManualClock
from api.core_v1 import ServiceAccount
from api.errors import Forbidden, Unauthorized
from client.account import AccountClients, AccountToken
from client.rest import RestClient, Unreachable
from tests.client.real_server import RealServer, real_server

NAMESPACE = "kube-system"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


async def user_of(client: RestClient) -> str:
    review = await client.create(SelfSubjectReview())
    return review.status.userInfo.username


async def test_each_client_is_its_own_account(server: RealServer) -> None:
    clock = ManualClock()
    async with RestClient(server.config) as admin:
        accounts = AccountClients(admin, NAMESPACE, "tests", clock)
        try:
            job, node = accounts.of("job-controller"), accounts.of("node-controller")
            assert await user_of(job) == "system:serviceaccount:kube-system:job-controller"
            assert await user_of(node) == "system:serviceaccount:kube-system:node-controller"
            assert job.config.client_cert_data == b""
            with pytest.raises(Forbidden, match='User "system:serviceaccount:kube-system:job-controller" cannot list'):
                await job.list(ServiceAccount, NAMESPACE)
            assert await user_of(admin) == "kubernetes-admin"
        finally:
            await accounts.close()


async def test_a_token_is_renewed_before_it_ends(server: RealServer) -> None:
    clock = ManualClock()
    async with RestClient(server.config) as admin:
        token = AccountToken(admin, NAMESPACE, "renewed", clock)
        first = await token.get()
        assert await token.get() == first
        await clock.advance(3000)
        assert await token.get() != first


async def test_an_account_that_was_made_anew_gets_a_token_again(server: RealServer) -> None:
    async with RestClient(server.config) as admin:
        accounts = AccountClients(admin, NAMESPACE, "tests", ManualClock())
        try:
            client = accounts.of("replaced")
            await user_of(client)
            await admin.delete(ServiceAccount, "replaced", NAMESPACE)
            with pytest.raises(Unauthorized):
                await user_of(client)
            assert await user_of(client) == "system:serviceaccount:kube-system:replaced"
        finally:
            await accounts.close()


async def test_a_token_can_be_asked_for_before_it_is_needed(server: RealServer) -> None:
    async with RestClient(server.config) as admin:
        accounts = AccountClients(admin, NAMESPACE, "tests", ManualClock())
        try:
            early = accounts.of("early-controller", at_once=True)
            async for event in admin.watch(ServiceAccount, NAMESPACE, resource_version="0"):
                if event.object.metadata.name == "early-controller":
                    break  # made without anybody having called `early`
            assert await user_of(early) == "system:serviceaccount:kube-system:early-controller"
        finally:
            await accounts.close()


async def test_a_server_that_is_away_is_no_matter_until_the_token_is_needed(server: RealServer) -> None:
    nowhere = replace(server.config, server="https://127.0.0.1:1")
    async with RestClient(nowhere) as admin:
        accounts = AccountClients(admin, NAMESPACE, "tests", ManualClock())
        early = accounts.of("early-controller", at_once=True)
        with pytest.raises(Unreachable):
            await user_of(early)
        await accounts.close()
