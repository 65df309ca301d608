"""The contract of a tracker: what it is told of a training and of its evaluations.

Numbers and names only, which cannot be changed: a tracker never sees the learner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class TrackedRun:
    """The run that events are of."""

    name: str  # of its folder; the same when a training is resumed or evaluated later
    folder: Path
    label: str  # the method as in tables: "maml:first_order=true"
    facts: Mapping[str, str | float]  # algorithm, options, backbone, data, seed and settings
    steps: int  # of the whole training
    done: int  # steps done already: those that were recorded after them are recorded again


@dataclass(frozen=True)
class TrackedEvaluation:
    """What an evaluation found."""

    title: str  # "omniglot, 5-way 1-shot"
    facts: Mapping[str, str | float]  # which test tasks: test_on, split, protocol, ways, shots ...
    numbers: Mapping[str, float]  # accuracy and interval in 0..1, loss, tasks


class Tracker:
    """Follows runs. A subclass overrides the events that it needs.

    The workbench makes one for a command, with the options of its spec, and tells it of one run
    after another: `begin`, then `record` or `evaluated`, then `end`. The work on a run may begin
    several times: a training is resumed, and what is trained is evaluated. An event that raises is
    the last that the tracker is told of; the training goes on.
    """

    def begin(self, run: TrackedRun) -> None:
        """Work on a run begins: its training, or an evaluation of it."""

    def record(self, step: int, numbers: Mapping[str, float]) -> None:
        """A row of the learning curve, as in train.csv: about 200 in a training.

        Args:
            step: steps done.
            numbers: "loss", mean since the row before; "lr"; "seconds" of training so far; and
                after a validation "val_accuracy", in 0..1.
        """

    def evaluated(self, evaluation: TrackedEvaluation) -> None:
        """The run was evaluated on test tasks."""

    def end(self, outcome: Outcome) -> None:
        """The work on the run ends; an interrupted training is "stopped" and can be resumed."""
