"""Means, intervals and paired differences over test tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.results.wording import condition_title, enumerated

Z = 1.96  # standard errors in half a 95% interval
# what differs between two trainings of one label: only trainings that agree are averaged over seeds
TRAINING = {
    "recipe": "recipe",
    "steps": "number of steps",
    "training": "plan, code or start of the training",
    "code": "code at test",
}


def mean_and_interval(values: pd.Series[float]) -> tuple[float, float]:
    """Return the mean and the half-width of its 95% interval; NaN for a single value."""
    numbers = values.to_numpy(dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return mean, np.nan
    return mean, Z * float(numbers.std(ddof=1)) / np.sqrt(len(numbers))


def best_method(by_task: pd.DataFrame, methods: list[str]) -> str:
    """Return the method with the highest mean accuracy, the first of equals.

    A method with an unknown accuracy is best only if all are unknown.
    """
    best, highest = methods[0], -np.inf
    for method in methods:
        mean, _ = mean_and_interval(by_task[method])
        if mean > highest:
            best, highest = method, mean
    return best


def accuracy_by_task(rows: pd.DataFrame, condition: Mapping[Any, Any]) -> pd.DataFrame:
    """Return the accuracy by task (rows) and method (columns), averaged over training seeds.

    Args:
        rows: the rows of one condition, labelled.
        condition: the condition, for messages.

    Raises:
        WorkbenchError: a task occurs twice, methods met different tasks, or a method was trained
            in another way with another seed. A mean over what happens to be there would not
            compare like with like.
    """
    title = condition_title(condition)
    _refuse_repeated_tasks(rows, title)
    _refuse_different_tasks(rows, title)
    _refuse_different_trainings(rows, title)
    index = ["task", "method", "train_seed"]
    by_seed = rows.set_index(index)["accuracy"].unstack(["method", "train_seed"])
    by_method = {}
    for method in rows["method"].unique():
        by_method[method] = by_seed[method].mean(axis=1, skipna=False)
    return pd.DataFrame(by_method)


def _refuse_repeated_tasks(rows: pd.DataFrame, title: str) -> None:
    repeated = rows[rows.duplicated(["method", "train_seed", "task"])]
    if repeated.empty:
        return
    row = repeated.iloc[0]
    same = rows[(rows["method"] == row["method"]) & (rows["train_seed"] == row["train_seed"])]
    runs = list(same["run"].unique())
    remedy = "Keep one of its evaluations."
    if len(runs) > 1:
        remedy = f"Report {' and '.join(runs)} separately."
    raise WorkbenchError(
        f"{row['method']} has more than one result for task {row['task']} of {title}, "
        f"training seed {row['train_seed']}. {remedy}"
    )


def _refuse_different_tasks(rows: pd.DataFrame, title: str) -> None:
    groups = rows.groupby(["method", "train_seed"], sort=False)["task"]
    tasks = [(method, seed, pd.Index(numbers)) for (method, seed), numbers in groups]
    first_method, _, first = tasks[0]
    first = first.sort_values()
    for method, seed, other in tasks[1:]:
        if other.sort_values().equals(first):
            continue
        names = f"{first_method} and {method}"
        if method == first_method:
            names = f"{method} (training seed {seed} and another)"
        shared = len(other.intersection(first))
        raise WorkbenchError(
            f"{names} met different tasks of {title} ({len(first)} and {len(other)}, "
            f"{shared} of them shared), so they cannot be paired. "
            "Evaluate both with the same --episodes."
        )


def _refuse_different_trainings(rows: pd.DataFrame, title: str) -> None:
    """A label does not say what a method starts from, nor which code trained it."""
    for method, cell in rows.groupby("method", sort=False):
        trainings = cell.drop_duplicates(list(TRAINING))
        if len(trainings) < 2:
            continue
        raise WorkbenchError(
            f"{method} of {title} differs in its {differing_words(trainings)} between its training "
            f"seeds ({enumerated(trainings['run'])}), so they have no common mean. Report them "
            "separately, or train the older again."
        )


def differing_words(trainings: pd.DataFrame) -> str:
    """Return in which columns of `TRAINING` the rows differ, in words."""
    return enumerated(words for name, words in TRAINING.items() if trainings[name].nunique() > 1)
