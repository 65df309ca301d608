"""Peak memory of one meta-gradient by inner steps: MAML plain and recomputed, first order, and iMAML.

    python benchmarks/memory.py [--device cuda] [--figure docs/algorithms/figures/memory.png]

One task of 5 ways, 5 shots and 15 queries a class, random images of 3 x 84 x 84, conv4 of 32 channels. On a
CPU each cell runs in a process of its own and reports how far its peak resident memory rose; glibc is told
to give freed memory back at once, so that this is what was in use, unless `--as-is`. On an accelerator it is
what the allocator gave out at most, above what it held before. Prints a table in Markdown and draws the
figure.
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
    from matplotlib.figure import Figure

METHODS = {
    "MAML": "maml:inner_steps={steps}",
    "MAML, recomputed": "maml:checkpoint=true,inner_steps={steps}",
    "MAML, first order": "maml:first_order=true,inner_steps={steps}",
    "iMAML": "imaml:inner_steps={steps}",
}
STEPS = (1, 5, 10, 20)
FREED_AT_ONCE = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}  # bytes; glibc's names
WAYS, SHOTS, QUERIES, SHAPE, BACKBONE = 5, 5, 15, (3, 84, 84), "conv4:norm=batch,width=32"
Peaks = dict[str, list[float]]  # MiB by method, aligned with STEPS


def main() -> None:
    """Measure all, print the table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--figure", type=Path, default=Path("docs/algorithms/figures/memory.png"))
    parser.add_argument(
        "--as-is", action="store_true", help="leave glibc's handling of freed memory as it is"
    )
    parser.add_argument("--one", help="measure one learner in this process: a spec")
    arguments = parser.parse_args()
    if arguments.one:
        print(meta_gradient(arguments.one, arguments.device))
        return
    environment = dict(os.environ) if arguments.as_is else os.environ | FREED_AT_ONCE
    peaks: Peaks = {}
    for name, spec in METHODS.items():
        peaks[name] = []
        for steps in STEPS:
            words = ["--one", spec.format(steps=steps), "--device", arguments.device]
            done = subprocess.run(
                [sys.executable, __file__, *words],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            peaks[name].append(float(done.stdout))
            print(f"{name}, {steps} inner steps: {peaks[name][-1]:.0f} MiB", file=sys.stderr)
    print(table(peaks))
    arguments.figure.parent.mkdir(parents=True, exist_ok=True)
    figure(peaks).savefig(arguments.figure, dpi=150)


def meta_gradient(spec: str, device_name: str) -> float:
    """MiB that one meta-gradient takes at its peak, above what was there before."""
    import torch

    from workbench.data.dataset import SPLITS
    from workbench.data.prepared import Table
    from workbench.experiments.build import build_learner
    from workbench.experiments.plan import make_plan
    from workbench.learning.device import select_device
    from workbench.learning.learner import query_loss
    from workbench.tasks.source import Domain, Source
    from workbench.tasks.splits import Data

    device = select_device(device_name)
    images = np.random.default_rng(0).integers(0, 256, (WAYS * 30, *SHAPE), np.uint8)
    names, starts = (
        tuple(f"class{number}" for number in range(WAYS)),
        np.arange(0, len(images) + 1, 30),
    )
    data = Data("noise", "noise", dict.fromkeys(SPLITS, Table(images, names, starts, "noise")))
    plan = make_plan(
        f"{spec},train_queries={QUERIES}", data, ways=WAYS, shots=SHOTS, backbone=BACKBONE
    )
    learner = build_learner(plan, data).to(device).train()
    source = Source([Domain("", images, data.classes("train"))], plan.protocol, device=device)
    tasks = next(source.tasks())
    torch.nn.functional.conv2d(
        tasks.query.x[0, :1], torch.ones(1, 3, 3, 3, device=device)
    )  # libraries are loaded
    before = _peak(device, reset=True)
    query_loss(learner, tasks).backward()
    return (_peak(device) - before) / 2**20


def _peak(device: torch.device, reset: bool = False) -> float:
    """Bytes at the peak so far; with `reset`, of an accelerator what is held now, and a new start."""
    if device.type == "cpu":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    import torch

    if reset:
        torch.accelerator.reset_peak_memory_stats(device)
        return torch.accelerator.memory_allocated(device)
    return torch.accelerator.max_memory_allocated(device)


def table(peaks: Peaks) -> str:
    """In Markdown; the last column is what the inner steps cost."""
    heads = [
        "peak, MiB",
        *(f"{steps} step{'s' * (steps > 1)}" for steps in STEPS),
        f"{STEPS[-1]} steps / {STEPS[0]} step",
    ]
    rows = [
        [name, *(f"{mib:,.0f}" for mib in row), f"{row[-1] / row[0]:.2f}"]
        for name, row in peaks.items()
    ]
    return "\n".join(
        f"| {' | '.join(cells)} |"
        for cells in [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    )


def figure(peaks: Peaks) -> Figure:
    """A line a method; hollow markers of several sizes, since what does not grow lies on one line."""
    from matplotlib.figure import Figure

    from workbench.results.figures import COLOURS, DASHES, INK, MARKERS, PALE

    drawing = Figure(figsize=(6.4, 3.9), layout="constrained", facecolor="white")
    axes = drawing.subplots()
    for place, (name, row) in enumerate(peaks.items()):
        look: dict[str, Any] = {
            "color": COLOURS[place],
            "marker": MARKERS[place],
            "linestyle": DASHES[place],
            "markersize": 4 + 3 * place,
        }
        axes.plot(
            STEPS, row, label=name, markerfacecolor="none", linewidth=1.4, zorder=9 - place, **look
        )
    axes.annotate(
        f"{peaks['MAML'][-1]:,.0f}",
        (STEPS[-1], peaks["MAML"][-1]),
        (-8, 0),
        textcoords="offset points",
        ha="right",
    )
    flat = max(row[-1] for name, row in peaks.items() if name != "MAML")
    axes.annotate(
        f"at most {flat:,.0f}", (STEPS[-1], flat), (0, 12), textcoords="offset points", ha="right"
    )
    axes.set(xticks=STEPS, xlim=(0, STEPS[-1] + 1), ylim=(0, None))
    axes.set_xlabel("inner steps", fontsize=9.5)
    axes.set_ylabel("peak memory of a meta-gradient, MiB", fontsize=9.5)
    title = f"One task of {WAYS} ways, {SHOTS} shots, {QUERIES} queries a class; 84 x 84, conv4 of 32 channels"
    axes.set_title(title, fontsize=9.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=PALE)
    axes.legend(frameon=False, fontsize=9, loc="upper left", handlelength=3)
    return drawing


if __name__ == "__main__":
    main()
