"""python -m benchmarks.scale_plot: draw docs/scale/*.svg from what `python -m benchmarks scale --plot` wrote there.

Needs the `bench` extra.  The pictures have no background and middling colours, to be read on light pages and dark ones,
and are the same to the byte for the same figures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter

from benchmarks.scale import PICTURES, Measured, read
from benchmarks.usage import CONTROL_PLANE

_COLOURS = {"apiserver": "#3d85c6", "controller-manager": "#d98324", "scheduler": "#4a9d6f", "kubelet": "#9a9a9a"}
_INK = "#808080"
_STYLE: Any = {
    "figure.figsize": (7.2, 3.8),
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _INK,
    "grid.alpha": 0.25,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "svg.fonttype": "none",  # text stays text: small files, and the reader's own font
    "svg.hashsalt": "nanokube",
}


def draw(measured: list[Measured], folder: Path) -> None:
    """Write time.svg, processor.svg, memory.svg and idle.svg."""
    for name, picture in _PICTURES.items():
        with pyplot.rc_context(_STYLE):
            figure, axes = pyplot.subplots(layout="constrained")
            picture(axes, measured)
            axes.set_ylim(bottom=0)
            figure.legend(loc="outside upper center", ncols=4)
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})
            pyplot.close(figure)


def _time(axes: Any, measured: list[Measured]) -> None:
    pods = [each.pods for each in measured]
    for label, colour, seconds in (
        ("until all are ready", _COLOURS["apiserver"], [each.seconds_until_ready for each in measured]),
        ("until all are gone", _COLOURS["controller-manager"], [each.seconds_until_gone for each in measured]),
    ):
        axes.plot(pods, seconds, marker="o", color=colour, label=label)
        in_proportion = [seconds[0] / pods[0] * count for count in (0, pods[-1])]
        axes.plot((0, pods[-1]), in_proportion, color=colour, linewidth=1, linestyle=":")
    axes.plot([], [], color=_INK, linewidth=1, linestyle=":", label=f"in proportion to {_thousands(pods[0])} pods")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    axes.set(xlabel="pods on 1 000 nodes", ylabel="time (s)", xlim=(0, None))


def _processor(axes: Any, measured: list[Measured]) -> None:
    shares = [{name: 1000 * used / each.pods for name, used in each.processor_up.items()} for each in measured]
    _stack(axes, measured, shares, [*CONTROL_PLANE, "kubelet"])
    axes.set(ylabel="processor time until ready (ms per pod)")


def _memory(axes: Any, measured: list[Measured]) -> None:
    _stack(axes, measured, [each.settled_memory for each in measured], CONTROL_PLANE)
    peaks = [each.peak_memory for each in measured]
    axes.plot(range(len(peaks)), peaks, marker="_", markersize=24, linestyle="", color=_INK, label="peak of all three")
    axes.set(ylabel="memory, settled (MB)")


def _idle(axes: Any, measured: list[Measured]) -> None:
    shares = [{name: 100 * share for name, share in each.idle_share.items()} for each in measured]
    _stack(axes, measured, shares, [*CONTROL_PLANE, "kubelet"])
    axes.set(ylabel="processor time when idle (% of a core)")


def _stack(axes: Any, measured: list[Measured], values: list[dict[str, float]], names: Any) -> None:
    """A bar for each number of pods, in it a part for each component."""
    places = range(len(measured))
    bottom = [0.0] * len(measured)
    for name in names:
        heights = [value[name] for value in values]
        label = "kubelets (pretended)" if name == "kubelet" else name
        axes.bar(places, heights, 0.6, bottom=bottom, color=_COLOURS[name], label=label)
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(places, [_thousands(each.pods) for each in measured])
    axes.set(xlabel="pods on 1 000 nodes")


def _thousands(number: float) -> str:
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


_PICTURES: dict[str, Callable[[Any, list[Measured]], None]] = {
    "time": _time,
    "processor": _processor,
    "memory": _memory,
    "idle": _idle,
}


if __name__ == "__main__":
    draw(read(PICTURES / "measured.json"), PICTURES)
