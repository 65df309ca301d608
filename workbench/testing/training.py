"""The parts of the contract that concern `losses` and `stepped`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from workbench.learning.learner import Learner
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.tasks.source import Source
from workbench.testing.watching import check_not_seeded, generators, seed_all, stage

STEPS = 4  # of a training that is compared with one that stops halfway


def check_losses(learner: Learner, source: Source, size: str) -> None:
    """Check the first losses in training mode, and what their gradients reach.

    Args:
        size: of its tasks, for messages.
    """
    learner.train()
    modes = [module.training for module in learner.modules()]
    seed_all(1)
    found = 0
    with stage(f"losses, with {size},"):
        losses = islice(iter(learner.losses(source)), 2)
    while True:
        with stage(f"losses, with {size},"):
            loss = next(losses, None)
        if loss is None:
            break
        found += 1
        _check_loss(learner, loss)
        assert [module.training for module in learner.modules()] == modes, (
            "losses must leave the mode unchanged, and it called train() or eval()"
        )
    if found:
        _check_episodic(learner, source)
        _check_reached(learner)
    learner.zero_grad()


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


def _check_episodic(learner: Learner, source: Source) -> None:
    if not learner.episodic:
        assert source.tasks_drawn == 0, "a learner that draws tasks must not set episodic = False"


def _check_reached(learner: Learner) -> None:
    """Check that a backbone that may learn gets a gradient."""
    backbone = getattr(learner, "backbone", None)
    if not isinstance(backbone, torch.nn.Module):
        return
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    if not trained:
        return
    reached = [p for p in trained if p.grad is not None and p.grad.count_nonzero() > 0]
    assert reached, (
        "losses must reach the backbone, and no parameter of it has a gradient; "
        "if it is meant to stay as it is, set requires_grad_(False) on it"
    )


def check_losses_leave_the_seed(build: Callable[[], Learner], source: Callable[[], Source]) -> None:
    """Check that losses draw from the global generators without seeding them."""
    states = []
    for seed in (1, 2):
        learner = build().train()
        seed_all(seed)
        with stage("losses"):
            next(iter(learner.losses(source())), None)
        states.append(generators())
    check_not_seeded(states[0], states[1], "losses")


def check_resuming(
    build: Callable[[], Learner], source: Callable[[], Source], settings: TrainSettings
) -> None:
    """Check that a training of 2 steps that goes on for 2 ends as one of 4."""
    chosen = replace(settings, steps=STEPS, validate_every=0, meta_batch=2, stack=1, keep="last")
    whole = Training(build(), source(), chosen)
    first = Training(build(), source(), chosen)
    second = Training(build(), source(), chosen)
    before = _weights(whole.learner)
    with stage("a training of 4 steps"):
        seed_all(1)
        losses = [report.loss for report in whole.steps()]
        seed_all(1)
        resumed = [report.loss for report in islice(first.steps(), STEPS // 2)]
        state = first.state_dict()
        seed_all(3)  # another process has other random numbers
        second.load_state_dict(state)
        resumed += [report.loss for report in second.steps()]
    if losses:
        _check_trained(whole.learner, before)
    ended, expected = _weights(second.learner), _weights(whole.learner)
    for name, value in expected.items():
        assert torch.equal(ended[name].nan_to_num(), value.nan_to_num()), (
            f"2 steps and 2 more after a resume must end as 4 steps, and {name} differs: {_ADVICE}"
        )
    assert resumed == losses, (
        f"2 steps and 2 more after a resume must have the losses of 4 steps: {_ADVICE}"
    )


_ADVICE = (
    "keep state in parameters or buffers, change it before a yield or in stepped(), and draw "
    "random numbers from torch's global generator"
)


def _check_trained(learner: Learner, before: dict[str, Tensor]) -> None:
    trained = [name for name, value in learner.named_parameters() if value.requires_grad]
    after = _weights(learner)
    moved = [name for name in trained if not torch.equal(before[name], after[name])]
    assert moved or not trained, (
        "a training must change a weight, and after 4 steps all are as before; see that "
        "parameter_groups names what losses are made of"
    )


def _weights(learner: Learner) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in learner.state_dict().items()}
