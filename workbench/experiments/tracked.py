"""What trackers are told of a run and of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbench.experiments.manifest import RunManifest
from workbench.experiments.tracker import TrackedEvaluation, TrackedRun
from workbench.plugin.options import options_text
from workbench.results.frame import records
from workbench.results.paired import mean_and_interval
from workbench.results.wording import condition_title

if TYPE_CHECKING:
    import pandas as pd

ASKED = ("train_on", "test_on", "split", "protocol", "ways", "shots", "queries", "task_seed")


def tracked_run(folder: Path, manifest: RunManifest, done: int) -> TrackedRun:
    """Return what trackers are told of a run of which so many steps are done."""
    plan = manifest.plan
    facts = {
        "algorithm": plan.algorithm,
        "options": options_text(plan.options),
        "backbone": plan.backbone,
        "train_on": plan.data_label,
        "seed": plan.seed,
        "recipe": plan.recipe,
        "parameters": manifest.parameters,
        **asdict(plan.settings),
    }
    return TrackedRun(
        folder.name, folder.absolute(), plan.label, _known(facts), plan.settings.steps, done
    )


def tracked_evaluation(frame: pd.DataFrame) -> TrackedEvaluation:
    """Return what trackers are told of the rows of an evaluation."""
    first = records(frame.head(1))[0]
    accuracy, interval = mean_and_interval(frame.groupby("task")["accuracy"].mean())
    numbers = {
        "accuracy": float(accuracy),
        "interval": float(interval),
        "loss": float(frame["loss"].mean()),
        "tasks": frame["task"].nunique(),
    }
    asked = {name: first[name] for name in ASKED}
    return TrackedEvaluation(condition_title(first), _known(asked), MappingProxyType(numbers))


def _known(facts: Mapping[str, Any]) -> Mapping[str, str | float]:
    """Return facts that nobody can change, without those that are None."""
    return MappingProxyType({key: value for key, value in facts.items() if value is not None})
