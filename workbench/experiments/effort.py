"""How much was trained for a result, beside what its recipe asks for and what guessing costs."""

from __future__ import annotations

import math
from typing import Any

from workbench.experiments.manifest import TrainingResult
from workbench.experiments.plan import Plan
from workbench.experiments.run import Run
from workbench.learning.learner import Learner
from workbench.plugin.registry import registry
from workbench.tasks.splits import TrainingData


def effort_columns(run: Run, data: TrainingData) -> dict[str, Any]:
    """Return the columns of a tasks frame that say how much a run was trained."""
    plan, result = run.plan, run.manifest.result
    columns: dict[str, Any] = {"recipe": plan.recipe, "recipe_steps": None, "steps": 0, "images": 0}
    columns |= {"train_seconds": 0.0, "train_loss": math.nan, "chance_loss": math.nan}
    if result is None:
        return columns
    columns["recipe_steps"] = _recipe_steps(plan, result)
    columns["steps"] = result.all_steps
    columns["images"] = result.all_images
    columns["train_seconds"] = result.all_seconds
    if result.last_loss is not None:
        columns["train_loss"] = result.last_loss
        columns["chance_loss"] = _chance_loss(plan, data)
    return columns


def _recipe_steps(plan: Plan, result: TrainingResult) -> int | None:
    """Return the steps that the recipes of this training and of those before ask for.

    A method that ended by itself, as one that only fits a head to a trained backbone, has done
    what its recipe asks for. So have runs that are named. None: unknown.
    """
    asked = result.steps
    if result.steps == plan.settings.steps and plan.recipe_steps is not None:
        asked = plan.recipe_steps
    before = _recipe_steps_before(plan)
    if before is None:
        return None
    return asked + max(before, result.before.steps)


def _recipe_steps_before(plan: Plan) -> int | None:
    total = 0
    for first in (plan.init, *plan.teachers):
        if isinstance(first, Plan):
            before = _recipe_steps_before(first)
            if before is None or first.recipe_steps is None:
                return None
            total += before + first.recipe_steps
    return total


def _chance_loss(plan: Plan, data: TrainingData) -> float:
    """Return the cross-entropy of guessing; NaN where the number of classes varies.

    It is also NaN for losses that are not, or not only, a cross-entropy.
    """
    learner: type[Learner] = registry().find("algorithms", plan.algorithm).load()
    if not learner.cross_entropy:
        return math.nan
    if not plan.episodic:
        classes = sum(len(domain.classes.counts) for domain in data.domains("train"))
        return math.log(classes)
    ways = plan.protocol.ways if plan.protocol is not None else None
    return math.nan if ways is None else math.log(ways)
