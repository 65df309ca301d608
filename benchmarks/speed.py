"""How fast, against the usual way, in one run on one machine, so that the ratios hold on a noisy one.

    make bench
    python benchmarks/speed.py heads baseline        # these parts alone

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
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table as Drawn
from torch import Tensor

from workbench.errors import DataError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import make_plan
from workbench.learning.device import keep_freed_memory, select_device, synchronize
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import Learner, scores
from workbench.learning.training import Training
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import BLOCK
from workbench.tasks.source import Source, as_floats
from workbench.tasks.splits import Data, open_data
from workbench.tasks.task import Examples, Task

Row = tuple[str, float, float, str]  # what, seconds here, seconds the usual way, how that was timed


def main() -> None:
    """Time everything, or the parts asked for, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"of {', '.join([*ROWS, *LINES])}; all, if left out",
    )
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    if strange := set(asked.parts) - {*ROWS, *LINES}:
        parser.error(
            f"there is no part {', '.join(sorted(strange))}; there are {', '.join([*ROWS, *LINES])}"
        )
    parts = asked.parts or [*ROWS, *LINES]
    device = select_device(asked.device)
    keep_freed_memory()
    try:
        data = open_data("omniglot")
    except DataError:
        data = open_data("glyphs")
    table = Drawn(
        title=f"{data.label}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for heading in ("what", "here, s", "usual way, s", "times faster", "the usual way"):
        table.add_column(heading)
    for what, ours, usual, how in [
        row for name, rows in ROWS.items() if name in parts for row in rows(data, device)
    ]:
        times = usual / ours
        table.add_row(
            what, _short(ours), _short(usual), f"{times:.0f}" if times > 5 else f"{times:.1f}", how
        )
    if table.rows:
        Console(width=130).print(table)
    for line in [
        line for name, lines in LINES.items() if name in parts for line in lines(data, device)
    ]:
        print(line)


def protonet_tasks(data: Data, device: torch.device) -> Row:
    """10,000 tasks, against a forward pass of 80 images a task."""
    learner, source = _judged("protonet", data, 1, device)
    ours = _seconds(lambda: evaluate(learner, source, 10_000))
    count = 100
    usual = _seconds(lambda: _one_by_one(learner, source, count)) * 10_000 / count
    return (
        "10,000 ProtoNet tasks, 5-way 1-shot, 15 queries",
        ours,
        usual,
        f"a forward pass a task, {count} timed",
    )


def baseline_tasks(data: Data, device: torch.device) -> Row:
    """600 tasks of 100 epochs of head training, embedding included, against torch.optim task by task."""
    learner, source = _judged("baseline", data, 5, device)
    ours = _seconds(lambda: evaluate(learner, source, 600))
    count = 10
    usual = (
        _seconds(lambda: [linear_head(*_task(learner, source, number)) for number in range(count)])
        * 600
        / count
    )
    what = "600 Baseline tasks, 5-way 5-shot, 100 epochs each, embedding included"
    return what, ours, usual, f"torch.optim task by task, {count} timed"


@torch.no_grad()
def heads(data: Data, device: torch.device) -> list[Row]:
    """600 tasks of every head on frozen features: fitting and predicting alone, both ways on features that are there.

    The features are an untrained backbone's. The best of three times, both ways.
    """
    rows, count = [], 10
    for name, (usual, how) in USUAL.items():
        learner, source = _judged(name, data, 1, device)
        every = np.arange(source.offsets[-1])
        table = torch.cat(
            [learner.embed(as_floats(source.gather(part))) for part in np.array_split(every, 64)]
        )
        for shots in (1, 5):
            source = Source(data.domains("test"), WayShot(5, shots, 15), device=device)
            stacks = [source.task(some, table) for some in source.stacks(0, 600, 256)]
            tasks = [source.task(next(source.stacks(number, 1)), table) for number in range(count)]
            ours = min(_seconds(partial(_stacked, learner, stacks)) for _ in range(3))
            theirs = min(_seconds(partial(_each, usual, tasks)) for _ in range(3)) * 600 / count
            rows.append(
                (f"600 heads of {name}, 5-way {shots}-shot", ours, theirs, f"{how}, {count} timed")
            )
    return rows


def _stacked(learner: Learner, stacks: list[Task]) -> None:
    for tasks in stacks:
        synchronize(scores(learner, tasks.support, tasks.query.x).device)


@torch.enable_grad()
def _each(usual: Callable[[Tensor, Tensor, Tensor], object], tasks: list[Task]) -> None:
    for task in tasks:
        usual(task.support.x[0], task.support.y[0], task.query.x[0])


def _fitted(head: torch.nn.Module, x: Tensor, y: Tensor) -> torch.nn.Module:
    """Closer Look's fine-tuning stage, by torch.optim."""
    sgd = torch.optim.SGD(
        head.to(x.device).parameters(), 0.01, momentum=0.9, dampening=0.9, weight_decay=0.001
    )
    for _ in range(100):
        for batch in torch.randperm(len(x), device=x.device).split(4):
            sgd.zero_grad()
            F.cross_entropy(head(x[batch]), y[batch]).backward()
            sgd.step()
    return head


def linear_head(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Baseline, for one task."""
    head = _fitted(torch.nn.Linear(x.shape[1], 5), x, y)
    with torch.no_grad():
        predicted: Tensor = head(queries)
    return predicted


def cosine_head(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Baseline++, for one task."""
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(x.shape[1], 5, bias=False))
    head = _fitted(layer, 2 * x, y)
    with torch.no_grad():
        predicted: Tensor = head(2 * queries)
    return predicted


def logistic_regression(x: Tensor, y: Tensor, queries: Tensor) -> object:
    """The linear probe, for one task."""
    from sklearn.linear_model import LogisticRegression

    return (
        LogisticRegression(max_iter=1000)
        .fit(x.cpu().numpy(), y.cpu().numpy())
        .predict(queries.cpu().numpy())
    )


def nearest_mean(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """SimpleShot, for one task."""
    return torch.cdist(queries, torch.stack([x[y == way].mean(0) for way in range(5)])).argmin(-1)


def nearest(x: Tensor, y: Tensor, queries: Tensor) -> object:
    """The nearest neighbour, for one task."""
    from sklearn.neighbors import KNeighborsClassifier

    return (
        KNeighborsClassifier(1).fit(x.cpu().numpy(), y.cpu().numpy()).predict(queries.cpu().numpy())
    )


USUAL: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], object], str]] = {
    "baseline": (linear_head, "torch.optim task by task"),
    "baselinepp": (cosine_head, "torch.optim task by task"),
    "linear_probe": (logistic_regression, "scikit-learn task by task"),
    "simpleshot": (nearest_mean, "torch task by task"),
    "nearest_neighbor": (nearest, "scikit-learn task by task"),
}


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
    return (
        "10 MAML steps of 32 tasks, second order",
        seconds[0],
        seconds[1],
        "one task after the other",
    )


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
    plan = make_plan(
        "protonet:train_ways=60,train_queries=5,steps=40,validate_every=0", data, ways=5, shots=1
    )
    source = Source(data.domains("train"), WayShot(60, 1, 5), device=device)
    training = Training(build_learner(plan, data).to(device), source, plan.settings)
    return 40 * 360 / _seconds(lambda: list(training.records()))


