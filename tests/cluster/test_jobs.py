"""Jobs and CronJobs as people use them: real kubectl, real processes and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.support import RunningCluster, needs_kubectl, needs_linux, running_cluster, until

pytestmark = [needs_linux, needs_kubectl]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path_factory.mktemp("jobs")) as running:
        yield running


def manifest(name: str, script: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "any", "command": ["sh", "-c", script]}
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }


def apply(cluster: RunningCluster, document: dict[str, Any]) -> None:
    cluster.kubectl("apply", "-f", "-", input=json.dumps(document))


def wait_for(cluster: RunningCluster, condition: str, what: str) -> None:
    cluster.kubectl("wait", f"--for=condition={condition}", what, "--timeout=180s")


def test_kubectl_makes_a_job_and_waits_for_it(cluster: RunningCluster) -> None:
    cluster.kubectl("create", "job", "hello", "--image=any", "--", "echo", "done", "and", "done")
    wait_for(cluster, "complete", "job/hello")
    assert cluster.kubectl("logs", "job/hello") == "done and done\n"
    status = cluster.get("job", "hello")["status"]
    assert (status["succeeded"], status.get("failed", 0), status["ready"]) == (1, 0, 0)
    assert "1 Succeeded" in cluster.kubectl("describe", "job", "hello")
    until(lambda: "Job completed" in cluster.kubectl("describe", "job", "hello"), "the event")


def test_every_process_of_an_indexed_job_knows_its_number(cluster: RunningCluster) -> None:
    script = "echo $JOB_COMPLETION_INDEX $(hostname)"
    apply(cluster, manifest("numbered", script, completionMode="Indexed", completions=3, parallelism=3))
    wait_for(cluster, "complete", "job/numbered")
    lines = cluster.kubectl("logs", "-l", "job-name=numbered", "--tail=-1").splitlines()
    assert sorted(line.split()[0] for line in lines) == ["0", "1", "2"]
    assert cluster.get("job", "numbered")["status"]["completedIndexes"] == "0-2"


def test_exit_codes_decide(cluster: RunningCluster) -> None:
    """Two indexes give up with codes that nobody tries again for, the others succeed."""
    script = "case $JOB_COMPLETION_INDEX in 1) exit 42;; 2) exit 137;; esac"
    rules = [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42, 137]}}]
    spec = {"completionMode": "Indexed", "completions": 4, "parallelism": 4, "backoffLimitPerIndex": 3}
    apply(cluster, manifest("coded", script, podFailurePolicy={"rules": rules}, **spec))
    wait_for(cluster, "failed", "job/coded")
    status = cluster.get("job", "coded")["status"]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,3", "1,2")
    assert (status["succeeded"], status["failed"]) == (2, 2)
    assert status["conditions"][-1]["reason"] == "FailedIndexes"


def test_a_job_that_is_over_goes_with_its_pods(cluster: RunningCluster) -> None:
    apply(cluster, manifest("brief", "exit 0", ttlSecondsAfterFinished=1))
    until(lambda: "brief" not in cluster.kubectl("get", "jobs,pods", "--output=name"), "gone with its pods")


def test_a_deadline_ends_processes(cluster: RunningCluster) -> None:
    apply(cluster, manifest("endless", "sleep 1000", activeDeadlineSeconds=1))
    wait_for(cluster, "failed", "job/endless")
    assert cluster.get("job", "endless")["status"]["conditions"][-1]["reason"] == "DeadlineExceeded"
    until(lambda: "endless" not in cluster.kubectl("get", "pods", "--output=name"), "its pods are gone")


def test_kubectl_makes_a_job_from_a_cron_job(cluster: RunningCluster) -> None:
    cluster.kubectl("create", "cronjob", "nightly", "--image=any", "--schedule=0 3 * * *", "--", "echo", "by hand")
    cluster.kubectl("create", "job", "now", "--from=cronjob/nightly")
    wait_for(cluster, "complete", "job/now")
    made = cluster.get("job", "now")["metadata"]
    assert made["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert made["ownerReferences"][0]["name"] == "nightly"
    assert cluster.kubectl("logs", "job/now") == "by hand\n"
    until(lambda: cluster.get("cronjob", "nightly")["status"].get("lastSuccessfulTime"), "the CronJob sees it end")


def test_a_cron_job_makes_jobs(cluster: RunningCluster) -> None:
    cluster.kubectl("create", "cronjob", "often", "--image=any", "--schedule=@every 2s", "--", "true")
    until(lambda: cluster.get("cronjob", "often")["status"].get("lastSuccessfulTime"), "a job has succeeded")
    until(lambda: len(cluster.kubectl("get", "jobs", "--output=name").split("job.batch/often-")) > 1, "it is there")
    cluster.kubectl("delete", "cronjob", "often")
    until(lambda: "often" not in cluster.kubectl("get", "jobs,pods", "--output=name"), "its jobs and pods are gone")


def test_a_replication_controller_is_scaled_exposed_and_stopped(cluster: RunningCluster) -> None:
    """'[sig-cli] Kubectl client Update Demo should create and stop a replication controller [Conformance]',
    '[sig-cli] Kubectl client Update Demo should scale a replication controller [Conformance]',
    '[sig-cli] Kubectl client Kubectl expose should create services for rc [Conformance]'"""
    template = manifest("", "sleep 1000")["spec"]["template"]
    template["metadata"] = {"labels": {"app": "old"}}
    template["spec"]["restartPolicy"] = "Always"
    document = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "old"}}
    apply(cluster, {**document, "spec": {"replicas": 2, "template": template}})
    for replicas in (2, 1, 2):
        cluster.kubectl("scale", "rc/old", f"--replicas={replicas}", "--timeout=180s")
        until(lambda: cluster.get("rc", "old")["status"].get("readyReplicas") == replicas, f"{replicas} are ready")  # noqa: B023
    cluster.kubectl("expose", "rc", "old", "--name=old", "--port=1234", "--target-port=6379")
    (port,) = cluster.get("service", "old")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (1234, 6379)
    assert cluster.get("service", "old")["spec"]["selector"] == {"app": "old"}
    cluster.kubectl("delete", "service/old", "rc/old")
    until(lambda: cluster.get("pods", "-l", "app=old")["items"] == [], "its pods are gone")


def test_nothing_is_doubled_or_lost_when_the_controller_manager_is_killed(cluster: RunningCluster) -> None:
    apply(cluster, manifest("many", "exit 0", completions=20, parallelism=4))
    for done in (2, 9):
        until(lambda: cluster.get("job", "many")["status"].get("succeeded", 0) >= done, f"{done} are done")  # noqa: B023
        cluster.kill("controller-manager")
    wait_for(cluster, "complete", "job/many")
    assert cluster.get("job", "many")["status"]["succeeded"] == 20
    pods = cluster.get("pods", "-l", "job-name=many")["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"] * 20
    until(lambda: not any(pod["metadata"].get("finalizers") for pod in cluster.get("pods")["items"]), "all are free")
