from collections.abc import AsyncIterator

import pytest

from tests.controllers.cluster import Cluster
from tests.controllers.cluster import cluster as run_cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with run_cluster() as running:
        yield running
