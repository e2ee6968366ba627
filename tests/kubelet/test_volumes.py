"""Volumes that show data of the API, or places on the node."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, Secret
from api.errors import NotFound
from kubelet.volumes import atomic_writer
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.persistent import ClaimedVolumes, is_read_only
from kubelet.volumes.plugin import PayloadFile, VolumeContext, VolumeError
from kubelet.volumes.service_account_token import TokenCache
from tests.client.waiting import eventually
from tests.kubelet.fake_api import FakeApi
from tests.kubelet.support import pod


class Objects:
    def __init__(self) -> None:
        self.data = {"a.conf": "one", "b.conf": "two"}

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        if name != "settings":
            raise NotFound(f'configmap "{name}" not found')
        return ConfigMap.from_dict({"data": self.data, "binaryData": {"bin": base64.b64encode(b"\x00\xff").decode()}})

    async def secret(self, namespace: str, name: str) -> Secret:
        return Secret.from_dict({"data": {"password": base64.b64encode(b"s3cret").decode()}})


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def api() -> FakeApi:
    return FakeApi(ManualClock())


@pytest.fixture
def manager(tmp_path: Path, objects: Objects, api: FakeApi) -> VolumeManager:
    tokens = TokenCache(api, api.clock)
    context = VolumeContext(objects, tokens, {"cpu": "4"}, ("192.168.0.1",))
    return VolumeManager(tmp_path, context, ClaimedVolumes(api, api.clock, patience=0))  # type: ignore[arg-type]


def with_volume(**source: Any) -> Pod:
    return pod("web", volumes=[{"name": "v", **source}])


def shown(path: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in path.rglob("*")
        if p.is_file() and not str(p.relative_to(path)).startswith("..")
    }


async def test_a_config_map_is_shown_as_files(manager: VolumeManager) -> None:
    path = (await manager.set_up(with_volume(configMap={"name": "settings"})))["v"]
    assert shown(path) == {"a.conf": b"one", "b.conf": b"two", "bin": b"\x00\xff"}
    assert path.joinpath("a.conf").is_symlink()
    assert (path / "a.conf").stat().st_mode & 0o777 == 0o644


async def test_items_choose_paths_and_modes(manager: VolumeManager) -> None:
    source = {"name": "settings", "defaultMode": 0o400, "items": [{"key": "a.conf", "path": "deep/x"}]}
    source["items"].append({"key": "b.conf", "path": "y", "mode": 0o600})  # type: ignore[attr-defined]
    path = (await manager.set_up(with_volume(configMap=source)))["v"]
    assert shown(path.resolve() / "..data") == {"deep/x": b"one", "y": b"two"}
    assert (path / "deep/x").stat().st_mode & 0o777 == 0o400
    assert (path / "y").stat().st_mode & 0o777 == 0o600


async def test_changes_appear_at_once_and_old_files_go(manager: VolumeManager, objects: Objects) -> None:
    subject = with_volume(configMap={"name": "settings"})
    path = (await manager.set_up(subject))["v"]
    before = (path / "..data").readlink()
    await manager.set_up(subject)
    assert (path / "..data").readlink() == before
    objects.data = {"b.conf": "new", "c.conf": "three"}
    await manager.set_up(subject)
    assert shown(path) == {"b.conf": b"new", "c.conf": b"three", "bin": b"\x00\xff"}
    assert not (path / "a.conf").is_symlink()
    assert not (path / before).exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        (
            {"configMap": {"name": "settings", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent config key: no",
        ),
        (
            {"hostPath": {"path": "/no/such", "type": "Directory"}},
            "hostPath type check failed: /no/such is not a directory",
        ),
        ({"nfs": {"server": "s", "path": "/"}}, "volumes of the kind nfs are not supported by this kubelet"),
    ],
)
async def test_what_is_wrong_is_said(manager: VolumeManager, source: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError) as raised:
        await manager.set_up(with_volume(**source))
    assert str(raised.value) == f'MountVolume.SetUp failed for volume "v" : {message}'


async def test_optional_sources_may_be_missing(manager: VolumeManager) -> None:
    path = (await manager.set_up(with_volume(configMap={"name": "gone", "optional": True})))["v"]
    assert shown(path) == {}


async def test_a_projected_volume_joins_its_sources(manager: VolumeManager) -> None:
    sources: list[dict[str, Any]] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "settings", "items": [{"key": "a.conf", "path": "conf"}]}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    subject = with_volume(projected={"sources": sources})
    path = (await manager.set_up(subject))["v"]
    found = shown(path)
    assert found.pop("token").startswith(b"token-")
    assert found == {"conf": b"one", "password": b"s3cret", "namespace": b"default"}
    renewal = manager.renew_at("uid-web")
    assert renewal is not None
    assert (renewal - ManualClock().now()).total_seconds() == pytest.approx(3607 * 0.8, abs=1)


async def test_the_downward_api_shows_labels(manager: VolumeManager) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"}},
    ]
    subject = with_volume(downwardAPI={"items": items})
    subject.metadata.labels = {"b": 'say "hi"', "a": "1"}
    path = (await manager.set_up(subject))["v"]
    assert shown(path) == {"labels": b'a="1"\nb="say \\"hi\\""', "cpu": b"4"}


async def test_an_empty_dir_is_everyones_and_goes_with_the_pod(manager: VolumeManager) -> None:
    path = (await manager.set_up(with_volume(emptyDir={})))["v"]
    assert path.stat().st_mode & 0o777 == 0o777
    manager.tear_down("uid-web")


async def test_host_paths_are_made_if_asked(manager: VolumeManager, tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    source = {"path": str(wanted), "type": "DirectoryOrCreate"}
    assert (await manager.set_up(with_volume(hostPath=source)))["v"] == wanted
    assert wanted.is_dir()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../b", "..data"])
def test_paths_cannot_leave_the_volume(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="invalid path"):
        atomic_writer.write(tmp_path, {path: PayloadFile(b"", 0o644)})


# --- claims ----------------------------------------------------------------------------------------


def bind(api: FakeApi, source: dict[str, Any], *, phase: str = "Bound", claim_uid: str = "c", **spec: Any) -> None:
    """A claim called "data" and its volume."""
    metadata = {"name": "data", "namespace": "default", "uid": "c"}
    api.add(
        PersistentVolumeClaim.from_dict(
            {"metadata": metadata, "spec": {"volumeName": "pv" * (phase == "Bound")}, "status": {"phase": phase}}
        )
    )
    reference = {"namespace": "default", "name": "data", "uid": claim_uid}
    volume = {"metadata": {"name": "pv"}, "spec": {"claimRef": reference, **source, **spec}}
    api.add(PersistentVolume.from_dict(volume))


CLAIMED = {"persistentVolumeClaim": {"claimName": "data"}}


async def test_a_claim_is_mounted_from_the_volume_it_is_bound_to(
    manager: VolumeManager, api: FakeApi, tmp_path: Path
) -> None:
    place = tmp_path / "volumes" / "pv"
    bind(api, {"hostPath": {"path": str(place), "type": "DirectoryOrCreate"}})
    assert (await manager.set_up(with_volume(**CLAIMED)))["v"] == place
    (place / "kept").write_text("x")
    manager.tear_down("uid-web")
    assert (place / "kept").read_text() == "x"


async def test_a_local_volume_has_to_be_there(manager: VolumeManager, api: FakeApi, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    bind(api, {"local": {"path": str(place)}})
    with pytest.raises(VolumeError, match=f'SetUp failed for volume "pv" : path "{place}" does not exist'):
        await manager.set_up(with_volume(**CLAIMED))
    place.mkdir()
    assert (await manager.set_up(with_volume(**CLAIMED)))["v"] == place


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phase": "Pending"}, "error processing PVC default/data: PVC is not bound"),
        ({"claim_uid": "other"}, "its pv.Spec.ClaimRef.UID other does not point to claim.UID c"),
        ({"volumeMode": "Block"}, "volumes of the mode Block are not supported"),
    ],
)
async def test_a_pod_waits_for_its_claim(
    manager: VolumeManager, api: FakeApi, change: dict[str, Any], words: str
) -> None:
    bind(api, {"hostPath": {"path": "/"}}, **change)
    with pytest.raises(VolumeError, match=words):
        await manager.set_up(with_volume(**CLAIMED))


async def test_a_claim_that_is_bound_in_a_moment_is_waited_for(api: FakeApi) -> None:
    clock = ManualClock()
    bind(api, {"hostPath": {"path": "/"}}, phase="Pending")
    subject = with_volume(**CLAIMED)
    finding = asyncio.create_task(ClaimedVolumes(api, clock).of(subject, subject.spec.volumes[0]))  # type: ignore[arg-type]
    await eventually(lambda: clock.sleepers)
    bind(api, {"hostPath": {"path": "/"}})
    await clock.advance(1)
    assert (await finding).metadata.name == "pv"


async def test_a_pod_that_runs_keeps_a_claim_that_is_being_deleted(manager: VolumeManager, api: FakeApi) -> None:
    bind(api, {"hostPath": {"path": "/"}})
    await manager.set_up(with_volume(**CLAIMED))
    claim = await api.get(PersistentVolumeClaim, "data", "default")
    claim.metadata.deletionTimestamp = api.clock.now()
    api.add(claim)
    assert (await manager.set_up(with_volume(**CLAIMED)))["v"] == Path("/")
    manager.tear_down("uid-web")
    with pytest.raises(VolumeError, match="PVC is being deleted"):
        await manager.set_up(with_volume(**CLAIMED))


async def test_an_ephemeral_claim_must_be_the_pods_own(manager: VolumeManager, api: FakeApi) -> None:
    subject = pod("da", volumes=[{"name": "ta", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}])
    with pytest.raises(VolumeError, match="failed to fetch PVC from API server"):
        await manager.set_up(subject)
    metadata = {"name": "da-ta", "namespace": "default", "uid": "c"}
    api.add(PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": {}, "status": {"phase": "Bound"}}))
    with pytest.raises(VolumeError, match=r"PVC default/da-ta was not created for pod default/da \(pod is not owner\)"):
        await manager.set_up(subject)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_claim_can_be_for_reading_only(read_only: bool) -> None:
    source = {"persistentVolumeClaim": {"claimName": "data", "readOnly": read_only}}
    assert is_read_only(with_volume(**source).spec.volumes[0]) is read_only


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("policy", ["Always", "OnRootMismatch"])
async def test_what_a_local_volume_holds_is_given_to_the_pods_group(
    manager: VolumeManager, api: FakeApi, tmp_path: Path, policy: str
) -> None:
    place = tmp_path / "disk"
    (place / "folder").mkdir(parents=True)
    (place / "folder" / "file").write_text("x")
    (place / "folder" / "file").chmod(0o400)
    (place / "link").symlink_to(tmp_path / "elsewhere")
    bind(api, {"local": {"path": str(place)}})
    context = {"fsGroup": 4711, "fsGroupChangePolicy": policy}
    claimed = [{"name": "v", **CLAIMED}]
    await manager.set_up(pod("one", volumes=claimed, securityContext=context))
    assert {path.lstat().st_gid for path in (place, *place.rglob("*"))} == {4711}
    assert (place / "folder" / "file").stat().st_mode & 0o777 == 0o660
    assert place.stat().st_mode & 0o2070 == 0o2070
    os.chown(place / "folder" / "file", -1, 0)
    await manager.set_up(pod("two", volumes=claimed, securityContext=context))
    assert (place / "folder" / "file").stat().st_gid == (4711 if policy == "Always" else 0)
