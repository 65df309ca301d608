"""The settings of a training that are the same for every algorithm."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Literal, get_type_hints

from workbench.learning import augment
from workbench.plugin.options import Above, AtLeast, Between, Option, annotated_option
from workbench.plugin.registry import DEFAULT_PROTOCOL


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Any field may be a key of an algorithm's spec: `maml:lr=1e-4,steps=500`."""

    steps: Annotated[int, "optimiser steps", AtLeast(0)] = 1000
    lr: Annotated[float, "learning rate of the optimiser (of the outer loop)", AtLeast(0)] = 1e-3
    optimizer: Annotated[Literal["adam", "adamw", "sgd"], "optimiser"] = "adam"
    momentum: Annotated[float, "Nesterov momentum, for sgd", AtLeast(0)] = 0.0
    eps: Annotated[
        float, "epsilon, added to the root of the second moment, for adam and adamw", Above(0)
    ] = 1e-8
    weight_decay: Annotated[float, "weight decay", AtLeast(0)] = 0.0
    schedule: Annotated[
        Literal["constant", "step", "linear", "cosine"], "learning rate schedule"
    ] = "constant"
    decay_every: Annotated[int, "steps between two decays, for schedule=step", AtLeast(1)] = 2000
    decay_factor: Annotated[
        float, "factor of the learning rate at each decay, for schedule=step", AtLeast(0)
    ] = 0.5
    meta_batch: Annotated[int, "tasks per step", Between(1, 100_000)] = 1
    stack: Annotated[int, "maximum number of tasks in memory at once", Between(1, 100_000)] = 32
    batch_size: Annotated[
        int, "images per step, for methods that draw no tasks", Between(1, 1_000_000)
    ] = 64
    clip_norm: Annotated[float | None, "maximum norm of the whole gradient", AtLeast(0)] = None
    clip_value: Annotated[
        float | None, "maximum absolute value of each entry of the gradient", AtLeast(0)
    ] = None
    train_ways: Annotated[
        int | None, "ways of a training task; none: the same as in the test", AtLeast(2)
    ] = None
    train_shots: Annotated[
        int | None,
        "shots of a training task; none: the same as in the test, or fewer if classes are small",
        AtLeast(1),
    ] = None
    train_queries: Annotated[int, "queries per class of a training task", AtLeast(1)] = 15
    augment: Annotated[
        str, "random changes to training images: crop, shift, jitter, flip, joined by +"
    ] = "none"
    train_protocol: Annotated[str, "protocol that draws the training tasks"] = DEFAULT_PROTOCOL
    init: Annotated[
        str, "initial weights: a run folder, or an algorithm, which is trained first"
    ] = "none"
    teachers: Annotated[
        str,
        "an algorithm, which is trained first on each data set alone, or run folders joined by +",
    ] = "none"
    validate_every: Annotated[int, "steps between two validations; 0: never", AtLeast(0)] = 500
    validate_tasks: Annotated[int, "validation tasks", AtLeast(1)] = 200
    keep: Annotated[
        Literal["best", "last"], "weights to keep: the best in validation, or the last"
    ] = "best"
    precision: Annotated[
        Literal["float32", "bfloat16"],
        "precision of networks: float32, or bfloat16 where torch finds it safe",
    ] = "float32"

    def __post_init__(self) -> None:
        for name, option in settings_options().items():
            option.check(getattr(self, name))
        augment.names(self.augment)  # fail on an unknown name before images are prepared

    @property
    def stack_size(self) -> int:
        """The largest number of tasks that divides `meta_batch` and is at most `stack`."""
        size = min(self.stack, self.meta_batch)
        while self.meta_batch % size != 0:
            size -= 1
        return size

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        match self.schedule:
            case "step":
                decays = step // self.decay_every
                return self.lr * float(self.decay_factor**decays)
            case "linear":
                return self.lr * (1 - step / self.steps)
            case "cosine":
                return self.lr * (1 + math.cos(math.pi * step / self.steps)) / 2
            case _:
                return self.lr


@cache
def settings_options() -> dict[str, Option]:
    """Return the fields of `TrainSettings` as options, by name."""
    hints = get_type_hints(TrainSettings, include_extras=True)
    options = {}
    for field in fields(TrainSettings):
        options[field.name] = annotated_option(field.name, hints[field.name], field.default)
    return options
