"""How sure methods are: accuracy by confidence, and by the share of queries that are answered.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, arXiv 1706.04599,
figure 1. Geifman, El-Yaniv: Selective Classification for Deep Neural Networks, NeurIPS 2017, arXiv
1705.08500, figure 1, with accuracy in place of risk.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.results.frame import CONDITION, records
from workbench.results.grouping import labelled, ordered, varying
from workbench.results.style import (
    INK,
    Look,
    add_legend,
    in_own_style,
    label_panel,
    looks_of,
    panel_grid,
)
from workbench.results.wording import condition_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CALIBRATED = "calibrated_confidences"  # the column of those after a temperature
BINS = 15  # of confidence, as those of the calibration error
DIGITS = 6  # of a confidence: others are rounding
FEWEST = 20  # queries of a point: fewer say nothing


class Answers(NamedTuple):
    """The answers of a method to all queries that were kept."""

    hits: NDArray[np.float64]  # (n,), 1 where the answer is right
    confidences: NDArray[np.float64]  # (n,), its probability


def answers_of(rows: pd.DataFrame, confidences: str = "confidences") -> Answers:
    """Return the answers in rows of a tasks frame, all queries of all tasks in one.

    Args:
        confidences: the column; rows in which it is empty are left out.
    """
    kept = rows[rows[confidences].map(len) > 0]
    return Answers(
        np.fromiter(chain.from_iterable(kept["hits"]), np.float64),
        np.fromiter(chain.from_iterable(kept[confidences]), np.float64),
    )


def reliability(answers: Answers) -> pd.DataFrame:
    """Return mean confidence, accuracy and number of queries by bin of confidence."""
    bins = np.minimum((answers.confidences * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"confidence": answers.confidences, "accuracy": answers.hits})
    grouped = table.groupby(bins)
    return grouped.mean().assign(queries=grouped.size())


def coverage(answers: Answers) -> pd.DataFrame:
    """Return the accuracy of the surest answers, by the share of queries that they are.

    Answers of equal confidence are taken together: nothing says which of them comes first.
    """
    equal = answers.confidences.round(DIGITS)
    table = pd.DataFrame({"confidence": equal, "hits": answers.hits})
    by_confidence = table.groupby("confidence")["hits"].agg(["size", "sum"])[::-1].cumsum()
    return pd.DataFrame(
        {
            "coverage": (by_confidence["size"] / len(table)).to_numpy(),
            "accuracy": (by_confidence["sum"] / by_confidence["size"]).to_numpy(),
            "queries": by_confidence["size"].to_numpy(),
        }
    )


def has_answers(frame: pd.DataFrame) -> bool:
    """Return whether a tasks frame has the answers to single queries."""
    return bool(frame["confidences"].map(len).any())


def sureness_panels(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return titles and rows of a labelled frame, instances of a task taken together."""
    of_panel = [name for name in CONDITION if name != "instance"]
    varied = [name for name in varying(frame) if name != "instance"]
    found = []
    for _, rows in ordered(frame, of_panel).groupby(of_panel, sort=False, dropna=False):
        found.append((condition_title({**records(rows.head(1))[0], "instance": 0}, varied), rows))
    return found


@in_own_style
def sureness_figure(frame: pd.DataFrame) -> Figure:
    """Draw accuracy by confidence and accuracy by coverage, two panels for each condition.

    On the left, a method that is as sure as it is right lies on the diagonal; thin lines are after
    the temperature, where there is one. On the right, the accuracy where only the surest queries
    are answered, before a temperature. Points of fewer than 20 queries are left out. Instances of a
    task are taken together.

    Args:
        frame: a tasks frame with answers.
    """
    frame = labelled(frame)
    looks = looks_of(frame["method"])
    panels = sureness_panels(frame)
    figure, axes = panel_grid(2 * len(panels), columns=2, width=5.2, height=3.8)
    for (title, rows), left, right in zip(panels, axes[::2], axes[1::2], strict=True):
        left.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":")
        for method, look in looks.items():
            of_method = rows[rows["method"] == method]
            if has_answers(of_method):
                _draw(left, right, of_method, look)
        label_panel(left, title, "confidence, %", "accuracy, %")
        label_panel(right, title, "queries answered, the surest first, %", "accuracy of these, %")
        left.set(xlim=(0, 101), ylim=(0, 101))
        right.set_xlim(0, 101)
    add_legend(figure, looks)
    return figure


def _draw(left: Axes, right: Axes, rows: pd.DataFrame, look: Look) -> None:
    answers = answers_of(rows)
    for column, width, marker in (("confidences", 1.6, look.marker), (CALIBRATED, 0.8, "")):
        found = answers_of(rows, column)
        points = reliability(found)
        points = 100 * points[points["queries"] >= FEWEST]
        left.plot(
            points["confidence"],
            points["accuracy"],
            color=look.colour,
            linestyle=look.dash,
            linewidth=width,
            marker=marker,
            markersize=4,
        )
    points = coverage(answers)
    points = 100 * points[points["queries"] >= FEWEST]
    right.plot(points["coverage"], points["accuracy"], color=look.colour, linestyle=look.dash)
