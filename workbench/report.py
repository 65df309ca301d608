"""Frames of tasks become tables, paired differences, figures and one HTML page.

A tasks frame has one row a test task (`workbench.compare` returns it). A method is (algorithm,
options, backbone); a condition is `CONDITION`; a cell is a method under a condition. All methods of a
condition meet the same tasks, so methods are compared task by task.

Units: `accuracy`, its intervals and differences are in 0..1; `published` and its interval in percent,
as the papers print them; everything that ends in `seconds` is in seconds. Figures and the page show
percent.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable, Iterator, Mapping, Sequence
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import UnknownName, WorkbenchError

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHOD = ["algorithm", "options", "backbone"]
CONDITION = ["train_on", "test_on", "split", "ways", "shots", "queries", "task_seed"]
MEASURED = ["accuracy", "loss", "adapt_seconds", "calibration_error", "train_seconds", "eval_seconds"]
CONSTANT = ["parameters", "published", "published_interval", "published_source"]
NEEDED = [*METHOD, *CONDITION, "train_seed", "task", *MEASURED, "transductive", *CONSTANT]
CURVES = ["run", "label", "step", "loss", "val_accuracy"]

NONE = "–"  # noqa: RUF001 - an en dash is meant: no value
Z = 1.96  # standard errors in half a 95% interval
HOW = (
    "An accuracy is the mean over the test tasks ± 1.96 standard errors over tasks; a difference is paired, that is, "
    "taken task by task over the tasks that all methods share, ± 1.96 standard errors of those differences; "
    "training seeds are averaged within each task first, and nothing is corrected for the number of comparisons."
)


# Tables


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a cell, conditions and methods in the order in which the frame has them.

    Args:
        frame: one row a test task.

    Returns:
        `method` (its label), the columns of `METHOD` and `CONDITION`, and: `episodes` (test tasks), `seeds`
        (training seeds), `accuracy` and `interval` (mean and half-width of its 95% interval over tasks),
        `seed_sd` (standard deviation over seeds of the mean; NaN with one seed), `difference` and
        `difference_interval` (paired, to the condition's best method: 0 and NaN for that one), the means of
        `loss`, `calibration_error` and the seconds, and `transductive`, `parameters`, `published`,
        `published_interval`, `published_source`.

    Raises:
        WorkbenchError: no rows, missing columns, a task twice, or methods that met different tasks.
    """
    rows = []
    for condition, part in _conditions(_labelled(frame)):
        by_task = _by_task(part, condition)
        best = by_task.columns[int(by_task.mean().fillna(-np.inf).argmax())]
        for method, cell in part.groupby("method", sort=False):
            accuracy, interval = _mean(by_task[method])
            difference, difference_interval = _mean(by_task[method] - by_task[best])
            by_seed = cell.groupby("train_seed", sort=False)["accuracy"].mean()
            first = cell.iloc[0]
            rows.append(
                {
                    "method": method,
                    **{name: first[name] for name in METHOD},
                    **condition,
                    "episodes": len(by_task),
                    "seeds": len(by_seed),
                    "accuracy": accuracy,
                    "interval": interval,
                    "seed_sd": float(by_seed.std()),
                    "difference": difference,
                    "difference_interval": np.nan if method == best else difference_interval,
                    **{name: float(cell[name].mean()) for name in MEASURED if name != "accuracy"},
                    "transductive": bool(cell["transductive"].any()),
                    **{name: first[name] for name in CONSTANT},
                }
            )
    return pd.DataFrame(rows)


def differences(frame: pd.DataFrame, to: str | None = None) -> pd.DataFrame:
    """Paired differences between methods: all pairs of a condition, or all methods against one.

    Args:
        frame: one row a test task.
        to: the label of the method to compare with; conditions without it are left out.

    Returns:
        The columns of `CONDITION`, `method`, `other`, `difference` (the accuracy of `method` minus that of
        `other`, mean over shared tasks), `interval` (half-width of its 95% interval) and `episodes`.

    Raises:
        UnknownName: the frame has no method labelled `to`.
        WorkbenchError: as for `summary`.
    """
    frame = _labelled(frame)
    if to is not None and to not in set(frame["method"]):
        raise UnknownName("method", to, frame["method"].unique())
    rows = []
    for condition, part in _conditions(frame):
        by_task = _by_task(part, condition)
        present = list(by_task)
        pairs = combinations(present, 2) if to is None else ((m, to) for m in present if m != to and to in present)
        for method, other in pairs:
            difference, interval = _mean(by_task[method] - by_task[other])
            values = {"difference": difference, "interval": interval, "episodes": len(by_task)}
            rows.append({**condition, "method": method, "other": other, **values})
    return pd.DataFrame(rows, columns=[*CONDITION, "method", "other", "difference", "interval", "episodes"])


