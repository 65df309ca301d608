"""How fast, against the usual way, in one run on one machine, so that the ratios hold on a noisy one.

    make bench

Uses Omniglot if it is downloaded, else the built-in glyphs. The usual ways are timed on a few tasks and
scaled up; the number timed is printed.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table as Drawn

from workbench.device import choose, keep_freed_memory
from workbench.drawing import BLOCK
from workbench.errors import DataError
from workbench.evaluate import evaluate
from workbench.learner import Learner
from workbench.metadataset import MetaDataset
from workbench.plan import Data, build_learner, make_plan, open_data
from workbench.protocols import WayShot
from workbench.source import Source
from workbench.tasks import Examples
from workbench.train import Training

Row = tuple[str, float, float, str]  # what, seconds here, seconds the usual way, how that was timed


def main() -> None:
    """Time everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="auto")
    device = choose(parser.parse_args().device)
    keep_freed_memory()
    try:
        data = open_data("omniglot")
    except DataError:
        data = open_data("glyphs")
    rows = [
        protonet_tasks(data, device),
        baseline_tasks(data, device),
        maml_step(data, device),
        task_supply(data, stacked=False),
        task_supply(data, stacked=True),
    ]
    table = Drawn(title=f"{data.label}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for heading in ("what", "here, s", "usual way, s", "times faster", "the usual way"):
        table.add_column(heading)
    for what, ours, usual, how in rows:
        table.add_row(
            what,
            f"{ours:.1f}",
            f"{usual:.1f}",
            f"{usual / ours:.0f}" if usual > 5 * ours else f"{usual / ours:.1f}",
            how,
        )
    Console(width=130).print(table)
    print(f"tasks of varying form (Meta-Dataset's), ProtoNet: {varying_tasks(data, device):,.0f} a second")
    print(f"ProtoNet training: {training_rate(data, device):,.0f} images a second (conv4, 60-way 1-shot, 5 queries)")
    for command in ("--help", "list"):
        print(f"mlw {command}: {start_up(command):.2f} s (median of 5)")


def protonet_tasks(data: Data, device: torch.device) -> Row:
    """10,000 tasks, against a forward pass of 80 images a task."""
    learner, source = _judged("protonet", data, 1, device)
    ours = _seconds(lambda: evaluate(learner, source, 10_000))
    count = 100
    usual = _seconds(lambda: _one_by_one(learner, source, count)) * 10_000 / count
    return "10,000 ProtoNet tasks, 5-way 1-shot, 15 queries", ours, usual, f"a forward pass a task, {count} timed"


def baseline_tasks(data: Data, device: torch.device) -> Row:
    """600 tasks of 100 epochs of head training, against torch.optim task by task."""
    learner, source = _judged("baseline", data, 5, device)
    ours = _seconds(lambda: evaluate(learner, source, 600))
    count = 10

    def heads() -> None:
        for number in range(count):
            task = source.task(next(source.stacks(number, 1)))
            with torch.no_grad():
                support = learner.embed(task.support.x[0])
            head = torch.nn.Linear(support.shape[1], 5).to(device)
            sgd = torch.optim.SGD(head.parameters(), 0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)
            for _ in range(100):
                for batch in torch.randperm(len(support), device=device).split(4):
                    sgd.zero_grad()
                    F.cross_entropy(head(support[batch]), task.support.y[0][batch]).backward()
                    sgd.step()
            with torch.no_grad():
                head(learner.embed(task.query.x[0]))

    usual = _seconds(heads) * 600 / count
    return "600 Baseline tasks, 5-way 5-shot, 100 epochs each", ours, usual, f"torch.optim task by task, {count} timed"


def maml_step(data: Data, device: torch.device) -> Row:
    """Ten second-order meta-steps of 32 tasks, stacked and task by task."""
    seconds = []
    for stack in (32, 1):
        spec = f"maml:meta_batch=32,train_queries=1,validate_every=0,steps=10,stack={stack}"
        plan = make_plan(spec, data, ways=5, shots=1)
        source = Source(data.domains("train"), WayShot(5, 1, 1), stack=stack, device=device)
        training = Training(build_learner(plan, data).to(device), source, plan.settings)
        began = time.perf_counter()
        for _ in training.records():
            pass
        seconds.append(time.perf_counter() - began)
    return "10 MAML steps of 32 tasks, second order", seconds[0], seconds[1], "one task after the other"


def task_supply(data: Data, *, stacked: bool) -> Row:
    """Tasks of 5 ways and 20 images a class on one core, gathered in stacks; against two ways to make one task."""
    table = data.table("train")
    source = Source(data.domains("train"), WayShot(5, 1, 19))
    count, few = 20 * BLOCK, 50
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def draw() -> None:
        for rows in source.stacks(0, count, BLOCK):
            source.gather(rows.support.ravel())
            source.gather(rows.query.ravel())

    def from_tensor() -> None:
        for rows in source.stacks(0, few, 1):
            torch.stack([source.parts[0][row] for row in [*rows.support[0], *rows.query[0]]])

    def from_files() -> None:
        for rows in source.stacks(0, few, 1):
            torch.stack([_decoded(files[row]) for row in [*rows.support[0], *rows.query[0]]])

    files: dict[int, bytes] = {}
    for rows in [] if stacked else source.stacks(0, few, 1):
        files |= {row: _png(table.images[row]) for row in [*rows.support[0], *rows.query[0]]}
    ours = min(_seconds(draw) for _ in range(3)) * 10_000 / count
    usual = _seconds(from_tensor if stacked else from_files) * 10_000 / few
    torch.set_num_threads(threads)
    how = "image by image from a tensor" if stacked else "image by image from PNG bytes"
    return "10,000 tasks of 100 images supplied, one core", ours, usual, f"{how}, {few} timed"


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.squeeze(image.transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()


def _decoded(data: bytes) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data))))


def varying_tasks(data: Data, device: torch.device) -> float:
    """Tasks a second of Meta-Dataset's protocol, one by one over the table of embeddings."""
    learner, source = _judged("protonet", data, 1, device)
    source = Source(data.domains("test"), MetaDataset(), device=device)
    return 600 / _seconds(lambda: evaluate(learner, source, 600))


def training_rate(data: Data, device: torch.device) -> float:
    """Images a second, forward, backward and step."""
    plan = make_plan("protonet:train_ways=60,train_queries=5,steps=40,validate_every=0", data, ways=5, shots=1)
    source = Source(data.domains("train"), WayShot(60, 1, 5), device=device)
    training = Training(build_learner(plan, data).to(device), source, plan.settings)
    return 40 * 360 / _seconds(lambda: list(training.records()))


def start_up(command: str) -> float:
    """Seconds of a whole process."""
    program = Path(sys.executable).with_name("mlw")
    return statistics.median(
        _seconds(lambda: subprocess.run([program, command], check=True, capture_output=True)) for _ in range(5)
    )


def _judged(name: str, data: Data, shots: int, device: torch.device) -> tuple[Learner, Source]:
    learner = build_learner(make_plan(name, data, ways=5, shots=shots), data).to(device).eval()
    source = Source(data.domains("test"), WayShot(5, shots, 15), device=device)
    evaluate(learner, source, 8)  # what is slow only once is not what is asked
    return learner, source


@torch.no_grad()
def _one_by_one(learner: Learner, source: Source, count: int) -> None:
    for number in range(count):
        task = source.task(next(source.stacks(number, 1)))
        both = learner.embed(torch.cat([task.support.x[0], task.query.x[0]]))
        n = task.support.x.shape[1]
        learner.adapt(Examples(both[:n], task.support.y[0], task.support.ways))(both[n:])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
