"""What a learner does with tiny tasks, watched: the material that checks look at.

An attempt is made once and looked at by several checks. The functions raise `AssertionError` where
there is nothing to look at: what they call stops, or returns something of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workbench.learning.learner import Learner
from workbench.tasks.source import Source
from workbench.tasks.task import Examples, Task
from workbench.testing.watching import Watch, generators, seed_all, stage


class Alone(NamedTuple):
    """One task with embedded images, and its size in words for messages."""

    support: Examples  # x (n, *shape)
    queries: Tensor  # (m, *shape)
    size: str  # "2 images per class and 12 queries"


class Embedded(NamedTuple):
    """A stack of tasks, its images, and what `embed` made of them."""

    task: Task  # x (tasks, n, *shape)
    images: Tensor  # (tasks * (n + m), channels, height, width)
    rows: Tensor  # (tasks * (n + m), *shape)
    complaint: str  # what `embed` changed that it should have left


class Answer(NamedTuple):
    """What came of one task."""

    scores: Tensor  # (m, ways)
    predictor: Callable[[Tensor], Tensor]
    complaint: str  # what `adapt` and its predictor changed that they should have left
    generators: tuple[Any, ...]  # the global ones afterwards


class Losses(NamedTuple):
    """What came of the first two losses of a learner, each followed by `backward`."""

    learner: Learner
    source: Source
    yielded: int


def embedded(learner: Learner, task: Task) -> Embedded:
    """Embed the images of a stack of tasks."""
    both = torch.cat([task.support.x, task.query.x], dim=1)  # (tasks, n + m, ...)
    images = both.flatten(0, 1)
    watch = Watch(learner, "embed", images=images)
    with stage("embed"):
        seed_all(1)
        rows = learner.embed(images)
    complaint = watch.complaint()
    assert isinstance(rows, Tensor), f"embed must return a tensor, not {type(rows).__name__}"
    assert len(rows) == len(images), (
        f"embed must return one row per image, here {len(images)}, not {len(rows)}"
    )
    check_dtype(rows, "embed")
    stacked = rows.unflatten(0, both.shape[:2])
    n = task.support.x.shape[1]
    support = task.support._replace(x=stacked[:, :n])
    query = task.query._replace(x=stacked[:, n:])
    return Embedded(task._replace(support=support, query=query), images, rows, complaint)


def one_of(task: Task, number: int = 0) -> Alone:
    """Return one task of a stack."""
    support = Examples(task.support.x[number], task.support.y[number], task.support.ways)
    queries = task.query.x[number]
    shots = len(support.y) // support.ways
    images = "image" if shots == 1 else "images"
    return Alone(support, queries, f"{shots} {images} per class and {len(queries)} queries")


def answer(learner: Learner, task: Alone, seed: int) -> Answer:
    """Adapt to a task and predict its queries, after seeding the global generators."""
    inputs = {"support.x": task.support.x, "support.y": task.support.y, "queries": task.queries}
    watch = Watch(learner, "adapt", **inputs)
    seed_all(seed)
    predictor = adapted(learner, task)
    with stage(f"a predictor, after {task.size},"):
        found = predictor(task.queries)
    complaint = watch.complaint()
    after = generators()
    wanted = (len(task.queries), task.support.ways)
    assert isinstance(found, Tensor), (
        f"a predictor must return a tensor of scores, not {type(found).__name__}"
    )
    assert found.shape == wanted, (
        f"a predictor must return scores (n, ways), here {wanted}, not {tuple(found.shape)}"
    )
    check_dtype(found, "a predictor")
    assert not found.requires_grad, "under torch.no_grad, adapt must build no graph"
    return Answer(found, predictor, complaint, after)


def adapted(learner: Learner, task: Alone) -> Callable[[Tensor], Tensor]:
    """Adapt to a task; return the predictor."""
    with stage(f"adapt, with {task.size},"):
        predictor = learner.adapt(task.support)
    assert callable(predictor), (
        f"adapt must return a function of queries, not {type(predictor).__name__}"
    )
    return predictor


def first_losses(learner: Learner, source: Source, size: str) -> Losses:
    """Compute the first two losses in training mode, and their gradients.

    Args:
        size: of its tasks, for messages.
    """
    learner.train()
    modes = [module.training for module in learner.modules()]
    seed_all(1)
    yielded = 0
    with stage(f"losses, with {size},"):
        losses = islice(iter(learner.losses(source)), 2)
    while True:
        with stage(f"losses, with {size},"):
            loss = next(losses, None)
        if loss is None:
            break
        yielded += 1
        _check_loss(learner, loss)
        assert [module.training for module in learner.modules()] == modes, (
            "losses must leave the mode unchanged, and it called train() or eval()"
        )
    return Losses(learner, source, yielded)


def _check_loss(learner: Learner, loss: Tensor) -> None:
    assert isinstance(loss, Tensor), f"losses must yield tensors, not {type(loss).__name__}"
    assert loss.shape == (), f"losses must yield scalars, not {tuple(loss.shape)}"
    wanted = torch.get_default_dtype()
    assert loss.dtype == wanted, (
        f"losses must compute in the dtype of their images, here {wanted}, not {loss.dtype}"
    )
    assert torch.isfinite(loss), f"losses must be finite at the start, not {loss.item()}"
    if any(parameter.requires_grad for parameter in learner.parameters()):
        assert loss.requires_grad, (
            "losses must keep their graph: this one has no gradient, so nothing would be learnt"
        )
        with stage("the gradient of a loss"):
            loss.backward()


def check_dtype(found: Tensor, what: str) -> None:
    """Check that a tensor has the default dtype, as the images have."""
    wanted = torch.get_default_dtype()
    assert found.dtype == wanted, (
        f"{what} must compute in the dtype of its images, here {wanted}, and it returns "
        f"{found.dtype}; write x.new_zeros(...) or dtype=x.dtype"
    )