def _mean(values: pd.Series[float]) -> tuple[float, float]:
    """The mean and the half-width of its 95% interval; the latter is NaN for a single value."""
    return values.mean(skipna=False), Z * values.sem(skipna=False)  # type: ignore[return-value]


def _labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `method`: `algorithm[:options]`, and the backbone where only it tells two apart."""
    if missing := [name for name in NEEDED if name not in frame]:
        raise WorkbenchError(f"This is no frame of test tasks: it has no column {', '.join(missing)}.")
    if frame.empty:
        raise WorkbenchError("There are no results to report: run `mlw compare` or `mlw eval` first.")
    options = frame["options"].astype(object).fillna("")  # a CSV file gives "" back as NaN
    names = [f"{name}:{given}" if given else str(name) for name, given in zip(frame["algorithm"], options, strict=True)]
    frame = frame.assign(options=options, method=pd.Series(names, frame.index, dtype=object))
    backbones = frame.groupby("method")["backbone"].nunique()
    double = frame["method"].map(backbones) > 1
    return frame.assign(method=frame["method"].where(~double, frame["method"] + " (" + frame["backbone"] + ")"))


def _conditions(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for values, part in frame.groupby(CONDITION, sort=False, dropna=False):
        yield dict(zip(CONDITION, values, strict=True)), part


def _by_task(part: pd.DataFrame, condition: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy by task (rows) and method (columns) of one condition, averaged over seeds.

    A mean over what happens to be there would compare methods on different tasks: that is refused.
    """
    where = _title(condition)
    twice = part.duplicated(["method", "train_seed", "task"])
    if twice.any():
        row = part[twice].iloc[0]
        same = part[(part["method"] == row["method"]) & (part["train_seed"] == row["train_seed"])]
        runs = ", ".join(map(str, same["run"].unique())) if "run" in part else "unknown"
        raise WorkbenchError(
            f"{row['method']} has more than one result for task {row['task']} of {where} with training seed "
            f"{row['train_seed']} (runs: {runs}): report these runs apart."
        )
    first: tuple[Hashable, pd.Index[Any]] | None = None
    for (method, seed), rows in part.groupby(["method", "train_seed"], sort=False):
        tasks = pd.Index(rows["task"]).sort_values()
        if first is None:
            first = method, tasks
        elif not tasks.equals(first[1]):
            names = f"{first[0]} and {method}" if method != first[0] else f"{method} (training seed {seed} and another)"
            raise WorkbenchError(
                f"{names} met different tasks of {where} ({len(first[1])} and {len(tasks)}, "
                f"{len(tasks.intersection(first[1]))} of them shared) and cannot be paired: "
                "evaluate both with the same --episodes."
            )
    averaged = part.groupby(["task", "method"], sort=False)["accuracy"].mean().unstack("method")
    return averaged[list(part["method"].unique())]


def _title(condition: Mapping[Any, Any], varying: Sequence[str] = ()) -> str:
    """A condition in words; what never varies within a report need not be said each time."""
    data = str(condition["test_on"])
    if condition["train_on"] != condition["test_on"]:
        data = f"{condition['train_on']} → {data}"
    words = [f"{data}, {condition['ways']}-way"]
    if "shots" in condition:
        words[0] += f" {condition['shots']}-shot"
    texts = {"split": "split {}", "queries": "{} queries", "task_seed": "task seed {}"}
    return ", ".join(words + [texts[name].format(condition[name]) for name in texts if name in varying])


def _best(cell: Mapping[Any, Any]) -> bool:
    """Whether a row of the summary is its condition's best, which has no interval to itself."""
    return bool(cell["difference"] == 0 and np.isnan(cell["difference_interval"]))


