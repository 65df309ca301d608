"""`mlw tune` as a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from workbench.commands.arguments import (
    checked,
    evaluations,
    one,
    training_settings,
    workspace,
)
from workbench.commands.keywords import Data, TuneKeywords
from workbench.data.opening import open_dataset
from workbench.errors import UsageError
from workbench.experiments.cells import Comparison
from workbench.experiments.compare import run_comparison
from workbench.experiments.plan import TrainingRequest, check_request
from workbench.experiments.workspace import Workspace, writable
from workbench.plugin.options import option_text, options_text
from workbench.plugin.registry import DEFAULT_DATASET
from workbench.results.frame import for_csv, names_of, typed
from workbench.results.trials import TRIALS, history_figure, importance_figure
from workbench.storage import write_file
from workbench.tasks.settings import EvaluationSettings, evaluation_tasks
from workbench.tasks.splits import require_training_classes, training_data
from workbench.tuning.search import Search, Searched, search, validation_tasks_for

if TYPE_CHECKING:
    import pandas as pd

KNOWN = ("algorithm", "on", "over", *TuneKeywords.__annotations__)
SEARCHED = ("over", "trials", "hours", "sampler", "seed")  # fields of `Search`
VALIDATED_ON = 200  # validation tasks, unless the method's recipe has another number


@dataclass(frozen=True)
class Tuned:
    """What `tune` found."""

    spec: str  # to paste into `compare`: "maml:inner_lr=0.05"
    backbone: str  # to give beside it; "" where the backbone was not varied
    how: str  # "validation tasks of omniglot, 30 trials"
    trials: pd.DataFrame  # with the columns of `workbench.results.trials.TRIALS`
    tasks: pd.DataFrame  # the comparison with the defaults, one row per test task
    importances: Mapping[str, float] = field(default_factory=dict)  # by option; {} if unknown
    folder: Path = Path()


def tune(
    algorithm: str | type,
    *,
    on: Data = DEFAULT_DATASET,
    over: str | Iterable[str] | None = None,
    **settings: Unpack[TuneKeywords],
) -> Tuned:
    """Search the options of a method, and compare what was found with the defaults.

    >>> tuned = mlw.tune("maml", on="omniglot", trials=20)
    >>> mlw.compare(["protonet", tuned.spec], on="omniglot")

    Trials are evaluated on validation tasks; test tasks choose nothing. A search that was stopped
    goes on, and one with more trials or hours too.

    Args:
        algorithm: a spec, or own code, as in `compare`; options in a spec are not varied.
        on: the data set, as in `compare`, to train, validate and test on.
        over: what is varied: "inner_lr=1e-3..1", "inner_steps=1,5", "backbone=conv4,resnet12", one
            or several. If omitted, each option of the method between its bounds, or around the
            recipe's value, and `lr`.
        settings: by name,

            - of the search: `trials`, `hours` (of training and validation, over all calls),
              `sampler` ("tpe" or "random") and `seed`.
            - of the test tasks: `ways`, `shots`, `queries`, `protocol`, `episodes`, `task_seed` and
              `calibrate`, one of each.
            - of the trainings: `backbone` (a spec), `recipe`.
            - of the workspace: `out` (folder of runs), `device`, `fresh` (search again), `report`
              and `note` (told about progress).
            - any training setting of `mlw info`: `steps`, `lr`, ... None leaves the recipe's value.

    Raises:
        UsageError, DataError: before anything is trained, if it cannot be done.
        RunError: the hours end before one trial does, all trials break down, or the journal of the
            search is damaged.
    """
    named = {"algorithm": algorithm, "on": on, "over": over}
    given = checked({**named, **settings}, KNOWN, needed="algorithm")
    dataset = one("on", given.get("on", (DEFAULT_DATASET,)))
    backbone = one("backbone", given["backbone"]) if "backbone" in given else None
    asked = Comparison(
        algorithms=(one("algorithm", given["algorithm"]),),
        on=(dataset,),
        evaluations=evaluations(given),
        backbones=(backbone,),
        recipe=given.get("recipe", "quick"),
        settings=training_settings(given),
    )
    options = {name: given[name] for name in SEARCHED if name in given}
    place = workspace(given)
    found = search_for(asked, place, **options)
    others = [] if found.chosen == found.default else [tuned_comparison(asked, found)]
    frame = run_comparison(asked, replace(place, fresh=False), others)
    return Tuned(
        spec=found.chosen.label,
        backbone=_backbone(found),
        how=found.how,
        trials=trials_frame(found),
        tasks=frame,
        importances=found.importances,
        folder=found.folder,
    )


def search_for(asked: Comparison, workspace: Workspace, **options: Any) -> Searched:
    """Search the options of the only method of a comparison; write what was tried.

    Args:
        options: fields of `Search`.

    Raises:
        UsageError: the comparison has several conditions, and each would have a search of its own.
    """
    settings = _only(asked)
    usual = TrainingRequest(
        backbone=asked.backbones[0], recipe=asked.recipe, settings=asked.settings
    )
    check_request(asked.algorithms[0], usual)
    dataset = open_dataset(asked.on[0])
    require_training_classes(dataset, asked.algorithms)
    tasks = evaluation_tasks(dataset, settings)
    request = replace(usual, ways=tasks.shape.ways, shots=tasks.shape.shots)
    wanted = Search(
        algorithm=asked.algorithms[0],
        data=training_data([dataset]),
        validation=validation_tasks_for(dataset, settings, VALIDATED_ON),
        request=request,
        **options,
    )
    found = search(wanted, workspace)
    _write(found)
    return found


def _only(asked: Comparison) -> EvaluationSettings:
    """Return the only tasks of a comparison. Raises `UsageError` if there are several."""
    given: dict[str, Sequence[Any]] = {"on": asked.on, "backbone": asked.backbones}
    for name in ("ways", "shots"):
        given[name] = list(dict.fromkeys(getattr(each, name) for each in asked.evaluations))
    for name, values in given.items():
        if len(values) > 1:
            raise UsageError(
                "Options are searched for one kind of task on one data set at a time; give one "
                f"instead of {len(values)}: --{name} {values[0]}"
            )
    if asked.train_on or asked.leave_one_out:
        raise UsageError(
            "Options are searched on the validation classes of the data set that is tested on; "
            f"omit --train-on and --leave-one-out: --on {asked.on[0]}"
        )
    return asked.evaluations[0]


def tuned_comparison(asked: Comparison, found: Searched) -> Comparison:
    """Return the comparison of what was chosen, on the tasks of the comparison that was asked."""
    backbone = _backbone(found) or asked.backbones[0]
    return replace(asked, algorithms=(found.chosen.label,), backbones=(backbone,))


def _backbone(found: Searched) -> str:
    return str(found.best.values.get("backbone", ""))


def trials_frame(found: Searched) -> pd.DataFrame:
    """Return what a search tried: one row per trial and rung, with the columns of `TRIALS`."""
    import numpy as np
    import pandas as pd

    rows = []
    for each in found.configurations:
        options = {name: option_text(value) for name, value in each.values.items()}
        for rung, accuracy in enumerate(each.accuracies):
            rows.append(
                {
                    "trial": each.number,
                    "options": options_text(options),
                    "steps": found.rungs[rung],
                    "accuracy": accuracy if np.isfinite(accuracy) else np.nan,
                    "ended": rung == len(found.rungs) - 1,
                    "chosen": each.number == found.best.number,
                    "failed": each.failed,
                }
            )
    return typed(pd.DataFrame(rows, columns=names_of(TRIALS)), TRIALS)


def _write(found: Searched) -> None:
    """Write the trials and the figures into the folder of the search."""
    folder = found.folder
    trials = trials_frame(found)
    figures = {"history": history_figure(trials)}
    if found.importances:
        figures["importance"] = importance_figure(found.importances)
    with writable(folder):
        write_file(folder / "trials.csv", partial(for_csv(trials).to_csv, index=False))
        for name, figure in figures.items():
            path = folder / f"{name}.png"
            write_file(path, partial(figure.savefig, dpi=150, format="png"))
