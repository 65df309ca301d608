"""How long the rest of a comparison will take, from what its methods have taken so far.

Seconds per step and per evaluation are measured by method. What no cell has measured yet is not
guessed: the time left is then told as a lower bound, or as unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.experiments.cells import Cell
from workbench.experiments.earlier_runs import data_of
from workbench.experiments.lineage import run_folder
from workbench.experiments.plan import Plan
from workbench.experiments.train_run import is_finished, progress_label
from workbench.experiments.workspace import Workspace
from workbench.progress import Progress
from workbench.tasks.splits import TrainingData

EVERY = 0.5  # seconds between two reports

Method = tuple[str, str]  # label and backbone


@dataclass
class _Job:
    """A training that is left to do."""

    label: str  # of its progress
    method: Method
    steps: int
    done: int = 0


@dataclass
class _Mean:
    """A mean that grows."""

    seconds: float = 0.0
    count: int = 0

    def add(self, seconds: float, count: int) -> None:
        self.seconds += seconds
        self.count += count

    @property
    def value(self) -> float | None:
        return self.seconds / self.count if self.count else None


@dataclass
class Remaining:
    """Watches a comparison, and reports how many of its cells are done and what is left.

    Args:
        clock: seconds, for tests.
    """

    cells: Sequence[Cell]
    workspace: Workspace
    clock: Callable[[], float] = time.monotonic
    _jobs: dict[Path, _Job] = field(default_factory=dict)  # by run folder
    _per_step: dict[Method, _Mean] = field(default_factory=dict)
    _per_evaluation: dict[Method, _Mean] = field(default_factory=dict)
    _done: int = 0  # cells
    _last: tuple[str, int, float] = ("", 0, 0.0)  # label, step and time of the last report
    _told: float = 0.0

    def __post_init__(self) -> None:
        for cell in self.cells:
            for folder, job in self._jobs_of(cell.plan, cell.train):
                self._jobs.setdefault(folder, job)

    def _jobs_of(self, plan: Plan, data: TrainingData) -> Iterator[tuple[Path, _Job]]:
        """Yield the trainings that a plan needs and that are not finished."""
        folder = run_folder(plan, data, self.workspace.out)
        if not self.workspace.fresh and is_finished(folder):
            return
        for first in (plan.init, *plan.teachers):
            if isinstance(first, Plan):
                yield from self._jobs_of(first, data_of(first, data))
        yield folder, _Job(progress_label(plan), _method(plan), plan.settings.steps)

    def report(self, progress: Progress) -> None:
        """Pass progress on, and measure what it tells of."""
        if self.workspace.report is None:
            return
        self.workspace.report(progress)
        if progress.unit != "steps":
            return
        now = self.clock()
        self._measure(progress, now)
        if now - self._told > EVERY:
            self.tell()

    def _measure(self, progress: Progress, now: float) -> None:
        """Add the steps since the last report to what the method has taken."""
        label, step, then = self._last
        self._last = (progress.label, progress.done, now)
        for job in self._jobs.values():
            if job.label != progress.label or job.done == job.steps:
                continue  # seeds have one label, and are trained in this order
            job.done = progress.done
            if label == progress.label and progress.done > step:
                mean = self._per_step.setdefault(job.method, _Mean())
                mean.add(now - then, progress.done - step)
            return

    def trained(self, folder: Path) -> None:
        """Note that a run is finished, and so are those that came before it."""
        if folder in self._jobs:
            order = list(self._jobs)
            for earlier in order[: order.index(folder) + 1]:
                del self._jobs[earlier]

    def evaluated(self, plan: Plan, seconds: float) -> None:
        """Note that a cell is done, whose evaluation took so long."""
        self._per_evaluation.setdefault(_method(plan), _Mean()).add(seconds, 1)
        self._done += 1
        self.tell()

    def tell(self) -> None:
        """Report how many cells are done, and the time left."""
        if self.workspace.report is None:
            return
        self._told = self.clock()
        known = [seconds for seconds in self._parts() if seconds is not None]
        unknown = len(known) < len(self._parts())
        left = sum(known) if known else None
        self.workspace.report(
            Progress(
                "comparison",
                self._done,
                len(self.cells),
                "cells",
                seconds_left=left,
                at_least=unknown,
            )
        )

    def _parts(self) -> list[float | None]:
        """Return the seconds of each training and evaluation that is left; None: not measured."""
        parts: list[float | None] = []
        for job in self._jobs.values():
            per_step = self._per_step.get(job.method, _Mean()).value
            left = max(job.steps - job.done, 0)
            if left:
                parts.append(None if per_step is None else per_step * left)
        for cell in self.cells[self._done :]:
            parts.append(self._per_evaluation.get(_method(cell.plan), _Mean()).value)
        return parts


def _method(plan: Plan) -> Method:
    return plan.label, plan.backbone
