"""The one evaluation loop: one row per task.

Each image that the tasks use is embedded once, and the tasks index that table: 10,000 tasks of a
method with frozen features take seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.functional import one_hot
from workbench.learning.calibration import (
    CONFIDENCE_BINS,
    brier_scores,
    calibration_error,
    confidence_bins,
    confidences_of,
    losses_of,
    side_by_side,
)
from workbench.learning.device import precision as precision_context
from workbench.learning.device import synchronize
from workbench.learning.learner import Learner, scores
from workbench.progress import Tell, tell_nobody
from workbench.tasks.sampling import Numbers, Rows
from workbench.tasks.source import Source, as_floats
from workbench.tasks.task import Examples, Task

# Tasks that are adapted to at once: of features, and of images, by type of device.
STACK_OF_FEATURES = 256
STACK_OF_IMAGES = {"cpu": 4, "cuda": 32}
# Pixels of the images that are embedded at once, because memory grows with them: 297 images of
# 84 x 84. On a CPU, per thread, 41 images of 28 x 28: smaller parts took half the time.
PIXELS_AT_ONCE = 2**21
PIXELS_PER_THREAD = 2**15
# A larger table of embeddings is not made; each stack of tasks is embedded separately.
TABLE_BYTES = 4 * 2**30
# Tasks of which the answer to each query is kept.
KEPT_TASKS = 2_000


class Evaluation(NamedTuple):
    """Arrays with one entry per row, and numbers for all rows.

    A row is a task, or one `instance` of a task if the protocol asks several times within a task.
    """

    task: NDArray[np.int64]
    instance: NDArray[np.int64]  # 0 if a task asks once
    ways: NDArray[np.int64]
    support: NDArray[np.int64]  # images adapted to; the mean, if they differ within a row
    broken: NDArray[np.bool_]  # the method broke down: a query has no score; see `_Answers`
    accuracy: NDArray[np.float64]  # on the queries, in 0..1; a query without a score is wrong
    loss: NDArray[np.float64]  # mean cross-entropy of the queries
    brier: NDArray[np.float64]  # mean Brier score of the queries
    adapt_seconds: NDArray[np.float64]  # to adapt and predict: a stack's time per task
    calibration_error: float  # expected calibration error over all queries, 15 bins
    # the same three with scores divided by the temperature; NaN without one
    calibrated_loss: NDArray[np.float64]
    calibrated_brier: NDArray[np.float64]
    calibrated_error: float
    # of each row of the first tasks; empty for later ones, so that memory does not grow
    hits: list[tuple[float, ...]]  # 1 for a query that is answered rightly, otherwise 0
    confidences: list[tuple[float, ...]]  # probabilities of the answers
    calibrated_confidences: list[tuple[float, ...]]  # empty without a temperature
    seconds: float  # of the whole evaluation, embedding included


@torch.no_grad()
def evaluate(
    learner: Learner,
    source: Source,
    episodes: int,
    *,
    stack: int | None = None,
    precision: str = "float32",
    temperature: float | None = None,
    table_bytes: int = TABLE_BYTES,
    warm_up: bool = False,
    tell: Tell = tell_nobody,
) -> Evaluation:
    """Evaluate a learner on tasks 0 to episodes - 1 of a source.

    The learner's mode and torch's random state are restored afterwards.

    Args:
        stack: tasks adapted to at once; by default as many as suit the learner and the device.
        precision: of the networks, "float32" or "bfloat16".
        temperature: what scores are divided by, for the numbers called calibrated; None: these are
            left out.
        table_bytes: size of the largest table of embeddings to make.
        warm_up: adapt to two tasks before any is timed; the first calls of a process load libraries
            and choose kernels, which can take longer than hundreds of tasks.
        tell: told how many images are embedded, then how many tasks are done.
    """
    began = time.perf_counter()
    if stack is None:
        stack = _default_stack(learner, source.device)
    stacks = list(source.stacks(0, episodes, stack))
    results = _Results(temperature)
    with in_test_mode(learner), precision_context(precision, source.device):
        table = _embed_once(learner, source, stacks, table_bytes, tell)
        if warm_up:
            _warm_up(learner, source, table, min(2, episodes))
        for number, rows in enumerate(stacks, 1):
            results.add(rows, *_answered(learner, source, rows, table))
            tell(episodes * number // len(stacks), episodes, "tasks")
    return results.evaluation(began)


@torch.no_grad()
def answers_and_truth(
    learner: Learner,
    source: Source,
    episodes: int,
    *,
    precision: str = "float32",
    tell: Tell = tell_nobody,
) -> tuple[Tensor, Tensor]:
    """Return the scores of all queries of tasks 0 to episodes - 1, and their classes.

    Queries on which the learner breaks down are left out.

    Returns:
        Scores `(n, ways)`, minus infinity for classes that a task does not have, and y `(n,)`.
    """
    stacks = list(source.stacks(0, episodes, _default_stack(learner, source.device)))
    scores, truth = [], []
    with in_test_mode(learner), precision_context(precision, source.device):
        table = _embed_once(learner, source, stacks, TABLE_BYTES, tell)
        for number, rows in enumerate(stacks, 1):
            answers, y, _ = _answered(learner, source, rows, table)
            scores.append(answers.scores[~answers.broken])
            truth.append(y[~answers.broken])
            tell(episodes * number // len(stacks), episodes, "tasks")
    return side_by_side(scores), torch.cat(truth)


def _default_stack(learner: Learner, device: torch.device) -> int:
    if learner.embeds():
        return STACK_OF_FEATURES
    return STACK_OF_IMAGES.get(device.type, 8)


@contextmanager
def in_test_mode(learner: Learner) -> Iterator[None]:
    """Switch to eval mode; restore the mode and torch's random state at the end."""
    training = learner.training
    with torch.random.fork_rng():
        learner.eval()
        try:
            yield
        finally:
            learner.train(training)