def _varying(frame: pd.DataFrame) -> list[str]:
    return [name for name in CONDITION if frame[name].nunique(dropna=False) > 1]


# Figures. They use no pyplot, hence no global state: a Figure is drawn where it is shown or saved.

# Okabe and Ito's colours, told apart by colour-blind readers; without their yellow, too pale on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C6D31"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<"]
DASHES = ["-", "--", ":", "-."]
INK, PALE = "#333333", "#DDDDDD"
Look = tuple[str, str, str]  # colour, marker, line style


def accuracy_figure(frame: pd.DataFrame) -> Figure:
    """Accuracy with 95% intervals by shots, a panel for each data set and number of ways.

    Filled markers are measured, hollow ones published. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = _looks(table["method"])
    panels = list(table.groupby([name for name in CONDITION if name != "shots"], sort=False, dropna=False))
    figure, axes = _grid(len(panels), columns=3, width=4.6, height=3.7)
    for axis, (_, part) in zip(axes, panels, strict=True):
        shots = sorted(part["shots"].unique())
        present = part["method"].unique()
        # methods stand side by side within a category, so that no interval hides another
        for method, offset in zip(present, _dodge(len(present)), strict=True):
            cells = part[part["method"] == method].sort_values("shots")
            x = np.array([shots.index(value) for value in cells["shots"]]) + offset
            _accuracies(axis, x, cells, looks[method])
        axis.set(xticks=range(len(shots)), xticklabels=[str(value) for value in shots], xlim=(-0.5, len(shots) - 0.5))
        axis.set_title(_title({name: part[name].iloc[0] for name in CONDITION if name != "shots"}, _varying(table)))
        axis.set(xlabel="shots (labelled examples a class)", ylabel="accuracy, %")
        axis.grid(axis="y", color=PALE)
    _legend(figure, looks, published=bool(table["published"].notna().any()))
    return figure


def _accuracies(axis: Axes, x: NDArray[np.float64], cells: pd.DataFrame, look: Look) -> None:
    """Draw one method's cells at `x`: measured with its intervals, published where it is known."""
    colour, marker, dash = look
    style: dict[str, Any] = {"color": colour, "marker": marker, "zorder": 3}
    measured: dict[str, Any] = {
        "label": cells["method"].iloc[0],
        "linestyle": dash,
        "linewidth": 0.9,
        "markersize": 5,
        "capsize": 2.5,
    }
    axis.errorbar(x, 100 * cells["accuracy"], 100 * cells["interval"], elinewidth=1.4, **measured, **style)
    known = cells["published"].notna().to_numpy()
    if known.any():
        hollow: dict[str, Any] = {
            "label": "published",
            "linestyle": "none",
            "markersize": 9,
            "markerfacecolor": "none",
            "alpha": 0.8,
        }
        spread = cells["published_interval"].astype(float)[known]
        bars = None if spread.isna().all() else spread.fillna(0)
        axis.errorbar(x[known], cells["published"].astype(float)[known], bars, elinewidth=0.8, **hollow, **style)


