"""`mlw compare` as a function."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from workbench.commands.arguments import (
    checked,
    evaluations,
    refuse_unused,
    training_settings,
    workspace,
)
from workbench.commands.keywords import Code, CompareKeywords, Data, Names
from workbench.commands.tune import search_for, tuned_comparison
from workbench.experiments.cells import Comparison
from workbench.experiments.compare import run_comparison
from workbench.experiments.tracking import Tracking
from workbench.experiments.workspace import Workspace
from workbench.plugin.registry import DEFAULT_DATASET

if TYPE_CHECKING:
    import pandas as pd

KNOWN = (
    "algorithms",
    "on",
    "train_on",
    "leave_one_out",
    "baseline",
    "tuned",
    *CompareKeywords.__annotations__,
)


def compare(
    algorithms: Code,
    *,
    on: Data = DEFAULT_DATASET,
    train_on: Data | None = None,
    leave_one_out: bool = False,
    baseline: Names | None = None,
    tuned: int | None = None,
    **settings: Unpack[CompareKeywords],
) -> pd.DataFrame:
    """Train and evaluate methods on the same tasks; return one row per test task.

    >>> frame = mlw.compare(["protonet", "maml"], on="omniglot", shots=[1, 5])

    The frame is written too, with its summary, paired differences and figures, into the folder
    `frame.attrs["folder"]`, which is absent, with a note, if they could not be written.
    `workbench.results.frame` says what the columns mean.

    Args:
        algorithms: specs, "maml:first_order=true"; and own code, as a class or as
            "FILE.py:CLASS".
        on: data sets, specs too, on whose test classes the methods are evaluated; and own images:
            `(images, labels)`, a data set of torch, an object of `mlw.Dataset`, or several by
            name, {"birds:size=84": data}.
        train_on: the data sets on whose training classes they are trained, on all at once. If
            omitted, each of `on` its own.
        leave_one_out: train for each of `on` on all the others together. Data sets without training
            classes are only tested on. One whose classes all train, `eurosat:split=train`, is
            evaluated as `eurosat`.
        baseline: baselines, by algorithm or label; each column of the heat map is compared with the
            best of them. If omitted, see `workbench.results.baselines.baselines`.
        tuned: search the options of each method first, with so many trials each, as `tune` does.
        settings: by name,

            - of the test tasks: `ways` and `shots`, one or several; `queries` per class, `protocol`
              (a spec), `episodes`, `task_seed` and `calibrate` ("none" or "temperature"). Ways
              omitted: 5, or as many as there are test classes. Queries omitted: 15, or what the
              shots leave.
            - of the trainings: `backbone` (specs or own classes, one or several), `recipe` ("quick"
              or "paper") and `seeds` (how many trainings of each method, with seeds 0, 1, ...).
            - of the workspace: `out` (folder of runs), `device`, `fresh` (recompute), `report` and
              `note` (told about progress), `track` (trackers, specs, told of what is computed).
            - any training setting of `mlw info`, for all algorithms: `steps`, `lr`, ... None leaves
              the recipe's value.

    Raises:
        UsageError, DataError: before anything is trained, if a cell cannot be trained or evaluated.
            Only ways and shots for which one of several data sets is too small are left out, with
            a note.
    """
    named = {
        "algorithms": algorithms,
        "on": on,
        "train_on": train_on,
        "leave_one_out": leave_one_out,
        "baseline": baseline,
        "tuned": tuned,
    }
    given = checked({**named, **settings}, KNOWN, needed="algorithms")
    refuse_unused(given, ("queries",))  # ways and shots decide how methods are trained
    comparison = Comparison(
        algorithms=given["algorithms"],
        on=given.get("on", (DEFAULT_DATASET,)),
        train_on=given.get("train_on", ()),
        leave_one_out=given.get("leave_one_out", False),
        evaluations=evaluations(given),
        backbones=given.get("backbone", (None,)),
        recipe=given.get("recipe", "quick"),
        seeds=given.get("seeds", 1),
        baselines=given.get("baseline", ()),
        settings=training_settings(given),
    )
    place = workspace(given)
    if "tuned" not in given:
        return run_comparison(comparison, place)
    searching = replace(place, tracking=Tracking())  # trials are not followed
    first, *others = [
        _tuned(replace(comparison, algorithms=(algorithm,)), searching, given["tuned"])
        for algorithm in comparison.algorithms
    ]
    return run_comparison(first, replace(place, fresh=False), others)


def _tuned(comparison: Comparison, place: Workspace, trials: int) -> Comparison:
    """Return the comparison of one method with the options that a search chose."""
    found = search_for(comparison, place, trials=trials)
    return tuned_comparison(comparison, found)
