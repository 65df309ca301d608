"""Short trainings, evaluations and comparisons, each of a second or less."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

import workbench as mlw
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.plan import Plan, TrainingRequest, make_plan
from workbench.experiments.run import Run
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.progress import Progress
from workbench.tasks.settings import EvaluationSettings, evaluation_tasks
from workbench.tasks.splits import TrainingData

CONV = "conv4:width=8"
BY_BATCH = "conv4:norm=batch,width=8"
FEW = {"steps": 3, "validate_every": 0, "validate_tasks": 8}
CLOCKS = ["adapt_seconds", "train_seconds", "eval_seconds"]


def plan_of(
    data: TrainingData,
    spec: str = "protonet",
    *,
    ways: int = 3,
    shots: int = 2,
    backbone: str | None = CONV,
    seed: int = 0,
    **settings: object,
) -> Plan:
    """Plan a training of a few steps."""
    chosen = {**FEW, **settings}
    if spec.startswith("maml") and backbone == CONV:
        backbone = BY_BATCH
    request = TrainingRequest(ways, shots, backbone, seed=seed, settings=chosen)
    return make_plan(spec, data, request)


def trained(
    data: TrainingData, out: Path, spec: str = "protonet", *, fresh: bool = False, **given: object
) -> Run:
    """Train a plan of a few steps."""
    return train_run(plan_of(data, spec, **given), data, Workspace(out, "cpu", fresh))


def evaluated(
    run: Run,
    data: TrainingData,
    *,
    on: TrainingData | None = None,
    fresh: bool = False,
    **settings: object,
) -> pd.DataFrame:
    """Evaluate a run on ten tasks of the first data set that it was trained on, or of another."""
    dataset = (on or data).members[0]
    few = {"ways": 3, "shots": 2, "queries": 4, "episodes": 10}
    tasks = evaluation_tasks(dataset, EvaluationSettings(**{**few, **settings}))
    return evaluate_run(run, tasks, Workspace(device="cpu", fresh=fresh), trained_on=data)


def compared(algorithms: object, out: Path, **settings: object) -> pd.DataFrame:
    """Compare algorithms: four training steps, twelve test tasks."""
    few = {"steps": 4, "episodes": 12, "validate_every": 2, "validate_tasks": 4}
    return mlw.compare(algorithms, out=out, device="cpu", **{**few, **settings})


def interrupt_at(step: int) -> Callable[[Progress], None]:
    """Return a report that interrupts a training at a step, before its state is saved."""

    def report(progress: Progress) -> None:
        if progress.unit == "steps" and progress.done == step:
            raise KeyboardInterrupt

    return report


def run_names(out: Path, algorithm: str = "") -> list[str]:
    """Return the names of the run folders, or of those of one algorithm."""
    names = [path.name for path in out.iterdir() if (path / "run.toml").is_file()]
    return sorted(name for name in names if name.startswith(algorithm))


def without_hash(names: list[str]) -> list[str]:
    """Return the names of run folders without the hash at their ends."""
    return [name.rpartition("-")[0] for name in names]
