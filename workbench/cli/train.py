"""`mlw train ALGORITHM`: one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import PlaceOptions, Track, TrainingOptions, flat
from workbench.cli._progress import progress_bars
from workbench.plugin.registry import DEFAULT_DATASET

if TYPE_CHECKING:
    from workbench.experiments.run import Run


@dataclass
class TaskShapeOptions:
    """For which test tasks the run is meant."""

    ways: Annotated[int, typer.Option(help="Classes per test task.")] = 5
    shots: Annotated[int, typer.Option(help="Support images per class of a test task.")] = 1


@dataclass
class StartOptions:
    """What the training starts from."""

    backbone: Annotated[
        str | None,
        typer.Option(
            help="Backbone, with options: conv4:width=32.",
            autocompletion=_complete.backbones,
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Seed for initial weights, tasks and batches.")] = 0
    init: Annotated[
        str | None,
        typer.Option(
            help="Initial weights: a run folder, or an algorithm to train first.",
            autocompletion=_complete.algorithms,
        ),
    ] = None


@flat
def train(
    algorithm: Annotated[
        str,
        typer.Argument(
            help="An algorithm, with options: maml:inner_steps=5,lr=1e-4.",
            autocompletion=_complete.algorithms,
        ),
    ],
    *,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            "--train-on",
            help="Data sets to train on, all at once.",
            autocompletion=_complete.datasets,
        ),
    ] = None,
    test: TaskShapeOptions,
    start: StartOptions,
    training: TrainingOptions,
    place: PlaceOptions,
    track: Track = None,
) -> None:
    """Train one method. Run the command again to resume."""
    from workbench.commands.train import train as run_training

    with progress_bars() as report:
        run = run_training(
            algorithm,
            on=on or DEFAULT_DATASET,
            report=report,
            note=_show.note,
            track=track,
            **asdict(test),
            **asdict(start),
            **asdict(training),
            **asdict(place),
        )
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
        _show.note(f"not in {plan.settings.init}, so trained from their first values: {names}")
    steps = "1 step" if result.steps == 1 else f"{result.steps:,} steps"
    told = f"{steps} in {_show.duration(result.seconds)}"
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
