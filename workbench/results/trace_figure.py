"""The figure of traces: what happens inside adaptation, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.results.frame import CONDITION, records, require_columns
from workbench.results.grouping import labelled, ordered
from workbench.results.style import (
    Look,
    add_legend,
    in_own_style,
    label_panel,
    looks_of,
    one_scale,
    panel_grid,
)
from workbench.results.traces import TRACES
from workbench.results.wording import condition_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What traces of one panel have in common. Queries fall short in some data sets at more shots.
OF_PANEL = [name for name in CONDITION if name not in ("instance", "queries")]
LONG = 12  # steps from which the axis is logarithmic, so that the first ones can be seen
NORMAL = 1.96  # standard errors in half a 95% interval of a mean


@in_own_style
def trace_figure(traces: pd.DataFrame, frame: pd.DataFrame) -> Figure:
    """Draw accuracy and loss by step of adapting, a row of panels per condition.

    Means over the traced tasks, on the queries with 95% intervals and on the support as a thin
    line. A method without steps is a level line.

    Args:
        frame: a tasks frame of the same runs, which says how methods are called and look.

    Raises:
        WorkbenchError: a column is missing.
    """
    require_columns(traces, TRACES, "traces")
    frame = labelled(frame)
    looks = looks_of(frame["method"])
    method_of_run = dict(zip(frame["run"], frame["method"], strict=True))
    traces = traces[traces["run"].isin(list(method_of_run))]
    traces = traces.assign(method=traces["run"].map(method_of_run))
    rows = [
        part for _, part in ordered(traces, OF_PANEL).groupby(OF_PANEL, sort=False, dropna=False)
    ]
    varied = [name for name in OF_PANEL if traces[name].nunique(dropna=False) > 1]
    figure, axes = panel_grid(2 * len(rows), columns=2, width=5.2, height=3.2)
    for row, left, right in zip(rows, axes[::2], axes[1::2], strict=True):
        for method, look in looks.items():
            of_method = row[row["method"] == method]
            if len(of_method):
                _draw(left, 100 * by_step(of_method, "accuracy"), row["step"].max(), look)
                _draw(right, by_step(of_method, "loss"), row["step"].max(), look)
        title = condition_title({**records(row.head(1))[0], "instance": 0}, varied)
        label_panel(left, title, "steps of adapting", "accuracy, %")
        label_panel(right, title, "steps of adapting", "cross-entropy, nats")
    one_scale(axes[::2], "y")
    add_legend(figure, looks)
    return figure


def by_step(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return mean and half a 95% interval of the tasks' values by part and step."""
    by_task = rows.groupby(["part", "step", "run", "task"])[value].mean()
    groups = by_task.groupby(["part", "step"])
    return pd.DataFrame({"mean": groups.mean(), "interval": NORMAL * groups.sem()})


def _draw(axis: Axes, values: pd.DataFrame, last_step: int, look: Look) -> None:
    query, support = _of_part(values, "query"), _of_part(values, "support")
    if len(query) == 1 and last_step > 0:
        query, support = _level(query, last_step), _level(support, last_step)
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash}
    mean, interval = query["mean"], query["interval"].fillna(0)
    axis.plot(query.index, mean, marker=look.marker, markersize=3, **style)
    axis.fill_between(query.index, mean - interval, mean + interval, color=look.colour, alpha=0.15)
    axis.plot(support.index, support["mean"], linewidth=0.8, alpha=0.7, **style)
    if last_step > LONG:
        axis.set_xscale("symlog", linthresh=1)


def _of_part(values: pd.DataFrame, part: str) -> pd.DataFrame:
    """Return the values of one part by step."""
    return values.loc[[part]].droplevel("part")


def _level(values: pd.DataFrame, last_step: int) -> pd.DataFrame:
    """Return the only values at the first and the last step."""
    return pd.concat([values, values.set_axis([last_step])])
