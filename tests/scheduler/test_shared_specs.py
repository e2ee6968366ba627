"""Pods of one template share their spec, and lose nothing that matters."""

from __future__ import annotations

from api.core_v1 import Pod
from client.pod_decoding import PodDecoder
from scheduler.shared_specs import SharedSpecs
from tests.scheduler.world import make_pod


def with_token(suffix: str, **more: object) -> Pod:
    mount = {"name": f"kube-api-access-{suffix}", "mountPath": "/var/run/secrets"}
    volumes = [{"name": mount["name"], "projected": {"sources": []}}, {"name": "data", "emptyDir": {}}]
    pod = make_pod(cpu="1", volumes=volumes, **more)
    document = pod.to_dict()
    document["spec"]["containers"][0]["volumeMounts"] = [mount, {"name": "data", "mountPath": "/data"}]
    return Pod.from_dict(document)


def test_one_spec_for_all_of_a_template() -> None:
    decode = PodDecoder(SharedSpecs().share)
    waiting, other, placed, different = (
        decode(pod.encode())
        for pod in (
            with_token("aaaaa"),
            with_token("bbbbb"),
            with_token("ccccc", nodeName="n"),
            with_token("ddddd", priority=1),
        )
    )
    assert waiting.spec is other.spec
    assert placed.spec.nodeName == "n"
    assert waiting.spec.nodeName == ""
    assert placed.spec.containers is waiting.spec.containers
    assert different.spec.priority == 1
    assert [v.name for v in waiting.spec.volumes] == ["data"]
    assert [m.name for m in waiting.spec.containers[0].volumeMounts] == ["data"]
