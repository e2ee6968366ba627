"""`nanokube up --without`: others stand in for components, here ours, started by hand."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from client.cli import up
from tests.client.component_process import ComponentProcess
from tests.cluster.support import needs_linux, running_cluster, until


@needs_linux
def test_what_is_left_out_is_not_waited_for_and_can_be_brought_in(tmp_path: Path) -> None:
    left_out = ("--without", "controller-manager", "--without", "scheduler")
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(tmp_path, "--runtime", "sim", *left_out))

        def bring_in(name: str, module: str, *flags: str) -> None:
            kubeconfig = cluster.root / "kubeconfigs" / f"{name}.kubeconfig"
            stack.enter_context(ComponentProcess(module, kubeconfig, tmp_path / f"{name}.log", *flags))

        assert set(cluster.components()) == {"apiserver", "kubelet"}
        cluster.kubectl("create", "deployment", "web", "--image", "web:1")
        assert cluster.get("pods")["items"] == []
        flags = ("--use-service-account-credentials", "--root-ca-file", str(cluster.root / "pki/ca.crt"))
        bring_in("controller-manager", "controller_manager", *flags)
        (pod,) = until(lambda: cluster.get("pods")["items"], "there is a pod")
        assert "nodeName" not in pod["spec"]
        bring_in("scheduler", "scheduler")
        until(lambda: cluster.get("deployment", "web")["status"].get("readyReplicas") == 1, "the pod is ready")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--without", "apiserver"], "there is no going without 'apiserver': choose among controller-manager, "),
        (["--component-flag", "scheduler"], "--component-flag 'scheduler' names no flag: write NAME=FLAG"),
    ],
)
def test_what_cannot_be_is_said(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        up.run(flags)
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
