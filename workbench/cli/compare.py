"""`mlw compare ALGORITHM...`: all methods on the same tasks, one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import (
    Baseline,
    OutputOptions,
    PlaceOptions,
    TaskOptions,
    Track,
    TrainingOptions,
    flat,
)
from workbench.cli._progress import progress_bars
from workbench.cli._results import print_summary
from workbench.errors import UnknownName, UsageError
from workbench.plugin.registry import DEFAULT_DATASET, registry


@dataclass
class DataOptions:
    """What is tested and trained on."""

    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            "--test-on",
            help="Data sets, with options: omniglot:split=lake.",
            autocompletion=_complete.datasets,
        ),
    ] = None
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            help="Data sets to train on, all at once. If omitted, each of --on is trained on.",
            autocompletion=_complete.datasets,
        ),
    ] = None
    leave_one_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out", help="For each data set of --on, train on all the others together."
        ),
    ] = False


@dataclass
class MethodOptions:
    """With what, and how often, each method is trained."""

    backbone: Annotated[
        list[str] | None,
        typer.Option(
            help="Backbones, with options: conv4:width=32.",
            autocompletion=_complete.backbones,
        ),
    ] = None
    seeds: Annotated[int, typer.Option(help="Trainings of each method, with seeds 0, 1, ...")] = 1
    tuned: Annotated[
        int | None,
        typer.Option(help="First search the options of each method, with so many trials each."),
    ] = None


@flat
def compare(
    algorithm: Annotated[
        list[str],
        typer.Argument(
            metavar="ALGORITHM...",
            help="Algorithms, with options: maml:first_order=true. Or own code: "
            "./my_method.py:MyMethod.",
            autocompletion=_complete.algorithms,
        ),
    ],
    *,
    data: DataOptions,
    tasks: TaskOptions,
    methods: MethodOptions,
    training: TrainingOptions,
    baseline: Baseline = None,
    place: PlaceOptions,
    track: Track = None,
    output: OutputOptions,
) -> None:
    """Train and evaluate methods on the same tasks: accuracy and paired differences.

    Finished parts are read, not computed again. Run the command again to resume.
    """
    _refuse_swallowed(data.on or [])
    from workbench.commands.compare import compare as run

    with progress_bars() as report:
        frame = run(
            algorithm,
            on=data.on or DEFAULT_DATASET,
            train_on=data.train_on,
            leave_one_out=data.leave_one_out,
            baseline=baseline,
            report=report,
            note=_show.note,
            track=track,
            **asdict(tasks),
            **asdict(methods),
            **asdict(training),
            **asdict(place),
        )
    print_summary(frame, baselines=baseline or (), json=output.json, published=output.published)
    if "folder" in frame.attrs:
        _show.note(f"frames and figures: {frame.attrs['folder']}")


def _refuse_swallowed(places: list[str]) -> None:
    """`mlw compare --on omniglot protonet` takes protonet for a data set: say what happened."""
    for place in places:
        name = place.partition(":")[0]
        if name in registry().entries("datasets"):
            continue
        try:
            registry().find("algorithms", name)
        except UnknownName:
            continue
        raise UsageError(f"{name} is an algorithm; put it before --on")
