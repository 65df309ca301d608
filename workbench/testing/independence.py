"""The checks of what a prediction may not depend on: labels, order, other tasks, lost memory."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.learning.learner import Learner, scores
from workbench.tasks.source import Source
from workbench.tasks.task import Examples, Task
from workbench.testing.adapting import TOLERANCE
from workbench.testing.attempts import Alone, adapted, answer, embedded
from workbench.testing.checks import NotAsked
from workbench.testing.subject import (
    MANY,
    SIZES,
    USUAL,
    OtherLabels,
    Subject,
    weights_of,
)
from workbench.testing.watching import seed_all, stage


def check_tasks_apart(subject: Subject) -> None:
    """Check that a task has the scores that it had before other tasks."""
    first, *_ = [subject.answer(size).scores for size in SIZES]
    with torch.no_grad():
        again = answer(subject.evaluated, subject.task(), seed=1).scores
    assert torch.equal(first, again), (
        "a task must have the same scores whatever tasks came before it"
    )


@torch.no_grad()
def check_query_order(subject: Subject) -> None:
    """Check that another order of queries gives the same scores in that order."""
    for size in SIZES:
        found, task = subject.answer(size, seed=2), subject.task(size)
        order = torch.arange(len(task.queries) - 1, -1, -1)
        order = torch.cat([order[1::2], order[::2]])
        with stage("a predictor, with queries in another order,"):
            other = found.predictor(task.queries[order])
        assert _close(other, found.scores[order]), (
            "queries in another order must have the same scores in that order: "
            "a score may not depend on the position of a query"
        )


@torch.no_grad()
def check_transductive(subject: Subject) -> None:
    """Check that predictions depend on the other queries where the learner says so, only there."""
    for size in SIZES:
        found, task = subject.answer(size, seed=2), subject.task(size)
        with stage("a predictor, with a single query,"):
            apart = torch.cat([found.predictor(query[None]) for query in task.queries[:12]])
        independent = _close(found.scores[:12], apart)
        if not subject.evaluated.transductive:
            assert independent, (
                f"a prediction depends on the other queries: declare transductive = True "
                f"(with {task.size})"
            )
        else:
            assert not independent, (
                "transductive = True is declared, but no prediction depends on the other queries"
            )


@torch.no_grad()
def check_equivariant(subject: Subject) -> None:
    """Check that neither the order of the support nor the numbers of the classes matter."""
    learner = subject.evaluated
    if not learner.equivariant:
        raise NotAsked("it does not say equivariant = True")
    for size in (USUAL, MANY):
        task, wanted = subject.task(size), subject.answer(size).scores
        x, y, ways = task.support
        order = torch.arange(len(y) - 1, -1, -1)
        found = _scores_with(learner, task, Examples(x[order], y[order], ways))
        assert _close(found, wanted), (
            "equivariant = True is declared, and the support in another order gives other scores "
            f"(with {task.size})"
        )
        found = _scores_with(learner, task, Examples(x, (y + 1) % ways, ways))
        assert _close(found.roll(-1, dims=1), wanted), (
            "equivariant = True is declared, and classes under other numbers have other scores "
            f"(with {task.size})"
        )


def check_query_labels(subject: Subject) -> None:
    """Check that the scores are the same beside wrong labels of the queries.

    The learner meets them where they are in its reach: in the tasks of its losses, and in the
    calls that lead to `adapt`. What it learnt from losses is taken back.
    """
    right, wrong = (_scores_beside(subject, wrong=wrong) for wrong in (False, True))
    assert torch.equal(right, wrong), (
        "scores may not depend on the labels of the queries, and with other labels they are others"
    )


@torch.no_grad()
def check_saved_state(subject: Subject) -> None:
    """Check that a learner that is built again from its weights predicts what it predicted."""
    trained = subject.trained.learner
    again = subject.restored(weights_of(trained))
    task = next(subject.source().tasks())
    found, wanted = (_scores_of(learner, task) for learner in (again, trained))
    assert torch.equal(found.nan_to_num(), wanted.nan_to_num()), (
        "after a training, a learner that is built again from the saved weights must have the same "
        "scores, and it has others"
    )


def _scores_beside(subject: Subject, *, wrong: bool) -> Tensor:
    """Return the scores of the first task, `(1, m, ways)`, beside right or wrong query labels."""
    learner = subject.learner()
    state = weights_of(learner)
    made = OtherLabels if wrong else Source
    seed_all(1)
    with stage("losses"):
        next(iter(learner.train().losses(subject.source(made=made))), None)
    learner.load_state_dict(state)
    task = next(subject.source(made=made).tasks())
    with torch.no_grad():
        return _scores_of(learner.eval(), task)


def _scores_of(learner: Learner, task: Task) -> Tensor:
    task = embedded(learner, task).task
    seed_all(1)
    with stage("adapt"):
        return scores(learner, task.support, task.query.x)


def _scores_with(learner: Learner, task: Alone, support: Examples) -> Tensor:
    return adapted(learner, task._replace(support=support))(task.queries)


def _close(found: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(found, wanted, atol=TOLERANCE[wanted.dtype], equal_nan=True)
