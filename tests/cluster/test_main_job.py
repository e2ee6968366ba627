"""The main job: a real deployment on a real cluster, driven by real kubectl and the Python client."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.cluster.support import needs_kubectl, needs_linux, running_cluster

pytestmark = [needs_linux, needs_kubectl]

GRACE = "controller-manager=--node-monitor-grace-period=20s"


def test_a_deployment_lives_through_everything_that_happens_to_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kubernetes package leaves sockets to the garbage collector
        from tests.cluster.main_job import MainJob

        with running_cluster(tmp_path, "--nodes", "2", "--component-flag", GRACE) as cluster:
            job = MainJob(cluster)
            job.apply()
            job.fetch_through_service()
            job.scale(5)
            with job.steady_requests(job.addresses()[0]) as failures, job.never_fewer_than(5):
                job.roll_out("2")
            assert failures == []
            with job.steady_requests(job.addresses()[0]) as failures, job.never_fewer_than(5):
                job.undo("1")
            assert failures == []
            job.kill_a_process()
            job.delete_a_pod(5)
            job.logs()
            job.exec()
            job.describe()
            job.lose_a_node(5)
            job.delete_everything()
            job.close()


@pytest.mark.parametrize("runtime", ["process", "sim"])
def test_a_second_start_continues_where_the_first_stopped(tmp_path: Path, runtime: str) -> None:
    with running_cluster(tmp_path, "--runtime", runtime) as cluster:
        cluster.kubectl("create", "configmap", "kept", "--from-literal=a=b")
        uid = cluster.get("node", "node-1")["metadata"]["uid"]
        cluster.down()
        assert cluster.left_behind() == []
        cluster.up()
        assert cluster.get("configmap", "kept")["data"] == {"a": "b"}
        assert cluster.get("node", "node-1")["metadata"]["uid"] == uid
        assert "is up" in cluster.nanokube("status").stdout
