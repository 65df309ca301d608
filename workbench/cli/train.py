"""`mlw train ALGORITHM`: one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _show
from workbench.cli._options import PlaceOptions, TrainingOptions, flat
from workbench.cli._progress import progress_bars
from workbench.plugin.registry import DEFAULT_DATASET

if TYPE_CHECKING:
    from workbench.experiments.run import Run


@dataclass
class TaskShapeOptions:
    """For which test tasks the run is meant."""

    ways: Annotated[int, typer.Option(min=2, help="Classes per test task.")] = 5
    shots: Annotated[int, typer.Option(min=1, help="Support images per class of a test task.")] = 1


@dataclass
class StartOptions:
    """What the training starts from."""

    backbone: Annotated[
        str | None, typer.Option(help="Backbone, with options: conv4:width=32.")
    ] = None
    seed: Annotated[
        int, typer.Option(min=0, help="Seed for initial weights, tasks and batches.")
    ] = 0
    init: Annotated[
        str | None,
        typer.Option(help="Initial weights: a run folder, or an algorithm to train first."),
    ] = None


@flat
def train(
    algorithm: Annotated[
        str, typer.Argument(help="An algorithm, with options: maml:inner_steps=5,lr=1e-4.")
    ],
    *,
    on: Annotated[
        list[str] | None,
        typer.Option("--on", "--train-on", help="Data sets to train on, all at once."),
    ] = None,
    test: TaskShapeOptions,
    start: StartOptions,
    training: TrainingOptions,
    place: PlaceOptions,
) -> None:
    """Train one method. Run the command again to resume."""
    from workbench.experiments.plan import TrainingRequest, make_plan
    from workbench.experiments.train_run import train_run
    from workbench.experiments.workspace import Workspace
    from workbench.tasks.splits import open_training_data

    settings = training.flags()
    if start.init is not None:
        settings["init"] = start.init
    request = TrainingRequest(
        ways=test.ways,
        shots=test.shots,
        backbone=start.backbone,
        recipe=training.recipe,
        seed=start.seed,
        settings=settings,
    )
    data = open_training_data(on or [DEFAULT_DATASET])
    plan = make_plan(algorithm, data, request)
    with progress_bars() as report:
        run = train_run(plan, data, Workspace(place.out, place.device, place.fresh, report))
    _show.note(f"{_told(run)}; next: mlw eval {run.folder}")
    _show.out(str(run.folder))


def _told(run: Run) -> str:
    """Return how the training went, in words."""
    from workbench.plugin.recipes import ways_and_shots

    plan = run.plan
    result = run.manifest.result
    assert result is not None  # the run is finished
    if result.not_initialised:
        names = ", ".join(result.not_initialised)
        _show.note(f"not in {plan.settings.init}, so trained from random weights: {names}")
    told = f"{result.steps} steps in {_show.duration(result.seconds)}"
    protocol = plan.protocol
    if protocol is not None:
        told += f" on tasks of {ways_and_shots(protocol.ways, plan.settings.train_shots)}"
    if result.best_val_accuracy is None:
        return f"{told}, last weights kept: there was no validation"
    accuracy = f"{100 * result.best_val_accuracy:.1f}%"
    return (
        f"{told}, {result.kept} weights kept, validation accuracy {accuracy} "
        f"at step {result.best_step}"
    )
