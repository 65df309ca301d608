"""The checks of `embed`, `adapt` and the predictor: what they return, and what they leave alone."""

from __future__ import annotations

import torch

from workbench.learning.learner import Learner, scores
from workbench.tasks.task import Examples
from workbench.testing.attempts import Embedded, one_of
from workbench.testing.checks import NotAsked
from workbench.testing.subject import SIZES, Subject
from workbench.testing.watching import check_not_seeded, seed_all, stage

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
_ROW_BY_ROW = "in eval mode, embed must work row by row: embed(x)[i] == embed(x[i : i + 1])"


@torch.no_grad()
def check_embed(subject: Subject) -> None:
    """Check `embed` on images `(n, channels, height, width)`."""
    for size in SIZES:
        found = subject.embedded(size)
        assert not found.complaint, found.complaint
        check_rows(subject.evaluated, found)


def check_rows(learner: Learner, found: Embedded) -> None:
    """Check that each embedded image is finite, and what it is without the others."""
    assert learner.embeds() == (found.rows is not found.images), (
        "embeds() must be False where embed returns the images as they are, and only there"
    )
    with stage("embed of a single image"):
        seed_all(2)
        apart = torch.cat([learner.embed(image[None]) for image in found.images[:12]])
    tolerance = 1e-9 if found.rows.dtype == torch.float64 else 1e-4
    assert found.rows.shape[1:] == apart.shape[1:], _ROW_BY_ROW
    assert torch.allclose(found.rows[:12], apart, atol=tolerance), _ROW_BY_ROW
    assert found.rows.isfinite().all(), "embed must return finite numbers"


def check_scores(subject: Subject) -> None:
    """Check that a predictor returns scores `(m, ways)`, for a single query too."""
    for size in SIZES:
        found = subject.answer(size)
        query = subject.task(size).queries[:1]
        with torch.no_grad(), stage("a predictor, with a single query,"):
            row = found.predictor(query)
        wanted = (1, found.scores.shape[1])
        assert row.shape == wanted, (
            f"a predictor must take a single query too, and it returns {tuple(row.shape)}, "
            f"not {wanted}"
        )


def check_numbers(subject: Subject) -> None:
    """Check that no score is NaN."""
    for size in SIZES:
        assert not subject.answer(size).scores.isnan().any(), (
            f"scores must be numbers, and with {subject.task(size).size} some are NaN"
        )


def check_unchanged(subject: Subject) -> None:
    """Check that `adapt` and the predictor leave the learner and its inputs alone."""
    for size in SIZES:
        complaint = subject.answer(size).complaint
        assert not complaint, complaint


def check_deterministic(subject: Subject) -> None:
    """Check that the same task has the same scores whatever the global generators say."""
    for size in SIZES:
        task = subject.task(size)
        first, second = subject.answer(size, seed=1), subject.answer(size, seed=2)
        assert torch.equal(first.scores, second.scores), (
            f"adapt must be deterministic, and another seed gives other scores (with {task.size})"
        )
        with torch.no_grad(), stage(f"a predictor, after {task.size},"):
            again = second.predictor(task.queries)
        assert torch.equal(second.scores, again), (
            "a predictor must give the same scores when it is called again, here it gives others"
        )


def check_adapt_leaves_the_seed(subject: Subject) -> None:
    """Check that `adapt` does not seed the global generators."""
    first, second = subject.answer(seed=1), subject.answer(seed=2)
    check_not_seeded(first.generators, second.generators, "adapt")


@torch.no_grad()
def check_absent_class(subject: Subject) -> None:
    """Check a support set without the last class, which in a stream has not come yet."""
    learner, task = subject.evaluated, subject.task()
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


@torch.no_grad()
def check_steps(subject: Subject) -> None:
    """Check that the last of `predictors` predicts what the predictor of `adapt` does."""
    task, wanted = subject.task(), subject.answer().scores
    found = torch.empty(0)
    with stage("predictors"):
        for predictor in subject.evaluated.predictors(task.support):
            found = predictor(task.queries)
    same = found.shape == wanted.shape and torch.allclose(
        found, wanted, atol=TOLERANCE[wanted.dtype]
    )
    assert same, "the last that predictors yields must predict what adapt does"


@torch.no_grad()
def check_batched(subject: Subject) -> None:
    """Check that stacked tasks give what each gives alone."""
    learner = subject.evaluated
    if not learner.batched:
        raise NotAsked("it does not say batched = True")
    task = subject.embedded(SIZES[0]).task
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
