"""What `predict` and `FewShotClassifier` share: a run that is to tell classes of images apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.errors import UsageError
from workbench.experiments.fingerprint import source_checksums
from workbench.experiments.own_code import require_code
from workbench.experiments.run import Run
from workbench.experiments.selection import select_options
from workbench.experiments.trained import TrainedMethod
from workbench.learning.device import select_device
from workbench.learning.learner import Learner
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import TaskShape
from workbench.tasks.settings import EvaluationSettings, EvaluationTasks
from workbench.tasks.splits import open_training_data

ANY_WAYS = "protonet baseline simpleshot"  # methods that take any number of classes, for messages


def check_ways(run: Run, classes: Sequence[str]) -> None:
    """Raise `UsageError` if there is nothing to tell apart, or the method takes other numbers."""
    if len(classes) < 2:
        raise UsageError(
            f"The support has one class, {classes[0]}, so every answer would be that; "
            "give a folder with a folder for each class: --support FOLDER"
        )
    fixed = run.plan.ways
    if fixed is not None and fixed != len(classes):
        data = " ".join(run.plan.data)
        raise UsageError(
            f"{run.folder.name} was trained for {fixed} classes, and the support has "
            f"{len(classes)}; train it for these: mlw train {run.label} --on {data} "
            f"--ways {len(classes)}; or take a method for any number of classes, for instance "
            f"of: {ANY_WAYS}"
        )


def trained_method(run: Run, device: str) -> TrainedMethod:
    """Return a run on a device: auto, cpu, cuda, ...

    Raises:
        RunError: it was made of own code that this process does not know.
    """
    require_code(run)
    data = open_training_data(run.plan.data)
    return TrainedMethod(run, data, False, select_device(device))


def learner_for(
    method: TrainedMethod, labels: NDArray[np.int64], note: Callable[[str], None]
) -> Learner:
    """Return the learner, with test-time options chosen as `mlw eval` would for such a support.

    Args:
        labels: `(n,)`, in 0 .. ways - 1, of the images to learn from.
        note: told which options were chosen.
    """
    counts = np.bincount(labels)
    shape = TaskShape(len(counts), int(counts.min()), 1)
    tasks = EvaluationTasks(
        method.data.members[0],
        EvaluationSettings(ways=shape.ways, shots=shape.shots, queries=1),
        shape,
        WayShot(*shape),
    )
    selection = select_options(method, tasks, source_checksums(method.run.plan))
    if selection.selected:
        note(f"test-time options: {selection.selected}")
    return method.learner(dict(selection.options))
