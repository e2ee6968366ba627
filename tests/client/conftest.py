from collections.abc import AsyncIterator

import pytest

from client.rest import RestClient
from tests.client.api_double import ApiDouble, api_double


@pytest.fixture
async def server() -> AsyncIterator[ApiDouble]:
    async with api_double() as running:
        yield running


@pytest.fixture
async def client(server: ApiDouble) -> AsyncIterator[RestClient]:
    async with RestClient(server.config) as connected:
        yield connected
