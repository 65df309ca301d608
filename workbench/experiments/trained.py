"""A trained method at test: its run, the data that it learned from, and where it computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from workbench.experiments.run import Run
from workbench.learning.evaluation import Evaluation, evaluate
from workbench.learning.learner import Learner
from workbench.progress import Report, teller
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData, joined_label


@dataclass(frozen=True)
class TrainedMethod:
    """A trained learner, and what the workbench knows of it at test."""

    run: Run
    data: TrainingData
    seen: bool  # whether the tasks are of a data set that it was trained on
    device: torch.device
    report: Report | None = None  # shows progress

    def learner(self, options: Mapping[str, Any] | None = None) -> Learner:
        return self.run.learner(self.data, self.device, seen=self.seen, options=options)

    def evaluate(
        self,
        learner: Learner,
        source: Source,
        episodes: int,
        *,
        temperature: float | None = None,
        warm_up: bool = False,
    ) -> Evaluation:
        precision = self.run.plan.settings.precision
        tell = teller(self.report, f"{self.run.label}: test on {joined_label(source.domains)}")
        return evaluate(
            learner,
            source,
            episodes,
            precision=precision,
            temperature=temperature,
            warm_up=warm_up,
            tell=tell,
        )
