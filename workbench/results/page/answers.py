"""What a reader asks first: which method is best, by how much, and what other data change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.results.frame import CONDITION, records
from workbench.results.grouping import varying
from workbench.results.page.markup import heading, percent, text_list
from workbench.results.summary import trainings
from workbench.results.wording import condition_title, plus_minus


def answers(table: pd.DataFrame) -> list[str]:
    """Return for each condition of a summary which method is best, and by how much."""
    varied = varying(table)
    found = []
    for _, rows in table.groupby(CONDITION, sort=False, dropna=False):
        ranked = records(rows.sort_values("accuracy", ascending=False, kind="stable"))
        title = condition_title(ranked[0], varied)
        found.append(f"{title}: {_answer(ranked)}.")
    return found


def _answer(ranked: Sequence[Mapping[str, Any]]) -> str:
    """Return which of several methods is best, given their cells, the best first."""
    first, *others = ranked
    best = f"{first['method']} reaches {percent(first['accuracy'], first['interval'])}%"
    if not others:
        return best
    second = others[0]
    ahead, spread = -100 * second["difference"], 100 * second["difference_interval"]
    points = f"{plus_minus(ahead, spread)} percentage points"
    if ahead > spread:  # false where the interval is unknown
        return f"{best}, ahead of {second['method']} by {points}"
    return f"{best}; {second['method']} cannot be told apart from it ({points} behind)"


def trainings_section(frame: pd.DataFrame) -> list[str]:
    """Return how other training data change a method, if one was trained on several."""
    varied = varying(frame)
    sentences = []
    for row in records(trainings(frame)):
        test = condition_title({**row, "train_on": row["test_on"]}, varied)
        points = plus_minus(100 * row["difference"], 100 * row["interval"], signed=True)
        sentences.append(
            f"{row['method']}, {test}: trained on {row['train_on']} instead of {row['other']}: "
            f"{points} percentage points."
        )
    if not sentences:
        return []
    title = "Other training data, on the same tasks"
    return [heading(title, "trainings"), text_list(sentences)]
