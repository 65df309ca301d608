"""The parts of the contract that concern `embed` and `adapt`: in eval mode, without gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.learning.learner import Learner, scores
from workbench.tasks.task import Examples, Task
from workbench.testing.watching import check_not_seeded, generators, seed_all, stage, unchanged

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
_ROW_BY_ROW = "in eval mode, embed must work row by row: embed(x)[i] == embed(x[i : i + 1])"


@dataclass(frozen=True)
class Alone:
    """One task with embedded images, and its size in words for messages."""

    support: Examples  # x (n, *shape)
    queries: Tensor  # (m, *shape)
    size: str  # "2 images per class and 12 queries"


def check_embed(learner: Learner, images: Tensor) -> Tensor:
    """Check `embed` on images `(n, channels, height, width)`; return them embedded."""
    with stage("embed"), unchanged(learner, "embed", images=images):
        seed_all(1)
        embedded = learner.embed(images)
    assert isinstance(embedded, Tensor), (
        f"embed must return a tensor, not {type(embedded).__name__}"
    )
    assert len(embedded) == len(images), (
        f"embed must return one row per image, here {len(images)}, not {len(embedded)}"
    )
    assert learner.embeds() == (embedded is not images), (
        "embeds() must be False where embed returns the images as they are, and only there"
    )
    _check_dtype(embedded, "embed")
    with stage("embed of a single image"):
        seed_all(2)
        apart = torch.cat([learner.embed(image[None]) for image in images[:12]])
    tolerance = 1e-9 if embedded.dtype == torch.float64 else 1e-4
    assert embedded.shape[1:] == apart.shape[1:], _ROW_BY_ROW
    assert torch.allclose(embedded[:12], apart, atol=tolerance), _ROW_BY_ROW
    assert embedded.isfinite().all(), "embed must return finite numbers"
    return embedded


def embedded_task(learner: Learner, task: Task) -> Task:
    """Return a stack of tasks with its images embedded and checked."""
    both = torch.cat([task.support.x, task.query.x], dim=1)  # (tasks, n + m, ...)
    embedded = check_embed(learner, both.flatten(0, 1)).unflatten(0, both.shape[:2])
    n = task.support.x.shape[1]
    support = task.support._replace(x=embedded[:, :n])
    query = task.query._replace(x=embedded[:, n:])
    return task._replace(support=support, query=query)


def one_of(task: Task, number: int = 0) -> Alone:
    """Return one task of a stack."""
    support = Examples(task.support.x[number], task.support.y[number], task.support.ways)
    queries = task.query.x[number]
    shots = len(support.y) // support.ways
    images = "image" if shots == 1 else "images"
    return Alone(support, queries, f"{shots} {images} per class and {len(queries)} queries")


def check_adapt(learner: Learner, task: Alone) -> Tensor:
    """Check `adapt` and its predictor on one task; return the scores `(m, ways)`."""
    seed_all(1)
    first = predicted(learner, task)
    after_first = generators()
    seed_all(2)
    predictor = _adapted(learner, task)
    with stage(f"a predictor, after {task.size},"):
        second = predictor(task.queries)
    check_not_seeded(after_first, generators(), "adapt")
    assert torch.equal(first, second), (
        "adapt must be deterministic: draw random numbers from a torch.Generator made inside it "
        f"(with {task.size})"
    )
    with stage(f"a predictor, after {task.size},"):
        again = predictor(task.queries)
    assert torch.equal(second, again), (
        "a predictor must give the same scores when it is called again, here it gives others"
    )
    _check_order(predictor, task, second)
    _check_transductive(learner, predictor, task, second)
    return first


def predicted(learner: Learner, task: Alone) -> Tensor:
    """Adapt to a task and predict its queries, watched; return the scores."""
    inputs = {"support.x": task.support.x, "support.y": task.support.y, "queries": task.queries}
    with unchanged(learner, "adapt", **inputs):
        predictor = _adapted(learner, task)
        with stage(f"a predictor, after {task.size},"):
            found = predictor(task.queries)
    wanted = (len(task.queries), task.support.ways)
    assert isinstance(found, Tensor), (
        f"a predictor must return a tensor of scores, not {type(found).__name__}"
    )
    assert found.shape == wanted, (
        f"a predictor must return scores (n, ways), here {wanted}, not {tuple(found.shape)}"
    )
    _check_dtype(found, "a predictor")
    assert not found.requires_grad, "under torch.no_grad, adapt must build no graph"
    assert not found.isnan().any(), (
        f"scores must be numbers, and with {task.size} some are NaN; see that a single image "
        "per class has a spread or a normalisation"
    )
    return found


def check_unmet_class(learner: Learner, task: Alone) -> None:
    """Check a support set without the last class, which in a stream has not come yet."""
    support = task.support
    met = support.y < support.ways - 1
    partial = Examples(support.x[met], support.y[met], support.ways)
    with stage("adapt without support images of one class"):
        found = learner.adapt(partial)(task.queries)
    assert found.shape == (len(task.queries), support.ways), (
        "a predictor must return a column for every class, also for one without support images"
    )
    assert not found[:, :-1].isnan().any(), (
        "a class without support images must not make the scores of the other classes NaN"
    )


def check_steps(learner: Learner, task: Alone, adapted: Tensor) -> None:
    """Check that the last of `predictors` predicts what the predictor of `adapt` does.

    Args:
        adapted: the scores of that one, `(m, ways)`.
    """
    found = torch.empty(0)
    with stage("predictors"):
        for predictor in learner.predictors(task.support):
            found = predictor(task.queries)
    same = found.shape == adapted.shape and torch.allclose(
        found, adapted, atol=TOLERANCE[adapted.dtype]
    )
    assert same, (
        "the last that predictors yields must predict what adapt does; override one of the two"
    )


def check_batched(learner: Learner, task: Task) -> None:
    """Check that stacked tasks give what each gives alone."""
    if not learner.batched:
        return
    with stage("with batched = True, adapt under torch.vmap"):
        stacked = scores(learner, task.support, task.query.x)
    alone = []
    for number in range(len(stacked)):
        one = one_of(task, number)
        alone.append(learner.adapt(one.support)(one.queries))
    tolerance = 1e-5 if stacked.dtype == torch.float64 else 1e-2
    assert torch.allclose(stacked, torch.stack(alone), atol=tolerance), (
        "with batched = True, adapt must give the same for stacked tasks as for each alone, to 1e-5"
    )


def check_no_drift(learner: Learner, task: Alone, first: Tensor) -> None:
    """Check that a task has the scores that it had before other tasks."""
    seed_all(1)
    assert torch.equal(predicted(learner, task), first), (
        "a task must have the same scores whatever tasks came before it; "
        "keep nothing from one task to the next"
    )


def _adapted(learner: Learner, task: Alone) -> Callable[[Tensor], Tensor]:
    with stage(f"adapt, with {task.size},"):
        predictor = learner.adapt(task.support)
    assert callable(predictor), (
        f"adapt must return a function of queries, not {type(predictor).__name__}"
    )
    return predictor


def _check_order(predictor: Callable[[Tensor], Tensor], task: Alone, found: Tensor) -> None:
    """Check that another order of queries gives the same scores in that order."""
    order = torch.arange(len(task.queries) - 1, -1, -1)
    order = torch.cat([order[1::2], order[::2]])
    with stage("a predictor, with queries in another order,"):
        other = predictor(task.queries[order])
    assert torch.allclose(other, found[order], atol=TOLERANCE[found.dtype], equal_nan=True), (
        "queries in another order must have the same scores in that order: "
        "a score may not depend on the position of a query"
    )


def _check_transductive(
    learner: Learner, predictor: Callable[[Tensor], Tensor], task: Alone, together: Tensor
) -> None:
    if len(task.queries) < 2:
        return
    with stage("a predictor, with a single query,"):
        apart = torch.cat([predictor(query[None]) for query in task.queries[:12]])
    rows = together[:12]
    assert apart.shape == rows.shape, "a predictor must take a single query too"
    independent = torch.allclose(rows, apart, atol=TOLERANCE[rows.dtype], equal_nan=True)
    if not learner.transductive:
        assert independent, (
            f"a prediction depends on the other queries: declare transductive = True "
            f"(with {task.size})"
        )
    else:
        assert not independent, (
            "transductive = True is declared, but no prediction depends on the other queries"
        )


def _check_dtype(found: Tensor, what: str) -> None:
    wanted = torch.get_default_dtype()
    assert found.dtype == wanted, (
        f"{what} must compute in the dtype of its images, here {wanted}, and it returns "
        f"{found.dtype}; write x.new_zeros(...) or dtype=x.dtype"
    )
