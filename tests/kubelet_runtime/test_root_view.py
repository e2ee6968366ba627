"""What a container sees of the host, and that the host sees nothing of it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kubelet.runtime.process.container_spec import HostAbilities
from kubelet.runtime.protocol import CreateContainerFailed, Mount, SecurityConfig, StartContainerFailed
from tests.kubelet_runtime.conftest import Bench


@pytest.fixture
def volume(bench: Bench) -> Path:
    if not bench.runtime.features.mounts:
        pytest.skip("needs mounts: root, or user namespaces")
    directory = bench.home / "volume"
    directory.mkdir()
    (directory / "key").write_text("value\n")
    return directory


async def test_a_volume_appears_where_the_host_has_nothing(bench: Bench, volume: Path) -> None:
    for target in ("/nk-test-mount/deep", "/etc/nk-test-mount", "/usr/share/nk-test/x"):
        container = await bench.run("cat", f"{target}/key", mounts=[Mount(str(volume), target)])
        assert await bench.output(container) == "value\n"
        assert not os.path.lexists(target)
        assert not os.path.lexists("/nk-test-mount")


async def test_a_volume_hides_what_the_host_has(bench: Bench, volume: Path) -> None:
    container = await bench.run("ls", "/etc/", mounts=[Mount(str(volume), "/etc")])
    assert await bench.output(container) == "key\n"


async def test_a_file_can_be_mounted(bench: Bench, volume: Path) -> None:
    mounts = [Mount(str(volume / "key"), "/etc/hosts"), Mount(str(volume / "key"), "/nk-new/file.txt")]
    container = await bench.run("cat", "/etc/hosts", "/nk-new/file.txt", mounts=mounts)
    assert await bench.output(container) == "value\nvalue\n"


async def test_writes_to_a_volume_reach_it(bench: Bench, volume: Path) -> None:
    volume.chmod(0o777)
    container = await bench.run("sh", "-c", "echo new > /nk-data/file", mounts=[Mount(str(volume), "/nk-data")])
    assert (await bench.ended(container)).exit_code == 0
    assert (volume / "file").read_text() == "new\n"


async def test_a_read_only_volume(bench: Bench, volume: Path) -> None:
    volume.chmod(0o777)
    mounts = [Mount(str(volume), "/nk-data", read_only=True)]
    container = await bench.run("sh", "-c", "echo new > /nk-data/file", mounts=mounts)
    assert "Read-only file system" in await bench.output(container)


async def test_volumes_in_volumes(bench: Bench, volume: Path) -> None:
    outer = bench.home / "outer"
    outer.mkdir()
    mounts = [Mount(str(volume), "/nk-data/in/side"), Mount(str(outer), "/nk-data")]
    container = await bench.run("cat", "/nk-data/in/side/key", mounts=mounts)
    assert await bench.output(container) == "value\n"


async def test_mount_points_follow_links_inside_the_container_only(bench: Bench, volume: Path) -> None:
    container = await bench.run("cat", "/var/run/nk-secret/key", mounts=[Mount(str(volume), "/var/run/nk-secret")])
    assert await bench.output(container) == "value\n"
    assert not os.path.lexists("/run/nk-secret")


async def test_a_missing_source_fails_the_start_and_says_so(bench: Bench, volume: Path) -> None:
    container = await bench.create("true", mounts=[Mount(str(volume / "gone"), "/nk-data")])
    with pytest.raises(StartContainerFailed, match=r"cannot mount .*gone at /nk-data: No such file"):
        await bench.runtime.start_container(container)


async def test_what_a_container_writes_goes_with_it(bench: Bench, volume: Path) -> None:
    place = bench.home / "open"
    place.mkdir()
    place.chmod(0o777)
    script = f"echo x > {place}/file && cat {place}/file && mkdir {place}/dir && rm -r {place}/dir"
    container = await bench.run("sh", "-c", script)
    assert await bench.output(container) == "x\n"
    assert list(place.iterdir()) == []


async def test_common_directories_can_be_written(bench: Bench, volume: Path) -> None:
    script = "for d in /tmp /var/tmp /dev/shm; do echo x > $d/nk-common && rm $d/nk-common || exit 1; done"
    container = await bench.run("sh", "-c", script)
    assert await bench.output(container) == ""
    assert not any(os.path.exists(f"{place}/nk-common") for place in ("/tmp", "/var/tmp", "/dev/shm"))


async def test_a_container_has_its_own_devices(bench: Bench, volume: Path) -> None:
    mounts = [Mount(str(volume / "key"), "/dev/nk-termination-log")]
    script = "cat /dev/nk-termination-log; echo x > /dev/null; head -c 2 /dev/zero | wc -c; ls /dev; tty"
    container = await bench.run("sh", "-c", script, mounts=mounts, tty=True)
    output = (await bench.output(container)).replace("\r", "")
    assert output.startswith("value\n2\n")
    assert "/dev/pts/" in output
    assert "urandom" in output
    assert not os.path.exists("/dev/nk-termination-log")
    if os.geteuid() == 0:
        privileged = await bench.run("ls", "-A", "/dev", security=SecurityConfig(privileged=True))
        assert {*(await bench.output(privileged)).split()} >= {e for e in os.listdir("/dev") if not e.startswith("nk")}


async def test_exec_sees_the_same_view(bench: Bench, volume: Path) -> None:
    container = await bench.run("sh", "-c", "echo x > /tmp/nk-own; sleep 1000", mounts=[Mount(str(volume), "/nk-data")])
    script = "while ! [ -e /tmp/nk-own ]; do :; done; cat /nk-data/key /tmp/nk-own"
    result = await bench.runtime.exec_sync(container, ["sh", "-c", script], 60)
    assert result.stdout == b"value\nx\n"
    assert not os.path.exists("/tmp/nk-own")


async def test_the_runtimes_own_state_is_hidden(bench: Bench, volume: Path) -> None:
    container = await bench.run("ls", "-A", str(bench.home / "state"))
    assert await bench.output(container) == ""


async def test_a_read_only_root(bench: Bench, volume: Path) -> None:
    security = SecurityConfig(read_only_root=True)
    container = await bench.run("sh", "-c", "echo x > /nk-file", security=security)
    assert "nk-file" in await bench.output(container)
    assert (await bench.status(container)).exit_code != 0


async def test_a_working_directory_is_made(bench: Bench, volume: Path) -> None:
    container = await bench.run("pwd", working_dir="/tmp/nk-work/dir")
    assert await bench.output(container) == "/tmp/nk-work/dir\n"
    assert not os.path.exists("/tmp/nk-work")


async def test_any_user_can_be_asked_for(bench: Bench, volume: Path) -> None:
    security = SecurityConfig(run_as_user=12345, run_as_group=2345)
    container = await bench.run("sh", "-c", "id -u; id -g; echo hi > /dev/stdout", security=security)
    assert await bench.output(container) == "12345\n2345\nhi\n"
    running = await bench.run("sleep", "1000", security=security)
    assert (await bench.runtime.exec_sync(running, ["id", "-u"], 60)).stdout == b"12345\n"


async def test_groups_capabilities_and_no_new_privileges(bench: Bench, volume: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    script = "grep -E 'CapEff|CapBnd|NoNewPrivs|Groups' /proc/self/status"
    security = SecurityConfig(
        supplemental_groups=(77,), drop_capabilities=("ALL",), add_capabilities=("CHOWN",), no_new_privileges=True
    )
    output = await bench.output(await bench.run("sh", "-c", script, security=security))
    values = dict(line.split(":", 1) for line in output.splitlines())
    assert int(values["CapEff"], 16) == int(values["CapBnd"], 16) == 1
    assert values["NoNewPrivs"].strip() == "1"
    assert values["Groups"].split() == ["0", "77"]
    plain = await bench.output(await bench.run("sh", "-c", script))
    assert "CapEff:\t00000000a80425fb" in plain  # the set that Docker and containerd give
    privileged = await bench.output(await bench.run("sh", "-c", script, security=SecurityConfig(privileged=True)))
    assert "a80425fb" not in privileged


async def test_where_nothing_can_be_mounted_it_says_so(started: Callable[..., Awaitable[Bench]]) -> None:
    bench = await started(abilities=HostAbilities(False, False, False, False, False))
    runtime = bench.runtime
    assert not runtime.features.mounts
    assert any("volumes cannot be mounted" in limit for limit in runtime.features.limits)
    with pytest.raises(CreateContainerFailed, match=r"cannot mount /nk-data: .*user namespaces"):
        await bench.create("true", mounts=[Mount("/etc", "/nk-data")])
    with pytest.raises(CreateContainerFailed, match="cannot run as user 54321"):
        await bench.create("true", security=SecurityConfig(run_as_user=54321))
    container = await bench.run("sh", "-c", "echo $0", mounts=[Mount("/etc", "/nk-data", optional=True)])
    assert await bench.output(container) == "sh\n"
    tree = await bench.run("sh", "-c", "setsid sleep 1000 & (sleep 1000 &); echo; sleep 1000")
    await bench.runtime.stop_container(tree, 0.05)
