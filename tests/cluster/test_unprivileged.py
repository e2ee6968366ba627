"""A cluster without root: pods share the host's network, Services are addresses of 127.0.0.0/8."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.support import needs_kubectl, needs_linux, running_cluster

pytestmark = [needs_linux, needs_kubectl]

NOBODY = 65534
# Another user, who may still read this interpreter wherever it is installed.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
    *("env", "PYTHONDONTWRITEBYTECODE=1"),
)


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nk-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="needs setpriv to give up root")
def test_the_example_works_without_root(home: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kubernetes package leaves sockets to the garbage collector
        from tests.cluster.main_job import MainJob

        prefix = AS_NOBODY if os.geteuid() == 0 else ()
        with running_cluster(home, "--nodes", "2", prefix=prefix) as cluster:
            assert cluster.settings()["service_range"].startswith("127.")
            job = MainJob(cluster)
            job.apply()
            job.fetch_through_service()
            with job.steady_requests(job.addresses()[0]) as failures, job.never_fewer_than(3):
                job.roll_out("2")
            assert failures == []
            job.kill_a_process()
            job.logs()
            job.exec()
            job.delete_everything()
            job.close()