# --- embedding


class _Table(NamedTuple):
    """Embeddings of all the images that some tasks use."""

    embedded: Tensor  # (images, *shape)
    place: Numbers  # by row number of the source: the image's place in `embedded`


def _embed_once(
    learner: Learner, source: Source, stacks: Sequence[Rows], table_bytes: int, tell: Tell
) -> _Table | None:
    """Embed each image that the tasks use once; None if nothing is embedded, or too much."""
    if not learner.embeds():
        return None
    used = _used_images(stacks)
    image = as_floats(source.gather(used[:1]))
    one = learner.embed(image)
    if one.numel() * one.element_size() * len(used) > table_bytes:
        return None
    size = _images_at_once(image)
    parts = []
    for first in range(0, len(used), size):
        part = used[first : first + size]
        parts.append(learner.embed(as_floats(source.gather(part))))
        tell(first + len(part), len(used), "images")
    place = np.zeros(used[-1] + 1, np.int64)
    place[used] = np.arange(len(used))
    return _Table(torch.cat(parts), place)


def _used_images(stacks: Sequence[Rows]) -> Numbers:
    """Return the numbers of all images of the tasks, each once, in increasing order."""
    numbers = []
    for rows in stacks:
        numbers.append(rows.support.ravel())
        numbers.append(rows.query.ravel())
    return np.unique(np.concatenate(numbers))


def embedded_tasks(learner: Learner, source: Source, rows: Rows, table: _Table | None) -> Task:
    """Return a stack of tasks for `adapt`: embedded, unless the learner adapts to images."""
    if table is not None:
        support, query = table.place[rows.support], table.place[rows.query]
        return source.task(rows._replace(support=support, query=query), table.embedded)
    tasks = source.task(rows)
    if not learner.embeds():
        return tasks
    return tasks._replace(
        support=tasks.support._replace(x=_embed_in_parts(learner, tasks.support.x)),
        query=tasks.query._replace(x=_embed_in_parts(learner, tasks.query.x)),
    )


def _embed_in_parts(learner: Learner, x: Tensor) -> Tensor:
    """Embed images `(tasks, n, ...)` without holding the activations of all of them at once."""
    images = x.flatten(0, 1)
    parts = [learner.embed(part) for part in images.split(_images_at_once(x))]
    embedded: Tensor = torch.cat(parts).unflatten(0, x.shape[:2])
    return embedded


