"""The one evaluation loop: one row a task.

Each image that the tasks use is embedded once, and the tasks then index that table: 10,000 tasks of
a method with frozen features take seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from workbench.device import precision as precise
from workbench.device import synchronize
from workbench.learner import Learner, scores
from workbench.source import Rows, Source, as_floats

STACK_OF_FEATURES = 256  # tasks adapted to at once
STACK_OF_IMAGES = {"cpu": 4, "cuda": 32}  # the same where the images themselves are adapted to
EMBED_AT_ONCE = 1024  # images
TABLE_BYTES = 4 * 2**30  # a larger table of embeddings is made stack by stack
CONFIDENCE_BINS = 15


class Evaluation(NamedTuple):
    """Arrays with one entry a task, and what holds for all of them."""

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
    device = source.images.device
    stack = stack or (STACK_OF_FEATURES if learner.embeds() else STACK_OF_IMAGES.get(device.type, 8))
    accuracy, loss, clock, bins = [], [], [], np.zeros((3, CONFIDENCE_BINS))
    with _undisturbed(learner), precise(precision, device):
        rows = source.rows(0, episodes)
        table, rows = _embedded(learner, source, rows, table_bytes)
        for first in range(0, episodes, stack):
            part = Rows(rows.support[first : first + stack], rows.query[first : first + stack])
            tasks = source.task(table, part)
            if table is source.images and learner.embeds():
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
            hit = predicted.argmax(-1) == tasks.query.y  # (tasks, m)
            accuracy.append(hit.double().mean(-1))
            each = F.cross_entropy(predicted.flatten(0, 1), tasks.query.y.flatten(), reduction="none")
            loss.append(each.unflatten(0, hit.shape).double().mean(-1))
            bins += _confidence_bins(predicted.softmax(-1).amax(-1), hit)
    return Evaluation(
        torch.cat(accuracy).cpu().numpy(),
        torch.cat(loss).cpu().numpy(),
        np.concatenate(clock),
        float(np.abs(bins[1] - bins[2]).sum() / bins[0].sum()),
        time.perf_counter() - began,
    )


def _embedded(learner: Learner, source: Source, rows: Rows, table_bytes: int) -> tuple[Tensor, Rows]:
    """Embed each image that is used once, and number the rows anew; or leave both where it cannot be."""
    if not learner.embeds():
        return source.images, rows
    used, inverse = np.unique(np.concatenate([rows.support, rows.query], axis=1), return_inverse=True)
    index = torch.from_numpy(used).to(source.images.device)
    one = learner.embed(as_floats(source.images[index[:1]]))
    if one.numel() * one.element_size() * len(used) > table_bytes:
        return source.images, rows
    table = torch.cat([learner.embed(as_floats(source.images[part])) for part in index.split(EMBED_AT_ONCE)])
    inverse = inverse.reshape(len(rows.support), -1)
    n = rows.support.shape[1]
    return table, Rows(inverse[:, :n], inverse[:, n:])


def _in_parts(learner: Learner, x: Tensor) -> Tensor:
    """Embed a stack `(tasks, n, ...)` without holding the activations of all of it."""
    embedded = torch.cat([learner.embed(part) for part in x.flatten(0, 1).split(EMBED_AT_ONCE)])
    stacked: Tensor = embedded.unflatten(0, x.shape[:2])
    return stacked


def _confidence_bins(confidence: Tensor, hit: Tensor) -> NDArray[np.float64]:
    """Counts, summed confidence and summed hits by bin of confidence, `(3, bins)`."""
    values, hits = confidence.flatten().cpu().numpy().astype(np.float64), hit.flatten().cpu().numpy()
    where = np.minimum((values * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    return np.stack([np.bincount(where, w, minlength=CONFIDENCE_BINS) for w in (None, values, hits)])


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
