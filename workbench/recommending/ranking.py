"""Rank methods for a data set by experience with others.

In each condition of the table, a method falls short of the best by some points. What it will fall
short by on a new data set is the mean of these, weighted by how similar the condition is:

    weight = exp(-d / 2) * exp(-|log2(shots / shots')|) * exp(-|log2(ways / ways')|)

where d is the mean squared difference of the landmarks, each divided by its standard deviation
over the data sets of the table. With d = 0 for all, the ranking would be that of the means: the
static choice, one method for everything.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.recommending.experience import CONDITION, LANDMARKS
from workbench.recommending.landmarks import Landmarks


def expected_shortfall(
    table: pd.DataFrame, like: Landmarks, ways: int, shots: int
) -> pd.Series[float]:
    """Return by how much each method is expected to fall short of the best, the least first.

    Args:
        table: of experience, with other data sets.
        like: the landmarks of the new data set.
        ways: classes of its tasks.
        shots: images of each.
    """
    weights = _similarity(table, like)
    weights *= np.exp(-np.abs(np.log2(shots / table["shots"].to_numpy(float))))
    weights *= np.exp(-np.abs(np.log2(ways / table["ways"].to_numpy(float))))
    return _mean_shortfall(table, weights)


def static_choice(table: pd.DataFrame) -> str:
    """Return the method that falls short the least over all conditions, whatever the data are."""
    return str(_mean_shortfall(table, np.ones(len(table))).index[0])


def shortlist(expected: pd.Series[float], static: str, size: int) -> list[str]:
    """Return the first methods of a ranking; the static choice is one of them."""
    first = [str(method) for method in expected.index[:size]]
    if static in first:
        return first
    return [*first[: size - 1], static]


def _similarity(table: pd.DataFrame, like: Landmarks) -> NDArray[np.float64]:
    """Return a weight for each row, in 0..1, by the landmarks of its data set."""
    of_sets = table.drop_duplicates("data")[LANDMARKS]
    spread = of_sets.std(ddof=0).replace(0.0, 1.0)
    apart = (table[LANDMARKS] - pd.Series(like._asdict())) / spread
    return np.exp(-apart.pow(2).mean(axis=1).to_numpy() / 2)


def _mean_shortfall(table: pd.DataFrame, weights: NDArray[np.float64]) -> pd.Series[float]:
    best = table.groupby(CONDITION)["accuracy"].transform("max")
    weighted = pd.DataFrame(
        {
            "method": table["method"],
            "short": (best - table["accuracy"]) * weights,
            "weight": weights,
        }
    )
    sums = weighted.groupby("method", sort=False)[["short", "weight"]].sum()
    return (sums["short"] / sums["weight"]).sort_values(kind="stable")
