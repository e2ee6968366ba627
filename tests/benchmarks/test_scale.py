"""The benchmark of scale asks for what it says, and its pictures show what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale import COUNTS, Measured, figures, read, write
from benchmarks.workloads import sizes


def measured(pods: int, processor: float) -> Measured:
    parts = {"apiserver": processor, "controller-manager": 1.0, "scheduler": 1.0, "kubelet": 9.0}
    return Measured(
        pods=pods,
        seconds_until_ready=pods / 100,
        seconds_until_served=pods / 100,
        seconds_until_gone=pods / 200,
        processor_up=parts,
        processor_down=parts,
        peak_memory=400.0,
        settled_memory={"apiserver": 100.0, "controller-manager": 100.0, "scheduler": 50.0, "kubelet": 900.0},
        idle_share={"apiserver": 0.2, "controller-manager": 0.1, "scheduler": 0.0, "kubelet": 0.1},
        idle_requests_per_second=100.0,
    )


@pytest.mark.parametrize("pods", [1, 7, 300, *COUNTS])
def test_deployments_of_mixed_sizes_come_to_what_was_asked_for(pods: int) -> None:
    assert sum(sizes(pods)) == pods
    assert min(sizes(pods)) > 0 or pods < 4


def test_growth_is_processor_time_of_the_control_plane_for_each_pod() -> None:
    found = {figure.name: figure for figure in figures([measured(1000, 8.0), measured(2000, 28.0)])}
    growth = found["processor time of a pod, 2000 / 1000 pods"]
    assert growth.median == pytest.approx(1.5)
    assert not growth.good
    assert found["2000 pods on 1000 sim nodes: settled memory"].median == 250.0


def test_the_same_figures_make_the_same_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the bench extra is not installed")
    from benchmarks.scale_plot import draw

    write(tmp_path / "measured.json", [measured(1000, 8.0), measured(2000, 28.0)])
    drawn = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        draw(read(tmp_path / "measured.json"), folder)
        drawn.append({picture.name: picture.read_bytes() for picture in folder.iterdir()})
    assert drawn[0] == drawn[1]
    assert sorted(drawn[0]) == ["idle.svg", "memory.svg", "processor.svg", "time.svg"]
    assert b"ms per pod" in drawn[0]["processor.svg"]
