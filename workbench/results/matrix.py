"""A summary as a matrix: methods by test data sets, in blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.results.frame import CONDITION, records
from workbench.results.grouping import varying
from workbench.results.wording import details, task_shape_text


def is_matrix(table: pd.DataFrame) -> bool:
    """Return whether a summary has several pairs of training and test data, each asked once."""
    pairs = table[["train_on", "test_on"]].drop_duplicates()
    return len(pairs) > 1 and table["instance"].nunique() == 1


def blocks(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the blocks of a matrix, whose columns are test data sets: (title, rows).

    A title has a line for the training data, unless each test data set has its own, and a line
    for the shape of the tasks.
    """
    one_training_each = table.groupby("test_on")["train_on"].nunique().max() == 1
    shared = [name for name in CONDITION if name not in ("test_on", "test_fingerprint")]
    if one_training_each:
        shared = [name for name in shared if name not in ("train_on", "train_fingerprint")]
    varied = varying(table)
    found = []
    for _, rows in table.groupby(shared, sort=False, dropna=False):
        condition = records(rows.head(1))[0]
        title = _shape_title(condition, varied)
        if not one_training_each:
            title = f"trained on {condition['train_on']}\n{title}"
        found.append((title, rows))
    return found


def _shape_title(condition: Mapping[Any, Any], varied: Sequence[str]) -> str:
    return ", ".join([task_shape_text(condition), *details(condition, varied)])


def training_words(table: pd.DataFrame) -> str:
    """Return what the methods of a matrix were trained on; empty if that differs in a column."""
    pairs = table[["train_on", "test_on"]].drop_duplicates()
    if pairs["test_on"].duplicated().any():
        return ""
    if pairs["train_on"].nunique() == 1:
        return f"trained on {pairs['train_on'].iloc[0]}"
    if (pairs["train_on"] == pairs["test_on"]).all():
        return "trained on the training classes of the test data set"
    each = [f"{trained} for {tested}" for trained, tested in pairs.to_numpy()]
    return f"trained on {'; '.join(each)}"