def difference_figure(frame: pd.DataFrame) -> Figure:
    """Paired differences to the best method with 95% intervals, a panel for each condition.

    Methods stand in one order in all panels, the best on average on top. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = _looks(table["method"])
    order = list(table.groupby("method", sort=False)["difference"].mean().sort_values(ascending=False).index)
    panels = list(table.groupby(CONDITION, sort=False, dropna=False))
    columns = min(2, len(panels))
    figure, axes = _grid(len(panels), columns, width=4.4, height=1.1 + 0.3 * len(order))
    for i, (axis, (_, part)) in enumerate(zip(axes, panels, strict=True)):
        axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for cell in part.to_dict("records"):
            place, (colour, marker, _) = order.index(cell["method"]), looks[cell["method"]]
            value, spread = 100 * cell["difference"], 100 * cell["difference_interval"]
            bar = None if np.isnan(spread) else [spread]
            style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 3, "zorder": 3}
            axis.errorbar([value], [place], xerr=bar, label=cell["method"], **style)
            words = f"best: {100 * cell['accuracy']:.1f}%" if _best(cell) else _plus_minus(value, spread, sign=True)
            right = axis.get_yaxis_transform()  # x in 0..1 of the panel, y as the data
            axis.annotate(words, (1, place), (6, 0), right, "offset points", va="center", size=8, color=INK)
        axis.set(yticks=range(len(order)), yticklabels=[""] * len(order) if i % columns else order)
        axis.set(ylim=(len(order) - 0.4, -0.6), xlabel="difference to the best, percentage points")
        axis.set_title(_title(part.iloc[0].to_dict(), _varying(table)))
        axis.grid(axis="x", color=PALE)
        axis.tick_params(axis="y", length=0)
    return figure


def curves_figure(curves: pd.DataFrame, frame: pd.DataFrame | None = None) -> Figure:
    """Learning curves: validation accuracy and training loss against the step, a line for each run.

    Args:
        curves: columns `run`, `label`, `step`, `loss` and `val_accuracy` (0..1, NaN where not validated). Runs with
            one label, such as seeds, look alike.
        frame: the tasks frame. With it, the runs behind one condition share a row of panels, methods look as in the
            other figures, and runs that it does not name are left out.

    Raises:
        WorkbenchError: a column is missing.
    """
    if missing := [name for name in CURVES if name not in curves]:
        raise WorkbenchError(f"This is no frame of learning curves: it has no column {', '.join(missing)}.")
    looks, groups = _curve_groups(curves, frame)
    figure, axes = _grid(2 * len(groups), columns=2, width=5.2, height=3.2)
    for (title, rows), left, right in zip(groups, axes[::2], axes[1::2], strict=True):
        crowd = rows["run"].nunique() > len(COLOURS)
        for _, run in rows.sort_values("step").groupby(["run", "label"], sort=False):
            _curve(left, right, run, looks[run["label"].iloc[0]], raw=not crowd)
        left.set(title=f"{title}validation accuracy", ylabel="accuracy, %", xlim=right.get_xlim())
        right.set(title=f"{title}training loss, smoothed", ylabel="loss")
        for axis in (left, right):
            axis.set_xlabel("step")
            axis.grid(color=PALE)
            if not axis.lines:
                axis.text(0.5, 0.5, "none was recorded", ha="center", va="center", transform=axis.transAxes, color=INK)
    _legend(figure, looks)
    return figure


def _curve(left: Axes, right: Axes, rows: pd.DataFrame, look: Look, raw: bool) -> None:
    """Draw one run: accuracy where it was validated, and the running mean of the loss over what was recorded."""
    colour, marker, dash = look
    label = rows["label"].iloc[0]
    validated = rows[rows["val_accuracy"].notna()]
    if len(validated):
        style: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": marker, "markersize": 4, "label": label}
        left.plot(validated["step"], 100 * validated["val_accuracy"], **style)
    window = max(1, len(rows) // 30)
    if raw and window > 1:
        right.plot(rows["step"], rows["loss"], color=colour, linewidth=0.5, alpha=0.25)
    smooth = rows["loss"].rolling(window, min_periods=1, center=True).mean()
    right.plot(rows["step"], smooth, color=colour, linestyle=dash, label=label)


def _curve_groups(
    curves: pd.DataFrame, frame: pd.DataFrame | None
) -> tuple[dict[str, Look], list[tuple[str, pd.DataFrame]]]:
    """Looks by label, and (title, curves) for each row of panels."""
    if frame is None:
        return _looks(curves["label"]), [("", curves)]
    named = _labelled(frame)
    groups: dict[frozenset[str], tuple[str, pd.DataFrame]] = {}
    for condition, part in _conditions(named):
        of_run = dict(zip(part["run"], part["method"], strict=True))
        rows = curves[curves["run"].isin(list(of_run))]
        # runs that were judged under several conditions are drawn once
        groups.setdefault(
            frozenset(of_run), (f"{_title(condition)}: ", rows.assign(label=rows["run"].map(of_run).astype(object)))
        )
    return _looks(named["method"]), list(groups.values())


def _looks(names: pd.Series[str]) -> dict[str, Look]:
    """A look for each name, in order of appearance; past eight the colours come again with another marker."""
    each = enumerate(names.unique())
    return {name: (COLOURS[i % 8], MARKERS[(i + i // 8) % 8], DASHES[i // 8 % 4]) for i, name in each}


def _grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of `width` x `height` inches, row by row."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(5.0, columns * width), rows * height), layout="constrained", facecolor="white")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in panels[count:]:
        spare.remove()
    for axis in panels[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.grid(visible=False)
        axis.tick_params(colors=INK, labelsize=9)
        axis.title.set_fontsize(10)
    return figure, panels[:count]


def _dodge(count: int) -> list[float]:
    """Offsets of `count` neighbours round 0, at most 0.3 to either side of a category."""
    half = min(0.3, 0.06 * (count - 1))
    return [float(x) for x in np.linspace(-half, half, count)] if count > 1 else [0.0]


def _legend(figure: Figure, looks: Mapping[str, Look], published: bool = False) -> None:
    """One legend under all panels, where it covers no data and takes no panel's width."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=dash, label=name)
        for name, (colour, marker, dash) in looks.items()
    ]
    if published:
        hollow: dict[str, Any] = {"marker": "o", "markersize": 8, "markerfacecolor": "none", "linestyle": "none"}
        handles.append(Line2D([], [], color=INK, label="hollow: published", **hollow))
    if not handles:
        return
    letters = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (0.6 + 0.08 * letters))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(handles) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


