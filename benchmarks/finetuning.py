"""Tasks per second of full fine-tuning: 5-way 5-shot, 25 epochs of the whole support set, conv4.

    python benchmarks/finetuning.py

Images are noise, because the rate does not depend on their content. The reference, torch.optim
on a deepcopy, is timed in the same run on the same machine. With --busy, set OMP_NUM_THREADS=1,
because the time of all threads is counted.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.device import keep_freed_memory, select_device, synchronize
from workbench.learning.learner import Learner
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.task import Examples, Task
from workbench.testing import tiny_data

Way = Callable[[Learner, Examples, Tensor], Tensor]

SHAPES = ((1, 28, 28), (3, 84, 84))
TUNED = {"all weights": "none", "the last block": "1"}  # the option `blocks` of each
HEADINGS = ("images", "tuned", "workbench", "torch.optim", "600 tasks here, minutes")


class Settings(NamedTuple):
    """What the command line asks for."""

    device: torch.device
    tasks: int
    clock: Callable[[], float]


def main() -> None:
    """Time both ways and print one table."""
    settings = parse_arguments()
    keep_freed_memory()
    threads = torch.get_num_threads()
    title = f"tasks per second, {settings.device}, {threads} threads, torch {torch.__version__}"
    table = Table(*HEADINGS, title=title)
    for shape in SHAPES:
        for tuned, blocks in TUNED.items():
            workbench, reference = rates(shape, blocks, settings)
            size = " x ".join(map(str, shape))
            minutes = 600 / workbench / 60
            table.add_row(size, tuned, f"{workbench:.2f}", f"{reference:.2f}", f"{minutes:.0f}")
    Console(width=100).print(table)


def parse_arguments() -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the speed of full fine-tuning.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tasks", type=int, default=4, help="tasks to time, after a first one")
    parser.add_argument(
        "--busy", action="store_true", help="count processor time, for a machine with other work"
    )
    given = parser.parse_args()
    clock = time.process_time if given.busy else time.perf_counter
    return Settings(select_device(given.device), given.tasks, clock)


def rates(shape: tuple[int, int, int], blocks: str, settings: Settings) -> tuple[float, float]:
    """Return tasks per second of the workbench and of the reference."""
    data = tiny_data(shape, classes=5, images=20)
    source = Source(
        data.domains("test"),
        WayShot(5, 5, 15),
        stack=settings.tasks + 1,
        device=settings.device,
    )
    tasks = next(source.tasks())
    request = TrainingRequest(ways=5, shots=5, backbone="conv4")
    plan = make_plan(f"finetune:blocks={blocks},init=none", data, request)
    learner = build_learner(plan, data).to(settings.device).eval()
    return (
        rate(with_workbench, learner, tasks, settings),
        rate(with_torch_optim, learner, tasks, settings),
    )


def rate(way: Way, learner: Learner, tasks: Task, settings: Settings) -> float:
    """Return tasks per second, after a first task that is not counted."""
    seconds = []
    for x, y, queries in zip(tasks.support.x, tasks.support.y, tasks.query.x, strict=True):
        began = settings.clock()
        way(learner, Examples(x, y, 5), queries)
        synchronize(settings.device)
        seconds.append(settings.clock() - began)
    return settings.tasks / sum(seconds[1:])


def with_workbench(learner: Learner, support: Examples, queries: Tensor) -> Tensor:
    """Adapt as the evaluation loop does."""
    with torch.no_grad():
        return learner.adapt(support)(queries)


def with_torch_optim(learner: Learner, support: Examples, queries: Tensor) -> Tensor:
    """Tune a deepcopy with torch.optim. Frozen weights require no gradient."""
    net = copy.deepcopy(learner)
    head = torch.nn.Linear(net.backbone.dim, support.ways).to(queries.device)
    means = []
    with torch.no_grad():
        for way in range(support.ways):
            means.append(net(support.x[support.y == way]).mean(0))
        head.weight.copy_(torch.stack(means))
    for name, weight in net.named_parameters():
        weight.requires_grad_(name in learner.tuned)
    weights = [*net.parameters(), *head.parameters()]
    trained = [weight for weight in weights if weight.requires_grad]
    adam = torch.optim.Adam(trained, learner.tune_lr)
    for _ in range(learner.tune_epochs):
        adam.zero_grad()
        F.cross_entropy(head(net(support.x)), support.y).backward()
        adam.step()
    with torch.no_grad():
        return head(net(queries))


if __name__ == "__main__":
    main()
