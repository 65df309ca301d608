"""An algorithm under check: built again for each part that changes it, with tiny tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.experiments.build import build_learner
from workbench.experiments.plan import Plan, TrainingRequest, make_plan
from workbench.learning.learner import Learner
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.plugin.options import parse_spec
from workbench.plugin.own_code import adopted
from workbench.plugin.recipes import recipe_tables
from workbench.plugin.registry import registry
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import Rows
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData
from workbench.tasks.task import Task
from workbench.testing.attempts import (
    Alone,
    Answer,
    Embedded,
    Losses,
    answer,
    embedded,
    first_losses,
    one_of,
)
from workbench.testing.tiny import TinyBackbone
from workbench.testing.watching import seed_all, stage

WAYS = 3
FEW, USUAL, MANY = (1, 1), (2, 4), (5, 15)  # shots and queries per class
SIZES = (USUAL, FEW, MANY)
STEPS = 4  # of a training that is compared with one that stops halfway


class Trained(NamedTuple):
    """A training of `STEPS` steps."""

    learner: Learner
    before: dict[str, Tensor]  # its first weights
    losses: list[float]


class OtherLabels(Source):
    """A source whose queries have wrong labels: each has that of the next class."""

    def task(self, rows: Rows, table: Tensor | None = None) -> Task:
        """Return a stack of tasks."""
        task = super().task(rows, table)
        wrong = (task.query.y + 1) % task.query.ways
        return task._replace(query=task.query._replace(y=wrong))


class Subject:
    """An algorithm, and what several checks look at, each made once.

    Args:
        spec: as on the command line: `maml:inner_steps=2`.
        backbone: a spec; None: the recipe's, or without recipes one of a single layer.
        dtype: of what is asked in float32; None: float32.
    """

    def __init__(
        self, spec: str, backbone: str | None, data: TrainingData, dtype: torch.dtype | None = None
    ):
        self.spec = spec
        self.backbone = backbone
        self.data = data
        self.single = dtype or torch.float32
        self._embedded: dict[tuple[int, int], Embedded] = {}
        self._answers: dict[tuple[tuple[int, int], int], Answer] = {}
        self._losses: dict[tuple[int, int], Losses] = {}

    @cached_property
    def plan(self) -> Plan:
        """The plan of its training."""
        backbone = self.backbone
        algorithm = registry().find("algorithms", parse_spec(self.spec).name)
        if backbone is None and not recipe_tables(algorithm):
            backbone = adopted(TinyBackbone)
        request = TrainingRequest(ways=WAYS, shots=USUAL[0], backbone=backbone)
        return make_plan(self.spec, self.data, request)

    @property
    def settings(self) -> TrainSettings:
        """Settings of a short training."""
        settings = self.plan.settings
        return replace(settings, steps=STEPS, validate_every=0, meta_batch=2, stack=1, keep="last")

    def teachers(self) -> list[Learner]:
        """Return teachers that learnt nothing."""
        teachers = []
        for first in self.plan.teachers:
            if isinstance(first, Plan):
                teachers.append(build_learner(first, self.data).eval())
        return teachers

    def learner(self, teachers: Sequence[Learner] = ()) -> Learner:
        """Return a learner with its first weights, the same each time."""
        with stage("the constructor"):
            return build_learner(self.plan, self.data, teachers=teachers or self.teachers())

    def restored(self, state: Mapping[str, Tensor]) -> Learner:
        """Return a learner in eval mode from saved weights, as a finished run gives it."""
        learner = build_learner(self.plan, self.data)
        with stage("a learner that is built again from its weights"):
            learner.load_state_dict(state)
        return learner.eval()

    def source(
        self,
        size: tuple[int, int] = USUAL,
        *,
        stack: int = 1,
        device: torch.device | str = "cpu",
        made: type[Source] = Source,
    ) -> Source:
        """Return tasks of so many shots and queries per class, and batches of 16 images."""
        protocol = WayShot(WAYS, *size)
        domains = self.data.domains("train")
        return made(domains, protocol, stack=stack, batch_size=16, device=device)

    @cached_property
    def evaluated(self) -> Learner:
        """The learner, in eval mode, of all attempts."""
        return self.learner().eval()

    def embedded(self, size: tuple[int, int]) -> Embedded:
        """Return the first tasks of a size with embedded images: three of `USUAL`, else one."""
        if size not in self._embedded:
            task = next(self.source(size, stack=3 if size == USUAL else 1).tasks())
            with torch.no_grad():
                self._embedded[size] = embedded(self.evaluated, task)
        return self._embedded[size]

    def task(self, size: tuple[int, int] = USUAL) -> Alone:
        """Return the first task of a size."""
        return one_of(self.embedded(size).task)

    def answer(self, size: tuple[int, int] = USUAL, *, seed: int = 1) -> Answer:
        """Return what came of the first task of a size."""
        if (size, seed) not in self._answers:
            with torch.no_grad():
                self._answers[size, seed] = answer(self.evaluated, self.task(size), seed)
        return self._answers[size, seed]

    def losses(self, size: tuple[int, int]) -> Losses:
        """Return the first losses on tasks of a size: three at once of `USUAL`, else one."""
        if size not in self._losses:
            shots, queries = size
            images = "image" if shots == 1 else "images"
            words = f"{shots} {images} per class and {queries * WAYS} queries"
            source = self.source(size, stack=3 if size == USUAL else 1)
            self._losses[size] = first_losses(self.learner(), source, words)
        return self._losses[size]

    @cached_property
    def trained(self) -> Trained:
        """A whole short training."""
        training = Training(self.learner(), self.source(), self.settings)
        before = weights_of(training.learner)
        with stage(f"a training of {STEPS} steps"):
            seed_all(1)
            losses = [report.loss for report in training.steps()]
        return Trained(training.learner, before, losses)


def weights_of(learner: Learner) -> dict[str, Tensor]:
    """Return copies of a learner's state."""
    return {name: value.detach().clone() for name, value in learner.state_dict().items()}