def _images_at_once(images: Tensor) -> int:
    """Return how many images `(..., channels, height, width)` to embed at once."""
    pixels = PIXELS_AT_ONCE
    if images.device.type == "cpu":
        pixels = PIXELS_PER_THREAD * torch.get_num_threads()
    return max(1, pixels // math.prod(images.shape[-2:]))


# --- scores and results


def _warm_up(learner: Learner, source: Source, table: _Table | None, count: int) -> None:
    """Adapt to the first tasks and forget it, without drawing from torch's random state."""
    with torch.random.fork_rng():
        for rows in source.stacks(0, count, count):
            _answered(learner, source, rows, table)


def _timed_scores(learner: Learner, tasks: Task, device: torch.device) -> tuple[Tensor, float]:
    """Adapt and predict; return float32 scores `(tasks, m, ways)` and the seconds it took."""
    synchronize(device)
    start = time.perf_counter()
    predicted = scores(learner, tasks.support, tasks.query.x).float()
    synchronize(device)
    return predicted, time.perf_counter() - start


class _Answers(NamedTuple):
    """What a method answers to the queries of a stack of tasks.

    A class without support, which in a stream has not come yet, may have NaN for a score: it is
    never predicted. The method broke down on a query if a class with support has NaN, or if the
    largest score is not finite. Such a query has no answer: it counts as wrong, with the loss
    log(ways) of equal scores.
    """

    scores: Tensor  # (tasks, m, ways), without NaN
    broken: Tensor  # (tasks, m)


def answers_of(predicted: Tensor, support: Examples) -> _Answers:
    """Return the answers in scores `(tasks, m, ways)`; y of the support is `(tasks, n)`."""
    missing = predicted.isnan()
    met = one_hot(support.y, support.ways).bool().any(1)  # (tasks, ways)
    scored = predicted.masked_fill(missing, float("-inf"))
    broken = (missing & met[:, None]).any(-1) | ~scored.amax(-1).isfinite()  # (tasks, m)
    return _Answers(scored.masked_fill(broken[..., None], 0.0), broken)


def _answered(
    learner: Learner, source: Source, rows: Rows, table: _Table | None
) -> tuple[_Answers, Tensor, float]:
    """Adapt and predict; return answers and labels `(tasks, m)`, and the seconds it took."""
    if rows.support.shape[1] == 0:  # nothing to learn from, so every method guesses
        y = torch.from_numpy(rows.query_y).to(source.device)
        guesses = torch.zeros(*y.shape, rows.ways, device=source.device)
        return _Answers(guesses, torch.zeros_like(y, dtype=torch.bool)), y, 0.0
    tasks = embedded_tasks(learner, source, rows, table)
    predicted, seconds = _timed_scores(learner, tasks, source.device)
    return answers_of(predicted, tasks.support), tasks.query.y, seconds


class _ByQuery:
    """A number for each query of the first tasks; memory does not grow with later ones."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, int], list[float]] = {}  # by task and instance

    def add(self, rows: Rows, values: NDArray[Any]) -> None:
        """Add values `(tasks, m)`, in the precision in which files keep them."""
        for task, instance, of_task in zip(
            rows.task.tolist(), rows.instance.tolist(), values, strict=True
        ):
            if task < KEPT_TASKS:
                known = self.values.setdefault((task, instance), [])
                known += of_task.astype(np.float32).tolist()

    def by_row(self, task: Numbers, instance: Numbers) -> list[tuple[float, ...]]:
        """Return the numbers of each row, a task or an instance; () where none were kept."""
        keys = zip(task.tolist(), instance.tolist(), strict=True)
        return [tuple(self.values.get(key, ())) for key in keys]


class _Sureness:
    """What the probabilities of the tasks evaluated so far are worth, added stack by stack."""

    def __init__(self) -> None:
        self.loss: list[Tensor] = []
        self.brier: list[Tensor] = []
        self.bins = np.zeros((3, CONFIDENCE_BINS))
        self.confidences = _ByQuery()

    def add(self, rows: Rows, scores: Tensor, y: Tensor, hit: Tensor) -> None:
        """Add scores `(tasks, m, ways)`, labels and whether the answers are right, `(tasks, m)`."""
        self.loss.append(losses_of(scores, y).double().mean(-1))
        self.brier.append(brier_scores(scores, y).double().mean(-1))
        confidences = confidences_of(scores)
        self.bins += confidence_bins(confidences, hit.cpu().numpy())
        self.confidences.add(rows, confidences)

    def by_row(self, row: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return loss and Brier score of each row, and the calibration error; NaN if empty."""
        if not self.loss:
            unknown = np.full(row.max() + 1, np.nan)
            return unknown, unknown, math.nan
        loss = _mean_by_row(torch.cat(self.loss).cpu().numpy(), row)
        brier = _mean_by_row(torch.cat(self.brier).cpu().numpy(), row)
        return loss, brier, calibration_error(self.bins)


class _Results:
    """The results of the tasks evaluated so far, added stack by stack."""

    def __init__(self, temperature: float | None) -> None:
        self.temperature = temperature
        self.task: list[Numbers] = []
        self.instance: list[Numbers] = []
        self.ways: list[Numbers] = []
        self.support: list[Numbers] = []
        self.broken: list[Tensor] = []
        self.accuracy: list[Tensor] = []
        self.hits = _ByQuery()
        self.as_scored = _Sureness()
        self.calibrated = _Sureness()
        self.seconds: list[NDArray[np.float64]] = []

    def add(self, rows: Rows, answers: _Answers, y: Tensor, seconds: float) -> None:
        """Add a stack of tasks: answers, labels `(tasks, m)`, and the time they took."""
        predicted = answers.scores
        hit = (predicted.argmax(-1) == y) & ~answers.broken  # (tasks, m)
        count = len(rows.task)
        self.task.append(rows.task)
        self.instance.append(rows.instance)
        self.ways.append(np.full(count, rows.ways))
        self.support.append(np.full(count, rows.support.shape[1]))
        self.broken.append(answers.broken.any(-1))
        self.accuracy.append(hit.double().mean(-1))
        self.hits.add(rows, hit.cpu().numpy())
        self.as_scored.add(rows, predicted, y, hit)
        if self.temperature is not None:
            self.calibrated.add(rows, predicted / self.temperature, y, hit)
        self.seconds.append(np.full(count, seconds / count))

    def evaluation(self, began: float) -> Evaluation:
        """Average over each row, a task or an instance; `began` is when the evaluation began."""
        asked = np.stack([np.concatenate(self.task), np.concatenate(self.instance)])
        (task, instance), row = np.unique(asked, axis=1, return_inverse=True)
        row = row.ravel()
        loss, brier, error = self.as_scored.by_row(row)
        calibrated_loss, calibrated_brier, calibrated_error = self.calibrated.by_row(row)
        return Evaluation(
            task=task,
            instance=instance,
            ways=_mean_by_row(np.concatenate(self.ways), row).astype(np.int64),
            support=_mean_by_row(np.concatenate(self.support), row).astype(np.int64),
            broken=_mean_by_row(torch.cat(self.broken).cpu().numpy(), row) > 0,
            accuracy=_mean_by_row(torch.cat(self.accuracy).cpu().numpy(), row),
            loss=loss,
            brier=brier,
            adapt_seconds=_mean_by_row(np.concatenate(self.seconds), row),
            calibration_error=error,
            calibrated_loss=calibrated_loss,
            calibrated_brier=calibrated_brier,
            calibrated_error=calibrated_error,
            hits=self.hits.by_row(task, instance),
            confidences=self.as_scored.confidences.by_row(task, instance),
            calibrated_confidences=self.calibrated.confidences.by_row(task, instance),
            seconds=time.perf_counter() - began,
        )


def _mean_by_row(values: NDArray[Any], row: Numbers) -> NDArray[np.float64]:
    """Average the values of each row; `row[i]` is the row that `values[i]` belongs to."""
    totals = np.bincount(row, values.astype(np.float64))
    return totals / np.bincount(row)
