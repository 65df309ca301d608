"""The one training loop: a generator of reports, and the state that a training resumes from.

A step is a meta-batch: `settings.meta_batch` tasks, drawn in stacks whose gradients are averaged,
or one batch of images for learners that draw no tasks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from workbench.errors import TrainingError
from workbench.learning.device import precision
from workbench.learning.learner import Learner
from workbench.learning.settings import TrainSettings
from workbench.tasks.source import Source


class StepReport(NamedTuple):
    """The numbers of one training step."""

    step: int  # steps done, this one included
    loss: float  # mean over the meta-batch
    lr: float
    seconds: float  # of training so far, with validation, without interruptions
    val_accuracy: float | None = None  # in 0..1; None if no validation followed the step


class Training:
    """One training, at the step that it has reached.

    Iterate `steps()`. After each step of the optimiser the learner's `stepped()` is called, then
    the step is validated. Between two steps `state_dict()` holds everything needed to resume.
    After the last step the learner is in eval mode and has the weights that `settings.keep` asks
    for.

    Args:
        validate: returns the learner's accuracy on validation tasks; None to train without.
    """

    def __init__(
        self,
        learner: Learner,
        source: Source,
        settings: TrainSettings,
        validate: Callable[[], float] | None = None,
    ):
        self.learner = learner
        self.source = source
        self.settings = settings
        self.validate = validate if settings.validate_every else None
        self.steps_done = 0
        self.seconds = 0.0
        self.best_accuracy: float | None = None
        self.best_step = 0
        self._best_weights: dict[str, torch.Tensor] = {}
        self.optimizer = _optimizer(learner, settings)
        self._relative_rates = [_relative_rate(group, settings.lr) for group in self._groups]

    def steps(self) -> Iterator[StepReport]:
        """Train until the last step; yield a report after each one.

        Raises:
            TrainingError: the loss is not finite; the message gives the step and the learning rate.
        """
        self.learner.train()
        began = time.perf_counter() - self.seconds
        losses = iter(self.learner.losses(self.source))
        while self.steps_done < self.settings.steps:
            rate = self.settings.rate(self.steps_done)
            loss = self._step(losses, rate)
            if loss is None:
                break  # the learner has no more losses
            self.steps_done += 1
            accuracy = self._validate_if_due()
            self.seconds = time.perf_counter() - began
            yield StepReport(self.steps_done, loss, rate, self.seconds, accuracy)
        if self._best_weights:
            self.learner.load_state_dict(self._best_weights)
        self.learner.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume, as tensors, numbers and plain containers."""
        return {
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict() if self.optimizer else {},
            "source": self.source.state_dict(),
            "steps_done": self.steps_done,
            "seconds": self.seconds,
            "best_accuracy": self.best_accuracy,
            "best_step": self.best_step,
            "best_weights": self._best_weights,
            "random": torch.get_rng_state(),
            "cuda_random": _cuda_random_state(self.learner),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to the state that `state_dict` described, torch's random state included."""
        self.learner.load_state_dict(state["learner"])
        if self.optimizer:
            self.optimizer.load_state_dict(state["optimizer"])
        self.source.load_state_dict(state["source"])
        self.steps_done = state["steps_done"]
        self.seconds = state["seconds"]
        self.best_accuracy = state["best_accuracy"]
        self.best_step = state["best_step"]
        self._best_weights = state["best_weights"]
        torch.set_rng_state(state["random"].cpu())
        if state["cuda_random"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda_random"].cpu())

    @property
    def _groups(self) -> list[dict[str, Any]]:
        """The optimiser's parameter groups."""
        if self.optimizer is None:
            return []
        return self.optimizer.param_groups

    @property
    def _losses_per_step(self) -> int:
        if not self.learner.episodic:
            return 1
        return self.settings.meta_batch // self.settings.stack_size

    def _step(self, losses: Iterator[torch.Tensor], rate: float) -> float | None:
        """Take one optimiser step; return its loss, or None if the learner has no more losses."""
        for group, relative in zip(self._groups, self._relative_rates, strict=True):
            group["lr"] = relative * rate
        loss = self._accumulate(losses)
        if loss is None:
            return None
        if not math.isfinite(loss):
            raise TrainingError(self._not_finite(loss, rate))
        self._clip_gradients()
        if self.optimizer:
            self.optimizer.step()
            self.optimizer.zero_grad()
        with torch.no_grad():
            self.learner.stepped()
        return loss

    def _not_finite(self, loss: float, rate: float) -> str:
        """Say that a loss is not finite, and what may help."""
        if self.steps_done == 0:  # the weights are those of the start
            return (
                f"The loss is {loss} at step 1, where the learning rate has not been used yet: an "
                "option of the method itself is too large, such as an inner rate or a number of "
                "inner steps, or the weights that it starts from are not finite"
            )
        return (
            f"The loss is {loss} at step {self.steps_done + 1} with learning rate {rate:g}; "
            f"try a smaller one, for instance lr={rate / 10:g}, or clip_norm=1"
        )

    def _accumulate(self, losses: Iterator[torch.Tensor]) -> float | None:
        """Average the gradients of a meta-batch; return its mean loss, or None without losses."""
        count = self._losses_per_step
        values = []
        for _ in range(count):
            with precision(self.settings.precision, self.source.device):
                loss = next(losses, None)
            if loss is None:
                return None
            if loss.requires_grad:
                (loss / count).backward()
            values.append(loss.detach())
        # The only time in a step that the CPU waits for the device.
        return torch.stack(values).mean().item()

    def _clip_gradients(self) -> None:
        parameters = []
        for group in self._groups:
            parameters += group["params"]
        if self.settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(parameters, self.settings.clip_value)
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm)

    def _validate_if_due(self) -> float | None:
        """Validate after every `validate_every` steps and after the last; return the accuracy."""
        if self.validate is None:
            return None
        last = self.steps_done == self.settings.steps
        if not last and self.steps_done % self.settings.validate_every != 0:
            return None
        accuracy = self.validate()
        if self.best_accuracy is None or accuracy > self.best_accuracy:
            self._remember(accuracy)
        return accuracy

    def _remember(self, accuracy: float) -> None:
        """Note the best accuracy so far, and keep its weights if they are asked for."""
        self.best_accuracy = accuracy
        self.best_step = self.steps_done
        if self.settings.keep == "best":
            weights = self.learner.state_dict()
            self._best_weights = {name: value.detach().clone() for name, value in weights.items()}


def _relative_rate(group: dict[str, Any], lr: float) -> float:
    """Return a parameter group's rate as a multiple of `lr`; schedules keep that ratio."""
    if lr == 0:
        return 1.0
    return float(group["lr"] / lr)


def _cuda_random_state(learner: Learner) -> torch.Tensor | None:
    """Return the random state of the learner's GPU; None on other devices."""
    first = next(learner.parameters(), None)
    if first is None or first.device.type != "cuda":
        return None
    return torch.cuda.get_rng_state(first.device)


def _optimizer(learner: Learner, settings: TrainSettings) -> torch.optim.Optimizer | None:
    """Build the optimiser of a learner; None if it has no parameters to train."""
    groups = [dict(group) for group in learner.parameter_groups()]
    if not any(group["params"] for group in groups):
        return None
    rate, decay = settings.lr, settings.weight_decay
    match settings.optimizer:
        case "sgd":
            momentum, nesterov = settings.momentum, settings.momentum > 0
            return torch.optim.SGD(
                groups, lr=rate, weight_decay=decay, momentum=momentum, nesterov=nesterov
            )
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, eps=settings.eps, weight_decay=decay)
        case _:
            return torch.optim.Adam(groups, lr=rate, eps=settings.eps, weight_decay=decay)
