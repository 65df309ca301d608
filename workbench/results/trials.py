"""The frame of trials, what a search tried; its figures, and its order in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from workbench.results.frame import Column, require_columns
from workbench.results.style import COLOURS, INK, in_own_style, label_panel, panel_grid

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.figure import Figure

TRIALS = (
    Column("trial", "integer", "", "number of the configuration; 0 has the defaults"),
    Column("options", "text", "", "what was varied, as typed; empty: the defaults"),
    Column("steps", "integer", "", "training steps at which it was evaluated"),
    Column("accuracy", "number", "0..1", "accuracy on validation tasks; NaN: it broke down"),
    Column("ended", "flag", "", "these are all steps of the training"),
    Column("chosen", "flag", "", "the best of those that ended"),
    Column("failed", "text", "", "why it broke down; empty: it did not"),
)

ENDED, PAUSED, BEST = COLOURS[0], COLOURS[4], COLOURS[1]


def last_rungs(trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row per trial, its last: those that ended first, then by accuracy.

    Args:
        trials: a frame with the columns of `TRIALS`.
    """
    require_columns(trials, TRIALS, "trials")
    last = trials.groupby("trial", sort=False).tail(1)
    return last.sort_values(["ended", "steps", "accuracy"], ascending=False, kind="stable")


@in_own_style
def history_figure(trials: pd.DataFrame) -> Figure:
    """Draw the accuracy of each trial on validation tasks, and the best so far of those that ended.

    Args:
        trials: a frame with the columns of `TRIALS`.
    """
    from matplotlib.ticker import MaxNLocator

    last = last_rungs(trials).sort_values("trial")
    percent = last.assign(accuracy=100 * last["accuracy"])
    ended = percent[percent["ended"]]
    paused = percent[~percent["ended"]]
    figure, (axis,) = panel_grid(1, columns=1, width=6.5, height=4.0)
    if len(paused):
        axis.plot(
            paused["trial"],
            paused["accuracy"],
            "o",
            color=PAUSED,
            markerfacecolor="white",
            label="paused on the way",
        )
    axis.plot(ended["trial"], ended["accuracy"], "o", color=ENDED, label="trained to the end")
    best = ended.set_index("trial")["accuracy"].cummax()
    best = best.reindex(percent["trial"], method="ffill")  # to the last trial
    axis.step(
        best.index,
        best,
        where="post",
        color=BEST,
        label="best so far of these",
    )
    label_panel(axis, "Trials; 0 has the defaults", "trial", "accuracy on validation tasks, %")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


@in_own_style
def importance_figure(importances: Mapping[str, float]) -> Figure:
    """Draw how much each option mattered, as shares of 100%.

    Args:
        importances: by option, sum 1.
    """
    rising = sorted(importances.items(), key=lambda each: each[1])
    names = [name for name, _ in rising]
    shares = [100 * share for _, share in rising]
    height = 1.2 + 0.35 * len(names)
    figure, (axis,) = panel_grid(1, columns=1, width=6.0, height=height)
    bars = axis.barh(names, shares, color=ENDED)
    axis.bar_label(bars, fmt="%.0f", padding=3, color=INK, fontsize=9)
    axis.set_xlim(0, 108)
    title = "What mattered for being among the best on the first rung (PED-ANOVA)"
    label_panel(axis, title, "share of importance, %", grid="x")
    return figure