def start_up(command: str) -> float:
    """Seconds of a whole process."""
    program = Path(sys.executable).with_name("mlw")
    return statistics.median(
        _seconds(lambda: subprocess.run([program, command], check=True, capture_output=True))
        for _ in range(5)
    )


def _task(learner: Learner, source: Source, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """One task by itself: its support embedded, the labels, its queries embedded."""
    task = source.task(next(source.stacks(number, 1)))
    with torch.no_grad():
        return learner.embed(task.support.x[0]), task.support.y[0], learner.embed(task.query.x[0])


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"


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


def _varying(data: Data, device: torch.device) -> list[str]:
    return [
        f"tasks of varying form (Meta-Dataset's), ProtoNet: {varying_tasks(data, device):,.0f} a second"
    ]


def _training(data: Data, device: torch.device) -> list[str]:
    rate = training_rate(data, device)
    return [f"ProtoNet training: {rate:,.0f} images a second (conv4, 60-way 1-shot, 5 queries)"]


def _start_up(data: Data, device: torch.device) -> list[str]:  # noqa: ARG001 - as the other parts
    return [
        f"mlw {command}: {start_up(command):.2f} s (median of 5)" for command in ("--help", "list")
    ]


Rows = Callable[[Data, torch.device], Sequence[Row]]
ROWS: dict[str, Rows] = {
    "protonet": lambda data, device: [protonet_tasks(data, device)],
    "baseline": lambda data, device: [baseline_tasks(data, device)],
    "heads": heads,
    "maml": lambda data, device: [maml_step(data, device)],
    "supply": lambda data, device: [
        task_supply(data, stacked=stacked) for stacked in (False, True)
    ],  # noqa: ARG005
}
LINES: dict[str, Callable[[Data, torch.device], list[str]]] = {
    "varying": _varying,
    "training": _training,
    "start": _start_up,
}


if __name__ == "__main__":
    main()
