"""Summaries and paired differences of a tasks frame.

All methods of a condition meet the same tasks, so methods are compared task by task. The columns
of all frames, with their units, are in `workbench.results.frame`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import UnknownName
from workbench.results.baselines import baselines
from workbench.results.frame import (
    CALIBRATED,
    DIFFERENCES,
    EFFORT,
    FLAGS,
    MEASURED,
    METHOD,
    PUBLISHED,
    SUMMARY,
    TEST,
    TRAININGS,
    Column,
    names_of,
    typed,
    without_missing,
)
from workbench.results.grouping import conditions, labelled
from workbench.results.paired import accuracy_by_task, best_method, mean_and_interval


def summary(frame: pd.DataFrame, baseline: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row per cell, with the columns of `SUMMARY`, in the order of the frame.

    Args:
        frame: a tasks frame.
        baseline: baselines by algorithm or label; if omitted, see `baselines`.

    Raises:
        UnknownName: the frame has no such baseline.
        WorkbenchError: there are no rows, columns are missing, a task occurs twice, or methods
            met different tasks.
    """
    frame = labelled(frame)
    allowed = baselines(frame, baseline)
    rows = []
    for condition, part in conditions(frame):
        by_task = accuracy_by_task(part, condition)
        methods = list(by_task.columns)
        best = best_method(by_task, methods)
        candidates = [method for method in methods if method in allowed]
        reference = best_method(by_task, candidates) if candidates else None
        for method, cell in part.groupby("method", sort=False):
            row = {"method": method, **condition, "episodes": len(by_task)}
            row |= _accuracy(by_task, str(method), best, reference)
            row |= _over_seeds(cell)
            rows.append(row)
    return _table(rows, SUMMARY)


def _accuracy(
    by_task: pd.DataFrame, method: str, best: str, reference: str | None
) -> dict[str, Any]:
    """Return the accuracy of a cell and its differences to the best method and to the baseline."""
    accuracy, interval = mean_and_interval(by_task[method])
    difference, difference_interval = _difference(by_task, method, best)
    to_baseline, to_baseline_interval = np.nan, np.nan
    if reference is not None:
        to_baseline, to_baseline_interval = _difference(by_task, method, reference)
    return {
        "accuracy": accuracy,
        "interval": interval,
        "difference": difference,
        "difference_interval": difference_interval,
        "baseline": reference or "",
        "to_baseline": to_baseline,
        "to_baseline_interval": to_baseline_interval,
    }


def _difference(by_task: pd.DataFrame, method: str, other: str) -> tuple[float, float]:
    """Return the mean paired difference and its interval; a method has no interval to itself."""
    difference, interval = mean_and_interval(by_task[method] - by_task[other])
    if method == other:
        return difference, np.nan
    return difference, interval


def _over_seeds(cell: pd.DataFrame) -> dict[str, Any]:
    """Return what the rows of a cell say besides their accuracy, all training seeds together."""
    by_seed = cell.groupby("train_seed", sort=False)["accuracy"].mean()
    of_seeds = cell.drop_duplicates("train_seed")  # one row per training seed
    first = cell.iloc[0]
    row: dict[str, Any] = {"seeds": len(by_seed), "seed_sd": float(by_seed.std())}
    for name in MEASURED:
        if name != "accuracy":
            # without a temperature in some rows, before and after would be of different tasks
            row[name] = float(cell[name].mean(skipna=name not in CALIBRATED))
    row["broken"] = cell.loc[cell["broken"], "task"].nunique()  # with any training seed
    for name in FLAGS:
        row[name] = bool(cell[name].any())
    for name in ("selected_on", "departures", "pretrained_on"):
        row[name] = _union(of_seeds[name])
    row["selected"] = _union([text] for text in of_seeds["selected"] if text)
    row["overlap"] = _worst_overlap(set(of_seeds["overlap"]))
    for name in (*METHOD, *EFFORT, "parameters", *PUBLISHED):
        row[name] = first[name]
    row["train_loss"] = float(of_seeds["train_loss"].mean())
    row["train_sets"] = tuple(first["train_sets"])
    return row


def _union(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return all texts once, in order of appearance."""
    found: dict[str, None] = {}
    for texts in lists:
        found |= dict.fromkeys(texts)
    return tuple(found)


def _worst_overlap(overlaps: set[str]) -> str:
    for overlap in ("yes", "unknown", "no"):
        if overlap in overlaps:
            return overlap
    return ""


def differences(frame: pd.DataFrame, to: str | None = None) -> pd.DataFrame:
    """Return paired differences between methods, with the columns of `DIFFERENCES`.

    Args:
        frame: a tasks frame.
        to: the label of the method to compare with. Conditions without it are left out. If
            omitted, all pairs of methods are compared.

    Raises:
        UnknownName: the frame has no method labelled `to`.
        WorkbenchError: as for `summary`.
    """
    frame = labelled(frame)
    if to is not None and to not in set(frame["method"]):
        raise UnknownName("method", to, frame["method"].unique())
    rows = []
    for condition, part in conditions(frame):
        by_task = accuracy_by_task(part, condition)
        for method, other in _pairs(list(by_task.columns), to):
            row = {**condition, "method": method, "other": other}
            rows.append(row | _paired(by_task, method, other))
    return _table(rows, DIFFERENCES)


def _pairs(methods: list[str], to: str | None) -> list[tuple[str, str]]:
    if to is None:
        return list(combinations(methods, 2))
    if to not in methods:
        return []
    return [(method, to) for method in methods if method != to]


def _paired(by_task: pd.DataFrame, first: str, second: str) -> dict[str, Any]:
    difference, interval = mean_and_interval(by_task[first] - by_task[second])
    return {"difference": difference, "interval": interval, "episodes": len(by_task)}


def trainings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how other training data change a method, with the columns of `TRAININGS`.

    A method is compared with itself, trained on other data, on the same test tasks. The later
    training in the frame comes first. Empty if no method was trained on several data.

    Raises:
        WorkbenchError: as for `summary`.
    """
    frame = labelled(frame)
    tested = [*TEST, "method"]
    rows = []
    for values, part in frame.groupby(tested, sort=False, dropna=False):
        test = without_missing(dict(zip(tested, values, strict=True)))
        by_training = accuracy_by_task(
            part.assign(method=part["train_on"]), {**test, "train_on": test["test_on"]}
        )
        for other, train_on in combinations(by_training.columns, 2):
            row = {**test, "train_on": train_on, "other": other}
            rows.append(row | _paired(by_training, train_on, other))
    return _table(rows, TRAININGS)


def _table(rows: list[dict[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    return typed(pd.DataFrame(rows, columns=names_of(columns)), columns)


def is_best(cell: Mapping[Any, Any]) -> bool:
    """Return whether a row of the summary is its condition's best method."""
    return bool(cell["difference"] == 0 and np.isnan(cell["difference_interval"]))
