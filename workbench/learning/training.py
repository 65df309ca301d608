"""The one training loop: a generator of records, and the state to go on from.

A step is a meta-batch: `settings.meta_batch` tasks, drawn in stacks whose gradients are summed, or
one batch of images for learners that draw no tasks.
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
    """What one step reports."""

    step: int  # steps done
    loss: float  # mean over the meta-batch
    lr: float
    seconds: float  # of training so far, validation included, interruptions not
    val_accuracy: float | None = None  # in 0..1, where the step was followed by a validation


class Training:
    """One training, from where it stands.

    Iterate `records()`; between two records `state_dict()` is all that going on needs. At the end
    the learner holds the weights to keep.

    Args:
        validate: the learner's accuracy on validation tasks, or None.
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
        self._base_rates = [
            group["lr"] / settings.lr if settings.lr else 1.0 for group in self._groups
        ]

    def records(self) -> Iterator[StepReport]:
        """Train to the end, a record a step.

        Raises:
            TrainingError: the loss is not finite; the message names step and learning rate.
        """
        self.learner.train()
        clock = time.perf_counter() - self.seconds
        losses = iter(self.learner.losses(self.source))
        while self.steps_done < self.settings.steps:
            rate = self.settings.rate(self.steps_done)
            loss = self._step(losses, rate)
            if loss is None:
                break  # the learner has nothing more to learn
            self.steps_done += 1
            accuracy = None
            last = self.steps_done == self.settings.steps
            if self.validate and (last or self.steps_done % self.settings.validate_every == 0):
                accuracy = self._validated(self.validate)
            self.seconds = time.perf_counter() - clock
            yield StepReport(self.steps_done, loss, rate, self.seconds, accuracy)
        if self.settings.keep == "best" and self._best_weights:
            self.learner.load_state_dict(self._best_weights)
        self.learner.eval()

    def state_dict(self) -> dict[str, Any]:
        """All that going on needs: tensors, numbers and plain containers."""
        device = next((p.device for p in self.learner.parameters()), torch.device("cpu"))
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
            "cuda_random": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where `state_dict` was taken."""
        self.learner.load_state_dict(state["learner"])
        if self.optimizer:
            self.optimizer.load_state_dict(state["optimizer"])
        self.source.load_state_dict(state["source"])
        self.steps_done, self.seconds = state["steps_done"], state["seconds"]
        self.best_accuracy, self.best_step = state["best_accuracy"], state["best_step"]
        self._best_weights = state["best_weights"]
        torch.set_rng_state(state["random"].cpu())
        if state["cuda_random"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda_random"].cpu())

    @property
    def _groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups if self.optimizer else []

    def _step(self, losses: Iterator[torch.Tensor], rate: float) -> float | None:
        accumulate = (
            self.settings.meta_batch // self.settings.stack_size if self.learner.episodic else 1
        )
        losses_of_step = []
        for group, base in zip(self._groups, self._base_rates, strict=True):
            group["lr"] = base * rate
        for _ in range(accumulate):
            with precision(self.settings.precision, self.source.device):
                loss = next(losses, None)
            if loss is None:
                return None
            if loss.requires_grad:
                (loss / accumulate).backward()
            losses_of_step.append(loss.detach())
        total = torch.stack(losses_of_step).mean().item()  # the one wait for the device in a step
        if not math.isfinite(total):
            raise TrainingError(
                f"The loss is {total} at step {self.steps_done + 1} with learning rate {rate:g}; "
                f"try a smaller one, for instance lr={rate / 10:g}, or clip_norm=1"
            )
        parameters = [parameter for group in self._groups for parameter in group["params"]]
        if self.settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(parameters, self.settings.clip_value)
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm)
        if self.optimizer:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return total

    def _validated(self, validate: Callable[[], float]) -> float:
        accuracy = validate()
        if self.best_accuracy is None or accuracy > self.best_accuracy:
            self.best_accuracy, self.best_step = accuracy, self.steps_done
            if self.settings.keep == "best":
                self._best_weights = {
                    k: v.detach().clone() for k, v in self.learner.state_dict().items()
                }
        return accuracy


def _optimizer(learner: Learner, settings: TrainSettings) -> torch.optim.Optimizer | None:
    groups = [dict(group) for group in learner.parameter_groups()]
    if not any(group["params"] for group in groups):
        return None
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    match settings.optimizer:
        case "sgd":
            return torch.optim.SGD(
                groups, momentum=settings.momentum, nesterov=settings.momentum > 0, **common
            )
        case "adamw":
            return torch.optim.AdamW(groups, **common)
        case _:
            return torch.optim.Adam(groups, **common)
