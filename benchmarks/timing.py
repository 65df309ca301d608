"""What the parts of the speed benchmark share: data, learners, a row of results and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from workbench.errors import DataError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import Learner
from workbench.learning.training import Training
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData, open_training_data


class Comparison(NamedTuple):
    """One row of the table."""

    task: str
    seconds: float
    reference_seconds: float
    reference: str


class Bench(NamedTuple):
    """What every part gets."""

    data: TrainingData
    device: torch.device

    def learner(self, algorithm: str, *, shots: int = 1) -> Learner:
        """Build an untrained learner."""
        plan = make_plan(algorithm, self.data, TrainingRequest(ways=5, shots=shots))
        return build_learner(plan, self.data).to(self.device).eval()

    def test_source(self, *, shots: int = 1) -> Source:
        """Return test tasks of 5 ways and 15 queries per class."""
        return Source(self.data.domains("test"), WayShot(5, shots, 15), device=self.device)

    def training(self, algorithm: str, protocol: WayShot, *, stack: int = 1) -> Training:
        """Prepare a training for 5-way 1-shot tests."""
        plan = make_plan(algorithm, self.data, TrainingRequest(ways=5, shots=1))
        domains = self.data.domains("train")
        source = Source(domains, protocol, stack=stack, device=self.device)
        return Training(build_learner(plan, self.data).to(self.device), source, plan.settings)


def open_data() -> TrainingData:
    """Open Omniglot, or glyphs if Omniglot is not downloaded."""
    try:
        return open_training_data(["omniglot"])
    except DataError:
        return open_training_data(["glyphs"])


def seconds_of(work: Callable[[], object]) -> float:
    """Time a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fastest_of_three(work: Callable[[], object]) -> float:
    """Time a call three times; return the shortest time."""
    return min(seconds_of(work) for _ in range(3))


def warm_up(learner: Learner, source: Source) -> None:
    """Evaluate a few tasks, so that what is slow only once is not measured."""
    evaluate(learner, source, 8)
