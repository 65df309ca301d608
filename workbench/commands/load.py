"""A trained learner, ready to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.commands.arguments import checked, one
from workbench.commands.keywords import Code, Place
from workbench.environment import device_name
from workbench.experiments.own_code import require_code
from workbench.experiments.run import find_run
from workbench.learning.device import select_device
from workbench.tasks.splits import open_training_data

if TYPE_CHECKING:
    from workbench.learning.learner import Learner


def load(run: Place, *, code: Code | None = None, device: str | None = None) -> Learner:
    """Return the trained learner of a run, in eval mode.

    Nothing checks what its methods are given: images of the run's shape in 0..1, labels in
    0 .. ways - 1. `FewShotClassifier` does, and takes images and labels of any form.

    >>> learner = mlw.load(run)
    >>> predictor = learner.adapt(Examples(learner.embed(images), labels, ways))

    Args:
        run: a run folder, or what `train` returned.
        code: classes, or files with classes, that a run of own code was made of.
        device: auto, cpu, cuda, cuda:1, mps ... If omitted: `MLW_DEVICE`, or auto.

    Raises:
        RunError: it is no run, is not finished, or its weights do not fit the present code.
        UsageError: the device is not available.
    """
    named = {"run": run, "code": code, "device": device}
    given = checked(named, named, needed="run")
    found = find_run(one("run", given["run"]))
    require_code(found)
    data = open_training_data(found.plan.data)
    return found.learner(data, select_device(given.get("device", device_name())))
