"""The checks of `losses` and `stepped`: what is learnt, and what a resumed training needs."""

from __future__ import annotations

from itertools import islice

import torch

from workbench.learning.learner import Learner
from workbench.learning.training import Training
from workbench.testing.attempts import Losses
from workbench.testing.checks import NotAsked
from workbench.testing.subject import FEW, STEPS, USUAL, Subject, weights_of
from workbench.testing.watching import check_not_seeded, generators, seed_all, stage


def check_losses(subject: Subject) -> None:
    """Check the first losses of tasks of two sizes."""
    for size in (USUAL, FEW):
        subject.losses(size)


def check_losses_leave_the_seed(subject: Subject) -> None:
    """Check that losses draw from the global generators without seeding them."""
    states = []
    for seed in (1, 2):
        learner = subject.learner().train()
        seed_all(seed)
        with stage("losses"):
            next(iter(learner.losses(subject.source())), None)
        states.append(generators())
    check_not_seeded(states[0], states[1], "losses")


def check_training(subject: Subject) -> None:
    """Check that losses reach the backbone, and that a training changes weights."""
    for size in (USUAL, FEW):
        check_reached(subject.losses(size))
    if not subject.losses(USUAL).yielded:
        raise NotAsked("it has no losses")
    trained = subject.trained
    if trained.losses:
        _check_moved(trained.learner, trained.before)


def check_reached(found: Losses) -> None:
    """Check that a backbone that may learn gets a gradient, and `episodic` on the way."""
    if not found.yielded:
        return
    if not found.learner.episodic:
        assert found.source.tasks_drawn == 0, (
            "a learner that draws tasks must not set episodic = False"
        )
    backbone = getattr(found.learner, "backbone", None)
    if not isinstance(backbone, torch.nn.Module):
        return
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    if not trained:
        return
    reached = [p for p in trained if p.grad is not None and p.grad.count_nonzero() > 0]
    assert reached, "losses must reach the backbone, and no parameter of it has a gradient"


def check_resuming(subject: Subject) -> None:
    """Check that a training of 2 steps that goes on for 2 ends as one of 4."""
    whole = subject.trained
    first = Training(subject.learner(), subject.source(), subject.settings)
    second = Training(subject.learner(), subject.source(), subject.settings)
    with stage("a training that was interrupted"):
        seed_all(1)
        resumed = [report.loss for report in islice(first.steps(), STEPS // 2)]
        state = first.state_dict()
        seed_all(3)  # another process has other random numbers
        second.load_state_dict(state)
        resumed += [report.loss for report in second.steps()]
    ended, expected = weights_of(second.learner), weights_of(whole.learner)
    for name, value in expected.items():
        assert torch.equal(ended[name].nan_to_num(), value.nan_to_num()), (
            f"2 steps and 2 more after a resume must end as 4 steps, and {name} differs"
        )
    assert resumed == whole.losses, (
        "2 steps and 2 more after a resume must have the losses of 4 steps"
    )


def _check_moved(learner: Learner, before: dict[str, torch.Tensor]) -> None:
    trained = [name for name, value in learner.named_parameters() if value.requires_grad]
    after = weights_of(learner)
    moved = [name for name in trained if not torch.equal(before[name], after[name])]
    assert moved or not trained, (
        f"a training must change a weight, and after {STEPS} steps all are as before"
    )
