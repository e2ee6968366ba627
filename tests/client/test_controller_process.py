"""A process that runs controllers out of a table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from api.batch_v1 import Job
from api.clock import SystemClock
from api.core_v1 import ConfigMap
from api.meta_v1 import ObjectMeta, PartialObjectMetadata
from api.scheme import GroupVersion, Resource, resource_of
from client.controller import SharedInformers
from client.controller_process import first_object
from client.rest import RestClient
from tests.client.real_server import RealServer, real_server

JOB = {
    "metadata": {"name": "first", "namespace": "default"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


async def test_what_is_about_jobs_waits_for_the_first_job(server: RealServer) -> None:
    async with RestClient(server.config) as client:
        informers = SharedInformers(client, SystemClock())
        waiting = asyncio.create_task(first_object(informers, ("jobs.batch", "cronjobs.batch")))
        try:
            async with asyncio.timeout(60):
                jobs = informers.of(PartialObjectMetadata, resource=resource_of(Job))
                await asyncio.sleep(0)  # it asks for the same informer
                await jobs.synced()
                await client.create(ConfigMap(metadata=ObjectMeta(name="other", namespace="default")))
                assert not waiting.done()
                await client.create(Job.from_dict(JOB))
                await waiting
        finally:
            waiting.cancel()
            await informers.stop()


async def test_a_kind_that_is_not_served_keeps_nobody_from_being_ready(server: RealServer) -> None:
    later = Resource(GroupVersion("batch", "v9"), "jobs", "batch_v1.Job")
    async with RestClient(server.config) as client:
        informers = SharedInformers(client, SystemClock())
        unknown, jobs = informers.of(Job, resource=later), informers.of(Job)
        informers.start()
        try:
            assert not informers.have_synced
            await asyncio.wait_for(informers.synced(), 60)
            assert informers.have_synced
            assert (unknown.has_synced, jobs.has_synced) == (False, True)
        finally:
            await informers.stop()


async def test_what_is_about_nothing_in_particular_does_not_wait(server: RealServer) -> None:
    async with RestClient(server.config) as client:
        informers = SharedInformers(client, SystemClock())
        await asyncio.wait_for(first_object(informers, ()), 60)
        assert informers.have_synced, "no watch was opened"
