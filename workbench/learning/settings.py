"""How to train, whatever the algorithm."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Literal, get_type_hints

from workbench.learning import augment
from workbench.plugin.options import AtLeast, Option, option_of


@dataclass(frozen=True)
class TrainSettings:
    """How to train, whatever the algorithm. Any field is a key of a spec: `maml:lr=1e-4,steps=500`."""

    steps: Annotated[int, "optimiser steps", AtLeast(0)] = 1000
    lr: Annotated[float, "learning rate of the optimiser (the outer loop's)", AtLeast(0)] = 1e-3
    optimizer: Annotated[Literal["adam", "adamw", "sgd"], "optimiser"] = "adam"
    momentum: Annotated[float, "Nesterov momentum, for sgd", AtLeast(0)] = 0.0
    weight_decay: Annotated[float, "weight decay", AtLeast(0)] = 0.0
    schedule: Annotated[
        Literal["constant", "step", "linear", "cosine"], "how the learning rate falls"
    ] = "constant"
    decay_every: Annotated[int, "steps between two falls, for schedule=step", AtLeast(1)] = 2000
    decay_factor: Annotated[
        float, "what a fall multiplies the learning rate by, for schedule=step", AtLeast(0)
    ] = 0.5
    meta_batch: Annotated[int, "tasks a step", AtLeast(1)] = 1
    stack: Annotated[int, "tasks in memory at once, at most", AtLeast(1)] = 32
    batch_size: Annotated[int, "images a step, for methods that draw no tasks", AtLeast(1)] = 64
    clip_norm: Annotated[float | None, "largest norm of the whole gradient", AtLeast(0)] = None
    clip_value: Annotated[
        float | None, "largest absolute value of a gradient's entry", AtLeast(0)
    ] = None
    train_ways: Annotated[int | None, "ways of a training task; none: as at test", AtLeast(2)] = (
        None
    )
    train_shots: Annotated[
        int | None,
        "shots of a training task; none: as at test, or what the classes give",
        AtLeast(1),
    ] = None
    train_queries: Annotated[int, "queries a class of a training task", AtLeast(1)] = 15
    augment: Annotated[
        str, "changes to training images: crop, shift, jitter, flip, joined by +"
    ] = "none"
    train_protocol: Annotated[str, "how training tasks are drawn: a protocol by name"] = "way-shot"
    init: Annotated[
        str, "whose weights to start from: a run folder, or an algorithm to train first"
    ] = "none"
    teachers: Annotated[
        str, "an algorithm to train on each data set alone, or run folders joined by +"
    ] = "none"
    validate_every: Annotated[int, "steps between two validations; 0: never", AtLeast(0)] = 500
    validate_tasks: Annotated[int, "validation tasks", AtLeast(1)] = 200
    keep: Annotated[
        Literal["best", "last"], "which weights to keep: best on validation, or last"
    ] = "best"
    precision: Annotated[
        Literal["float32", "bfloat16"],
        "of networks: float32, or bfloat16 where torch finds it enough",
    ] = "float32"

    def __post_init__(self) -> None:
        for name, option in settings_options().items():
            option.check(getattr(self, name))
        augment.names(self.augment)  # a wrong name is refused before anything is prepared

    @property
    def stack_size(self) -> int:
        """The largest stack that divides a meta-batch and fits `stack`."""
        return max(
            size
            for size in range(1, min(self.stack, self.meta_batch) + 1)
            if self.meta_batch % size == 0
        )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        match self.schedule:
            case "step":
                return self.lr * float(self.decay_factor ** (step // self.decay_every))
            case "linear":
                return self.lr * (1 - step / self.steps)
            case "cosine":
                return self.lr * (1 + math.cos(math.pi * step / self.steps)) / 2
            case _:
                return self.lr


@cache
def settings_options() -> dict[str, Option]:
    """The fields of `TrainSettings` as options."""
    hints = get_type_hints(TrainSettings, include_extras=True)
    options = {}
    for field in fields(TrainSettings):
        options[field.name] = option_of(field.name, hints[field.name], field.default)
    return options
