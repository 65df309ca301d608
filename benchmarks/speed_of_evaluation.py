"""Speed of evaluation: whole evaluations, and heads on given features."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from reference_heads import REFERENCES, Head, linear_head
from timing import Bench, Comparison, fastest_of_three, seconds_of, warm_up
from torch import Tensor

from workbench.learning.device import synchronize
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import Learner, scores
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.source import Source, as_floats
from workbench.tasks.task import Examples, Task


def protonet_tasks(bench: Bench) -> Iterator[Comparison]:
    """Evaluate 10,000 tasks; the reference is a forward pass of 80 images per task."""
    learner = bench.learner("protonet")
    source = bench.test_source()
    timed = 100
    warm_up(learner, source)
    seconds = seconds_of(lambda: evaluate(learner, source, 10_000))
    reference = seconds_of(lambda: forward_per_task(learner, source, timed))
    yield Comparison(
        "10,000 ProtoNet tasks, 5-way 1-shot, 15 queries",
        seconds,
        reference * 10_000 / timed,
        f"one forward pass per task, {timed} timed",
    )


def baseline_tasks(bench: Bench) -> Iterator[Comparison]:
    """Evaluate 600 tasks of 100 epochs of head training, including the embedding."""
    learner = bench.learner("baseline", shots=5)
    source = bench.test_source(shots=5)
    timed = 10
    warm_up(learner, source)
    seconds = seconds_of(lambda: evaluate(learner, source, 600))
    reference = seconds_of(lambda: heads_per_task(learner, source, timed))
    yield Comparison(
        "600 Baseline tasks, 5-way 5-shot, 100 epochs each, embedding included",
        seconds,
        reference * 600 / timed,
        f"torch.optim task by task, {timed} timed",
    )


@torch.no_grad()
def forward_per_task(learner: Learner, source: Source, count: int) -> None:
    """Embed support and queries of each task in one forward pass."""
    for number in range(count):
        task = source.task(next(source.stacks(number, 1)))
        images = torch.cat([task.support.x[0], task.query.x[0]])
        features = learner.embed(images)
        shots = task.support.x.shape[1]
        support = Examples(features[:shots], task.support.y[0], task.support.ways)
        learner.adapt(support)(features[shots:])


def heads_per_task(learner: Learner, source: Source, count: int) -> None:
    """Embed each task and fit a linear head to it."""
    for number in range(count):
        task = source.task(next(source.stacks(number, 1)))
        with torch.no_grad():
            support = learner.embed(task.support.x[0])
            queries = learner.embed(task.query.x[0])
        linear_head(support, task.support.y[0], queries)


@torch.no_grad()
def heads(bench: Bench) -> Iterator[Comparison]:
    """Fit and predict 600 tasks with every head, on features of an untrained backbone."""
    timed = 10
    for name, reference in REFERENCES.items():
        learner = bench.learner(name)
        warm_up(learner, bench.test_source())
        features = embed_all(learner, bench.test_source())
        for shots in (1, 5):
            source = bench.test_source(shots=shots)
            stacks = [source.task(rows, features) for rows in source.stacks(0, 600, 256)]
            tasks = []
            for number in range(timed):
                tasks.append(source.task(next(source.stacks(number, 1)), features))
            seconds = fastest_of_three(partial(fit_stacks, learner, stacks))
            each = fastest_of_three(partial(fit_each, reference.head, tasks))
            yield Comparison(
                f"600 heads of {name}, 5-way {shots}-shot",
                seconds,
                each * 600 / timed,
                f"{reference.description}, {timed} timed",
            )


def embed_all(learner: Learner, source: Source) -> Tensor:
    """Embed all images of a source: `(rows, dim)`."""
    rows = np.arange(source.offsets[-1])
    parts = []
    for index in np.array_split(rows, 64):
        parts.append(learner.embed(as_floats(source.gather(index))))
    return torch.cat(parts)


def fit_stacks(learner: Learner, stacks: list[Task]) -> None:
    """Fit and predict stacks of tasks with the workbench."""
    for tasks in stacks:
        predicted = scores(learner, tasks.support, tasks.query.x)
        synchronize(predicted.device)


@torch.enable_grad()
def fit_each(head: Head, tasks: list[Task]) -> None:
    """Fit and predict task by task with the reference."""
    for task in tasks:
        head(task.support.x[0], task.support.y[0], task.query.x[0])


def varying_tasks(bench: Bench) -> Iterator[str]:
    """Evaluate Meta-Dataset's tasks one by one on the table of embeddings."""
    learner = bench.learner("protonet")
    warm_up(learner, bench.test_source())
    source = Source(bench.data.domains("test"), MetaDataset(), device=bench.device)
    rate = 600 / seconds_of(lambda: evaluate(learner, source, 600))
    yield f"ProtoNet on tasks of different sizes (Meta-Dataset's): {rate:,.0f} per second"
