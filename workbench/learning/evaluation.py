"""The one evaluation loop: one row a task.

Each image that the tasks use is embedded once, and the tasks then index that table: 10,000 tasks of
a method with frozen features take seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from workbench.learning.device import precision as precise
from workbench.learning.device import synchronize
from workbench.learning.learner import Learner, scores
from workbench.tasks.sampling import Numbers, Rows
from workbench.tasks.source import Source, as_floats

STACK_OF_FEATURES = 256  # tasks adapted to at once
STACK_OF_IMAGES = {"cpu": 4, "cuda": 32}  # the same where the images themselves are adapted to
PIXELS_AT_ONCE = 2**21  # of the images embedded at once, 297 of 84 x 84: memory grows with it
PIXELS_A_THREAD = (
    2**15
)  # the same on a CPU, for each thread, 41 of 28 x 28: smaller parts took half the time
TABLE_BYTES = 4 * 2**30  # a larger table of embeddings is made stack by stack
CONFIDENCE_BINS = 15


class Evaluation(NamedTuple):
    """Arrays with one entry a row, and what holds for all of them.

    A row is a task; or, where the protocol asks several times within a task, one `instance` of it.
    """

    task: NDArray[np.int64]
    instance: NDArray[np.int64]  # 0 where a task asks once
    ways: NDArray[np.int64]
    support: NDArray[
        np.int64
    ]  # images that were learnt from; the mean, where they differ within a row
    accuracy: NDArray[np.float64]  # of the queries, in 0..1
    loss: NDArray[np.float64]  # mean cross-entropy of the queries
    adapt_seconds: NDArray[np.float64]  # to adapt and predict: a stack's time over its tasks
    calibration_error: float  # expected calibration error over all queries, 15 bins
    seconds: float  # of the whole evaluation, embedding included


@torch.no_grad()
def evaluate(
    learner: Learner,
    source: Source,
    episodes: int,
    *,
    stack: int | None = None,
    precision: str = "float32",
    table_bytes: int = TABLE_BYTES,
) -> Evaluation:
    """Judge a learner on tasks 0 to episodes - 1 of a source.

    Leaves the learner's mode and torch's random state as they were.
    """
    began = time.perf_counter()
    device = source.device
    stack = stack or (
        STACK_OF_FEATURES if learner.embeds() else STACK_OF_IMAGES.get(device.type, 8)
    )
    stacks = list(source.stacks(0, episodes, stack))
    accuracy, loss, clock, bins = [], [], [], np.zeros((3, CONFIDENCE_BINS))
    with _undisturbed(learner), precise(precision, device):
        table, placed = _embedded(learner, source, stacks, table_bytes)
        for rows in placed:
            tasks = source.task(rows, table)
            if table is None and learner.embeds():
                tasks = tasks._replace(
                    support=tasks.support._replace(x=_in_parts(learner, tasks.support.x)),
                    query=tasks.query._replace(x=_in_parts(learner, tasks.query.x)),
                )
            synchronize(device)
            start = time.perf_counter()
            predicted = scores(learner, tasks.support, tasks.query.x).float()  # (tasks, m, ways)
            synchronize(device)
            count = len(predicted)
            clock.append(np.full(count, (time.perf_counter() - start) / count))
            # not a number: a class that was not met yet; or all classes, where a method broke down, which guesses then
            unknown = predicted.isnan()
            predicted = predicted.masked_fill(unknown, float("-inf")).masked_fill(
                unknown.all(-1, keepdim=True), 0.0
            )
            hit = predicted.argmax(-1) == tasks.query.y  # (tasks, m)
            accuracy.append(hit.double().mean(-1))
            each = F.cross_entropy(
                predicted.flatten(0, 1), tasks.query.y.flatten(), reduction="none"
            )
            loss.append(each.unflatten(0, hit.shape).double().mean(-1))
            bins += _confidence_bins(predicted.softmax(-1).amax(-1), hit)
    (task, instance), mean = _by_row(stacks)
    return Evaluation(
        task,
        instance,
        mean(np.concatenate([np.full(len(rows.task), rows.ways) for rows in stacks])).astype(
            np.int64
        ),
        mean(
            np.concatenate([np.full(len(rows.task), rows.support.shape[1]) for rows in stacks])
        ).astype(np.int64),
        mean(torch.cat(accuracy).cpu().numpy()),
        mean(torch.cat(loss).cpu().numpy()),
        mean(np.concatenate(clock)),
        float(np.abs(bins[1] - bins[2]).sum() / bins[0].sum()),
        time.perf_counter() - began,
    )


def _by_row(
    stacks: Sequence[Rows],
) -> tuple[Numbers, Callable[[NDArray[Any]], NDArray[np.float64]]]:
    """The rows' (task, instance) `(2, rows)`, and what averages values of single questions over a row's."""
    asked = np.stack(
        [np.concatenate([r.task for r in stacks]), np.concatenate([r.instance for r in stacks])]
    )
    keys, row, count = np.unique(asked, axis=1, return_inverse=True, return_counts=True)
    row = row.ravel()

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(row, values.astype(np.float64), len(count)).astype(np.float64) / count

    return keys, mean


def _embedded(
    learner: Learner, source: Source, stacks: list[Rows], table_bytes: int
) -> tuple[Tensor | None, Iterable[Rows]]:
    """Embed each image that is used once, and number the rows anew; or leave both where it cannot be."""
    if not learner.embeds():
        return None, stacks
    used = np.unique(
        np.concatenate([part.ravel() for rows in stacks for part in (rows.support, rows.query)])
    )
    image = as_floats(source.gather(used[:1]))
    one = learner.embed(image)
    if one.numel() * one.element_size() * len(used) > table_bytes:
        return None, stacks
    size = _at_once(image)
    parts = (used[first : first + size] for first in range(0, len(used), size))
    table = torch.cat([learner.embed(as_floats(source.gather(part))) for part in parts])
    place = np.zeros(used[-1] + 1, np.int64)
    place[used] = np.arange(len(used))
    return table, (
        rows._replace(support=place[rows.support], query=place[rows.query]) for rows in stacks
    )


def _at_once(images: Tensor) -> int:
    """How many images `(..., channels, height, width)` are embedded at once."""
    most = (
        PIXELS_A_THREAD * torch.get_num_threads() if images.device.type == "cpu" else PIXELS_AT_ONCE
    )
    return max(1, most // math.prod(images.shape[-2:]))


def _in_parts(learner: Learner, x: Tensor) -> Tensor:
    """Embed a stack `(tasks, n, ...)` without holding the activations of all of it."""
    embedded = torch.cat([learner.embed(part) for part in x.flatten(0, 1).split(_at_once(x))])
    stacked: Tensor = embedded.unflatten(0, x.shape[:2])
    return stacked


def _confidence_bins(confidence: Tensor, hit: Tensor) -> NDArray[np.float64]:
    """Counts, summed confidence and summed hits by bin of confidence, `(3, bins)`."""
    values, hits = (
        confidence.flatten().cpu().numpy().astype(np.float64),
        hit.flatten().cpu().numpy(),
    )
    where = np.minimum((values * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    return np.stack(
        [np.bincount(where, w, minlength=CONFIDENCE_BINS) for w in (None, values, hits)]
    )


@contextmanager
def _undisturbed(learner: Learner) -> Iterator[None]:
    """Evaluation mode; afterwards the mode and torch's random state are as they were."""
    training = learner.training
    with torch.random.fork_rng():
        learner.eval()
        try:
            yield
        finally:
            learner.train(training)
