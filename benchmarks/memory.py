"""Peak memory of one meta-gradient by inner steps: MAML in three variants, and iMAML.

    python benchmarks/memory.py [--device cuda] [--figure docs/algorithms/figures/memory.png]

One task of 5 ways, 5 shots and 15 queries per class, random images of 3 x 84 x 84, conv4 with
32 channels. On a CPU, each cell runs in a process of its own and reports how much its peak
resident memory rose. glibc is told to return freed memory at once, so that the peak is the
memory in use, unless `--as-is` is given. On an accelerator, the number is the peak of the
allocator above what it held before. Prints a Markdown table and draws the figure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.learning.learner import Learner
    from workbench.tasks.task import Task

METHODS = {
    "MAML": "maml:inner_steps={steps}",
    "MAML, recomputed": "maml:checkpoint=true,inner_steps={steps}",
    "MAML, first order": "maml:first_order=true,inner_steps={steps}",
    "iMAML": "imaml:inner_steps={steps}",
}
STEPS = (1, 5, 10, 20)
# Names of glibc; bytes.
FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
WAYS = 5
SHOTS = 5
QUERIES = 15
IMAGES_PER_CLASS = 30
SHAPE = (3, 84, 84)
BACKBONE = "conv4:norm=batch,width=32"
Peaks = dict[str, list[float]]  # MiB by method, aligned with STEPS


def main() -> None:
    """Measure all cells, print the table, draw the figure."""
    parser = argparse.ArgumentParser(description="Measure the peak memory of meta-gradients.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--figure", type=Path, default=Path("docs/algorithms/figures/memory.png"))
    parser.add_argument(
        "--as-is", action="store_true", help="do not change how glibc handles freed memory"
    )
    parser.add_argument("--one", help="measure one learner in this process: a spec")
    arguments = parser.parse_args()
    if arguments.one:
        print(meta_gradient(arguments.one, arguments.device))
        return
    environment = dict(os.environ)
    if not arguments.as_is:
        environment.update(FREED_AT_ONCE)
    peaks = measure_all(arguments.device, environment)
    print(markdown_table(peaks))
    arguments.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(peaks).savefig(arguments.figure, dpi=150)


def measure_all(device: str, environment: dict[str, str]) -> Peaks:
    """Measure each cell in a process of its own."""
    peaks: Peaks = {}
    for name, spec in METHODS.items():
        peaks[name] = []
        for steps in STEPS:
            mib = measure_in_process(spec.format(steps=steps), device, environment)
            peaks[name].append(mib)
            print(f"{name}, {steps} inner steps: {mib:.0f} MiB", file=sys.stderr)
    return peaks


def measure_in_process(spec: str, device: str, environment: dict[str, str]) -> float:
    """Return the peak of one learner in MiB, measured in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", spec, "--device", device],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return float(done.stdout)


def meta_gradient(spec: str, device_name: str) -> float:
    """Return the MiB that one meta-gradient takes at its peak, above what was in use before."""
    import torch

    from workbench.learning.device import select_device
    from workbench.learning.learner import query_loss

    device = select_device(device_name)
    learner, tasks = learner_and_task(spec, device)
    load_libraries(tasks, device)
    if device.type != "cpu":
        torch.accelerator.reset_peak_memory_stats(device)
    before = memory_before(device)
    query_loss(learner, tasks).backward()
    return (peak_memory(device) - before) / 2**20