# The page


def html(frame: pd.DataFrame, curves: pd.DataFrame | None = None) -> str:
    """One HTML page that needs nothing else: answers, table, figures, protocol. Raises what `summary` raises.

    Args:
        frame: one row a test task.
        curves: as for `curves_figure`; without it the page shows no learning curves.
    """
    table = summary(frame)
    parts = [
        "<h1>Which method, and by how much?</h1>",
        _list(_answers(table)),
        "<h2>Results</h2>",
        _html_table(table),
        f"<p class=note>{escape(HOW)}</p>",
        "<h2>Accuracy by shots</h2>",
        _image(accuracy_figure(frame), "Accuracy with 95% intervals by shots, for each method."),
        "<h2>Paired differences to the best method</h2>",
        "<p>Where an interval reaches zero, these tasks do not tell the method from the best one.</p>",
        _image(difference_figure(frame), "Paired differences to the best method, with 95% intervals."),
    ]
    if curves is not None and len(curves):
        parts += ["<h2>Learning curves</h2>", _image(curves_figure(curves, frame), "Validation accuracy and loss.")]
    parts += ["<h2>Protocol</h2>", _list(_protocol(frame, table))]
    return _PAGE.replace("BODY", "\n".join(parts))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison of methods</title>
<style>
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --line: #ddd; --soft: #f4f4f4; --dim: #666 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --paper: #181a1b; --line: #3a3d3f; --soft: #24272a; --dim: #a0a0a0 }
}
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.6rem; line-height: 1.2 } h2 { font-size: 1.2rem; margin-top: 2.2rem }
li { margin: .3rem 0 } .note, small { color: var(--dim) } .note { font-size: .9rem }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; text-align: right; white-space: nowrap; vertical-align: top }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper) }
td:first-child { white-space: normal; min-width: 7rem; overflow-wrap: anywhere }
tr + tr td { border-top: 1px solid var(--line) }
tbody th, tbody th:first-child { background: var(--soft); position: static }
tbody th span { position: sticky; left: .7rem }
.best { font-weight: 600 } small { display: block; font-weight: 400; white-space: normal }
img { display: block; width: 100%; min-width: 40rem; background: #fff }
</style>
</head>
<body>
BODY
</body>
</html>
"""

_HEADS = [
    "Method", "Accuracy, %", "To the best, points", "Published, %", "Seed sd, points", "Calibration error, %", "Loss",
    "Training", "Adapting, a task", "Parameters",
]  # fmt: skip


def _answers(table: pd.DataFrame) -> list[str]:
    """For each condition, who is best and by how much."""
    answers = []
    for _, part in table.groupby(CONDITION, sort=False, dropna=False):
        first, *others = part.sort_values("accuracy", ascending=False, kind="stable").to_dict("records")
        best = f"{first['method']} reaches {_percent(first['accuracy'], first['interval'])}%"
        text = f"{_title(first, _varying(table))}: {best}"
        if others:
            second = others[0]
            ahead, spread = -100 * second["difference"], 100 * second["difference_interval"]
            by = f"{_plus_minus(ahead, spread)} percentage points"
            told = ahead > spread  # false where the interval is not known
            text += (
                f", ahead of {second['method']} by {by}" if told else f"; {second['method']} is not told apart ({by})"
            )
        answers.append(text + ".")
    return answers


def _html_table(table: pd.DataFrame) -> str:
    """A group of rows for each condition; columns in which no row has a value are left out."""
    groups = []
    for _, part in table.groupby(CONDITION, sort=False, dropna=False):
        title = _title(part.iloc[0].to_dict(), _varying(table))
        groups.append((title, [_html_cells(cell) for cell in part.to_dict("records")]))
    used = [i for i in range(len(_HEADS)) if any(cells[i] != NONE for _, rows in groups for cells in rows)]
    head = "".join(f"<th scope=col>{_HEADS[i]}</th>" for i in used)
    body = ""
    for title, rows in groups:
        body += f"<tbody><tr><th colspan={len(used)} scope=rowgroup><span>{escape(title)}</span></th></tr>"
        for cells in rows:
            best = " class=best" if cells[2] == "best" else ""
            body += f"<tr{best}>" + "".join(f"<td>{cells[i]}</td>" for i in used) + "</tr>"
        body += "</tbody>"
    return f"<div class=wide><table><thead><tr>{head}</tr></thead>{body}</table></div>"


def _html_cells(cell: Mapping[Any, Any]) -> list[str]:
    """The cells of one row, in the order of `_HEADS`, escaped."""
    flag = "<small>transductive</small>" if cell["transductive"] else ""
    published = NONE
    if pd.notna(cell["published"]):
        published = escape(_plus_minus(cell["published"], cell["published_interval"]))
        if pd.notna(cell["published_source"]) and cell["published_source"]:
            published += f"<small>{escape(str(cell['published_source']))}</small>"
    return [
        escape(cell["method"]) + flag,
        _percent(cell["accuracy"], cell["interval"]),
        "best" if _best(cell) else _plus_minus(100 * cell["difference"], 100 * cell["difference_interval"], sign=True),
        published,
        _number(100 * cell["seed_sd"], ".2f"),
        _number(100 * cell["calibration_error"], ".1f"),
        _number(cell["loss"], ".3f"),
        _duration(cell["train_seconds"]),
        _duration(cell["adapt_seconds"]),
        _number(cell["parameters"], ",.0f"),
    ]


def _protocol(frame: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """What the methods were judged on, a line for each condition, and who saw the whole query set."""
    lines = []
    for condition, part in _conditions(frame):
        seeds = ", ".join(str(seed) for seed in sorted(part["train_seed"].unique()))
        lines.append(
            f"{_title(condition)}: {part['task'].nunique():,} test tasks (episodes) of split {condition['split']}, "
            f"{condition['queries']} queries a class, task seed {condition['task_seed']}, the same tasks for every "
            f"method; trained on {condition['train_on']}, training seed {seeds}."
        )
    whole = ", ".join(table.loc[table["transductive"], "method"].unique())
    if not whole:
        return [*lines, "No method is transductive: each query is classified by itself."]
    return [*lines, f"Transductive, that is, the queries of a task are classified together, not each alone: {whole}."]


def _image(figure: Figure, text: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<div class=wide><img alt="{escape(text)}" src="data:image/png;base64,{data}"></div>'


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _number(value: float, form: str) -> str:
    return NONE if pd.isna(value) else format(value, form)


def _plus_minus(value: float, spread: float | None, sign: bool = False) -> str:
    """`97.8 ± 0.2`: a decimal more where the spread is small; a true minus sign."""
    if pd.isna(value):
        return NONE
    known = spread is not None and not pd.isna(spread)
    digits = 2 if known and abs(float(spread or 0)) < 0.1 else 1
    text = format(value, f"{'+' if sign else ''}.{digits}f").replace("-", "−")  # noqa: RUF001
    return f"{text} ± {spread:.{digits}f}" if known else text


def _percent(fraction: float, spread: float) -> str:
    return _plus_minus(100 * fraction, 100 * spread)


def _duration(seconds: float) -> str:
    """Seconds in the unit that a reader would choose."""
    if pd.isna(seconds):
        return NONE
    for limit, factor, form, unit in ((1e-3, 1e6, ".0f", "µs"), (1, 1e3, ".3g", "ms"), (100, 1, ".3g", "s")):
        if seconds < limit:
            return f"{seconds * factor:{form}} {unit}"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
