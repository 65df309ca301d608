"""How many tasks a second full fine-tuning does: 5-way 5-shot, 25 epochs of the whole support, conv4.

    python benchmarks/finetuning.py

Images of noise: the rate does not depend on what is in them. Beside it the usual way, torch.optim on a
deepcopy, in the same run on the same machine. With --busy, set OMP_NUM_THREADS=1: all threads' time is counted.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from workbench.experiments.build import build_learner
from workbench.experiments.plan import make_plan
from workbench.learning.device import keep_freed_memory, select_device, synchronize
from workbench.learning.learner import Learner
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import tiny_data

Way = Callable[[Learner, Examples, torch.Tensor], torch.Tensor]


def main() -> None:
    """Time both ways and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tasks", type=int, default=4, help="tasks to time, behind a first one")
    parser.add_argument(
        "--busy", action="store_true", help="count processor time: for a machine with other work"
    )
    given = parser.parse_args()
    clock = time.process_time if given.busy else time.perf_counter
    device = select_device(given.device)
    keep_freed_memory()
    table = Table(
        title=f"tasks a second, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for heading in ("images", "tuned", "here", "torch.optim", "600 tasks here, minutes"):
        table.add_column(heading)
    for shape in ((1, 28, 28), (3, 84, 84)):
        data = tiny_data(shape, classes=5, images=20)
        source = Source(
            data.domains("test"), WayShot(5, 5, 15), stack=given.tasks + 1, device=device
        )
        tasks = next(source.tasks())
        for blocks, tuned in (("none", "all weights"), ("1", "the last block")):
            plan = make_plan(
                f"finetune:blocks={blocks},init=none", data, ways=5, shots=5, backbone="conv4"
            )
            learner = build_learner(plan, data).to(device).eval()
            rates = []
            for way in (here, usual):
                seconds = []
                for x, y, queries in zip(
                    tasks.support.x, tasks.support.y, tasks.query.x, strict=True
                ):
                    began = clock()
                    way(learner, Examples(x, y, 5), queries)
                    synchronize(device)
                    seconds.append(clock() - began)
                rates.append(given.tasks / sum(seconds[1:]))
            row = [
                " x ".join(map(str, shape)),
                tuned,
                *(f"{rate:.2f}" for rate in rates),
                f"{10 / rates[0]:.0f}",
            ]
            table.add_row(*row)
    Console(width=100).print(table)


def here(learner: Learner, support: Examples, queries: torch.Tensor) -> torch.Tensor:
    """As the evaluator does it."""
    with torch.no_grad():
        return learner.adapt(support)(queries)


def usual(learner: Learner, support: Examples, queries: torch.Tensor) -> torch.Tensor:
    """A deepcopy tuned by torch.optim; frozen weights ask for no gradient."""
    net = copy.deepcopy(learner)
    head = torch.nn.Linear(net.backbone.dim, support.ways).to(queries.device)
    with torch.no_grad():
        head.weight.copy_(
            torch.stack([net(support.x[support.y == way]).mean(0) for way in range(support.ways)])
        )
    for name, weight in net.named_parameters():
        weight.requires_grad_(name in learner.tuned)
    trained = [weight for weight in [*net.parameters(), *head.parameters()] if weight.requires_grad]
    adam = torch.optim.Adam(trained, learner.tune_lr)
    for _ in range(learner.tune_epochs):
        adam.zero_grad()
        F.cross_entropy(head(net(support.x)), support.y).backward()
        adam.step()
    with torch.no_grad():
        return head(net(queries))


if __name__ == "__main__":
    main()