def learner_and_task(spec: str, device: torch.device) -> tuple[Learner, Task]:
    """Build a learner in training mode, and draw one training task of noise."""
    from workbench.data.dataset import SPLITS
    from workbench.data.opening import OpenDataset
    from workbench.data.tables import Table
    from workbench.experiments.build import build_learner
    from workbench.experiments.plan import TrainingRequest, make_plan
    from workbench.tasks.source import Source
    from workbench.tasks.splits import training_data

    rows = WAYS * IMAGES_PER_CLASS
    images = np.random.default_rng(0).integers(0, 256, (rows, *SHAPE), np.uint8)
    names = tuple(f"class{number}" for number in range(WAYS))
    starts = np.arange(0, rows + 1, IMAGES_PER_CLASS)
    table = Table(images, names, starts, "noise")
    data = training_data([OpenDataset("noise", "noise", dict.fromkeys(SPLITS, table))])
    request = TrainingRequest(ways=WAYS, shots=SHOTS, backbone=BACKBONE)
    plan = make_plan(f"{spec},train_queries={QUERIES}", data, request)
    learner = build_learner(plan, data).to(device).train()
    source = Source(data.domains("train"), plan.protocol, device=device)
    return learner, next(source.tasks())


def load_libraries(tasks: Task, device: torch.device) -> None:
    """Run one convolution, so that loading its libraries is not measured."""
    import torch

    torch.nn.functional.conv2d(tasks.query.x[0, :1], torch.ones(1, 3, 3, 3, device=device))


def memory_before(device: torch.device) -> float:
    """Return the bytes in use: on a CPU the peak so far, on an accelerator what is allocated."""
    import torch

    if device.type == "cpu":
        return peak_memory(device)
    return torch.accelerator.memory_allocated(device)


def peak_memory(device: torch.device) -> float:
    """Return the peak in bytes."""
    import torch

    if device.type != "cpu":
        return torch.accelerator.max_memory_allocated(device)
    import resource  # only on Unix

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def markdown_table(peaks: Peaks) -> str:
    """Return a row per method; the last column is how much the inner steps cost."""
    headings = ["peak, MiB", "1 step"]
    for steps in STEPS[1:]:
        headings.append(f"{steps} steps")
    headings.append(f"{STEPS[-1]} steps / 1 step")
    lines = [_line(headings), _line(["---", *["---:"] * (len(headings) - 1)])]
    for name, row in peaks.items():
        numbers = [f"{mib:,.0f}" for mib in row]
        lines.append(_line([name, *numbers, f"{row[-1] / row[0]:.2f}"]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(peaks: Peaks) -> Figure:
    """Draw a line per method; hollow markers of several sizes, because flat lines coincide."""
    from matplotlib.figure import Figure

    from workbench.results.style import INK, PALE

    figure = Figure(figsize=(6.4, 3.9), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for place, (name, row) in enumerate(peaks.items()):
        axes.plot(STEPS, row, label=name, **_look(place))
    highest = peaks["MAML"][-1]
    flat = max(row[-1] for name, row in peaks.items() if name != "MAML")
    _annotate(axes, f"{highest:,.0f}", highest, (-8, 0))
    _annotate(axes, f"at most {flat:,.0f}", flat, (0, 12))
    axes.set(xticks=STEPS, xlim=(0, STEPS[-1] + 1), ylim=(0, None))
    axes.set_xlabel("inner steps", fontsize=9.5)
    axes.set_ylabel("peak memory of a meta-gradient, MiB", fontsize=9.5)
    axes.set_title(
        f"One task of {WAYS} ways, {SHOTS} shots, {QUERIES} queries per class; "
        "84 x 84, conv4 with 32 channels",
        fontsize=9.5,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=PALE)
    axes.legend(frameon=False, fontsize=9, loc="upper left", handlelength=3)
    return figure


def _look(place: int) -> dict[str, Any]:
    """Return colour, marker and line of a method by its place in the legend."""
    from workbench.results.style import COLOURS, DASHES, MARKERS

    return {
        "color": COLOURS[place],
        "marker": MARKERS[place],
        "linestyle": DASHES[place],
        "markersize": 4 + 3 * place,
        "markerfacecolor": "none",
        "linewidth": 1.4,
        "zorder": 9 - place,
    }


def _annotate(axes: Axes, text: str, height: float, offset: tuple[int, int]) -> None:
    """Write a text beside the last point of a line; the offset is in points."""
    axes.annotate(text, (STEPS[-1], height), offset, textcoords="offset points", ha="right")


if __name__ == "__main__":
    main()
