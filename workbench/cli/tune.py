"""`mlw tune ALGORITHM`: search its options on validation tasks, and compare with the defaults."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import OutputOptions, PlaceOptions, TaskOptions, TrainingOptions, flat
from workbench.cli._progress import progress_bars
from workbench.cli._results import print_summary
from workbench.plugin.registry import DEFAULT_DATASET

if TYPE_CHECKING:
    from workbench.commands.tune import Tuned

SHOWN = 10  # trials of the table


@dataclass
class SearchOptions:
    """What is searched, and for how long."""

    over: Annotated[
        list[str] | None,
        typer.Option(
            help="What is varied: inner_lr=1e-3..1 inner_steps=1,5 backbone=conv4,resnet12. If "
            "omitted: each option between its bounds or around the recipe's value, and lr."
        ),
    ] = None
    trials: Annotated[int, typer.Option(help="Configurations to try, the default first.")] = 30
    hours: Annotated[
        float | None, typer.Option(help="Hours of training and validation, over all calls.")
    ] = None
    sampler: Annotated[
        str,
        typer.Option(
            help="tpe or random.",
            autocompletion=_complete.one_of("tpe", "random"),
        ),
    ] = "tpe"
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0


@flat
def tune(
    algorithm: Annotated[
        str,
        typer.Argument(
            help="An algorithm; the options in it are not varied: maml:lr=1e-4.",
            autocompletion=_complete.algorithms,
        ),
    ],
    *,
    on: Annotated[
        str,
        typer.Option(
            help="Data set to train, validate and test on.",
            autocompletion=_complete.datasets,
        ),
    ] = "",
    search: SearchOptions,
    tasks: TaskOptions,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Backbone, for all trials.",
            autocompletion=_complete.backbones,
        ),
    ] = None,
    training: TrainingOptions,
    place: PlaceOptions,
    output: OutputOptions,
) -> None:
    """Search the options of a method, evaluated on validation tasks, and compare with the defaults.

    A search that was stopped goes on when the command is run again, also with more trials.
    """
    from workbench.commands.tune import tune as run

    with progress_bars() as report:
        tuned = run(
            algorithm,
            on=on or DEFAULT_DATASET,
            backbone=backbone,
            report=report,
            note=_show.note,
            **asdict(search),
            **asdict(tasks),
            **asdict(training),
            **asdict(place),
        )
    if not output.json:
        _print_trials(tuned)
    print_summary(tuned.tasks, json=output.json, published=output.published)
    _say_chosen(tuned, _flags(on, tuned.backbone or backbone, tasks, training, place))
    _show.note(f"trials and figures: {tuned.folder}")


def _print_trials(tuned: Tuned) -> None:
    """Print the best trials, those that were trained to the end first."""
    from workbench.results.frame import records
    from workbench.results.trials import last_rungs

    rows = []
    for trial in records(last_rungs(tuned.trials).head(SHOWN)):
        accuracy = "broke down" if trial["failed"] else f"{100 * trial['accuracy']:.1f}"
        options = trial["options"] or "the defaults"
        rows.append([str(trial["trial"]), options, f"{trial['steps']:,}", accuracy])
    columns = {"trial": "right", "options": "left", "steps": "right", "accuracy": "right"}
    count = tuned.trials["trial"].nunique()
    _show.table(f"the best of {count} trials: accuracy in % on validation tasks", columns, rows)


def _say_chosen(tuned: Tuned, flags: list[str]) -> None:
    """Say what was chosen, and the next command."""
    first = tuned.trials.loc[tuned.trials["chosen"], "trial"].iloc[0]
    if first == 0:
        _show.note("no trial was better than the defaults on validation tasks; they are kept")
        return
    words = ["mlw", "compare", tuned.spec, *flags]
    _show.note(f"chosen on {tuned.how}; next: {shlex.join(words)}")


def _flags(on: str, backbone: str | None, *groups: Any) -> list[str]:
    """Return the flags that a comparison needs to find the same run and the same tasks."""
    given: dict[str, Any] = {"on": on, "backbone": backbone}
    usual: dict[str, Any] = {"on": "", "backbone": None}
    for group in groups:
        given |= asdict(group)
        usual |= asdict(type(group)())
    words = []
    for name, value in given.items():
        if value != usual[name] and name != "fresh":
            values = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words
