"""The temperature that corrects how sure a method is, chosen on validation tasks.

It divides the scores, so it changes probabilities and no answer. Test tasks choose nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from workbench.experiments.selection import validation_tasks
from workbench.experiments.trained import TrainedMethod
from workbench.learning.calibration import best_temperature
from workbench.learning.evaluation import answers_and_truth
from workbench.learning.learner import Learner
from workbench.progress import teller
from workbench.tasks.settings import EvaluationTasks
from workbench.tasks.source import Source


class Temperature(NamedTuple):
    """What scores are divided by."""

    value: float | None  # None where it was not asked for, or nothing could choose it
    departures: tuple[str, ...] = ()  # why nothing could, or how the choice differs from the test


def choose_temperature(
    trained: TrainedMethod, learner: Learner, tasks: EvaluationTasks
) -> Temperature:
    """Return the temperature with the lowest cross-entropy on validation tasks.

    These are drawn by the test's protocol from validation classes of the training data, if they
    allow. There are as many as the training validates on.

    Args:
        learner: with the options that were chosen for the test.
    """
    if tasks.settings.calibrate == "none":
        return Temperature(None)
    label = trained.run.label
    if not trained.data.validated_on:
        reason = f"{trained.data.label} has no validation classes"
        return Temperature(None, (f"{label}: no temperature was chosen, because {reason}",))
    protocol, departures = validation_tasks(trained, tasks, "the temperature was")
    settings = trained.run.plan.settings
    source = Source(trained.data.domains("val"), protocol, device=trained.device)
    scores, y = answers_and_truth(
        learner,
        source,
        settings.validate_tasks,
        precision=settings.precision,
        tell=teller(trained.report, f"{label}: temperature"),
    )
    if not len(y):
        reason = "the method broke down in all validation tasks"
        return Temperature(None, (f"{label}: no temperature was chosen, because {reason}",))
    return Temperature(best_temperature(scores, y), departures)
