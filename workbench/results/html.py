"""One self-contained HTML page of a comparison: answers, tables, figures, and how they were made."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.results.figures import accuracy_figure, curves_figure, difference_figure
from workbench.results.frame import CONDITION, conditions, varying
from workbench.results.heatmap import heatmap_figure
from workbench.results.marks import remarks
from workbench.results.summary import is_best, is_matrix, summary, trainings
from workbench.results.wording import HOW, NONE, condition_title, parts, plus_minus

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def html_page(
    frame: pd.DataFrame, curves: pd.DataFrame | None = None, baseline: Sequence[str] = ()
) -> str:
    """One HTML page that needs nothing else: answers, table, figures, protocol. Raises what `summary` raises.

    Args:
        frame: one row a test task.
        curves: as for `curves_figure`; without it the page shows no learning curves.
        baseline: as for `heatmap_figure`, which is shown where there are several data sets.
    """
    table = summary(frame, baseline)
    blocks = [
        "<h1>Which method, and by how much?</h1>",
        _list(_answers(table)),
        *(_matrix(frame, baseline) if is_matrix(table) else []),
        "<h2>Results</h2>",
        _html_table(table),
        f"<p class=note>{escape(HOW)}</p>",
        *(
            f"<p class=note>Only a part of what is published: {escape(part)}.</p>"
            for part in parts(frame)
        ),
        *_trainings(frame),
        "<h2>Accuracy by shots</h2>",
        _image(accuracy_figure(frame), "Accuracy with 95% intervals by shots, for each method."),
        "<h2>Paired differences to the best method</h2>",
        "<p>Where an interval reaches zero, these tasks do not tell the method from the best one.</p>",
        _image(
            difference_figure(frame), "Paired differences to the best method, with 95% intervals."
        ),
    ]
    if curves is not None and len(curves):
        blocks += [
            "<h2>Learning curves</h2>",
            "<p>Losses of different methods need not mean the same; validation accuracies do.</p>",
            _image(curves_figure(curves, frame), "Validation accuracy and training loss by step."),
        ]
    blocks += ["<h2>Protocol</h2>", _list(_protocol(frame, table))]
    return _PAGE.replace("BODY", "\n".join(blocks))


def _matrix(frame: pd.DataFrame, baseline: Sequence[str]) -> list[str]:
    words = (
        "Accuracy by method and test data, coloured by the paired difference to the best baseline."
    )
    return ["<h2>Methods by test data</h2>", _image(heatmap_figure(frame, baseline), words)]


def _trainings(frame: pd.DataFrame) -> list[str]:
    """What other training data do to a method, where some were trained on several."""
    sentences = []
    for row in trainings(frame).to_dict("records"):
        place = condition_title({**row, "train_on": row["test_on"]}, varying(frame))
        by = f"{plus_minus(100 * row['difference'], 100 * row['interval'], sign=True)} percentage points"
        sentences.append(
            f"{row['method']}, {place}: trained on {row['train_on']} rather than on {row['other']}: {by}."
        )
    return ["<h2>Training data, on the same tasks</h2>", _list(sentences)] if sentences else []


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
.wide { width: fit-content; max-width: 100%; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; text-align: right; white-space: nowrap; vertical-align: top }
thead th { white-space: normal; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper) }
td:first-child { white-space: normal; min-width: 8rem; max-width: 18rem; overflow-wrap: break-word }
tr + tr td { border-top: 1px solid var(--line) }
tbody th, tbody th:first-child { background: var(--soft); position: static }
tbody th span { position: sticky; left: .7rem }
@media (max-width: 40rem) { th, td { padding: .35rem .4rem } }
.source { min-width: 12rem } .best { font-weight: 600 } small { display: block; font-weight: 400; white-space: normal }
img { display: block; max-width: 100%; height: auto; background: #fff }
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
        first, *others = part.sort_values("accuracy", ascending=False, kind="stable").to_dict(
            "records"
        )
        best = f"{first['method']} reaches {_percent(first['accuracy'], first['interval'])}%"
        text = f"{condition_title(first, varying(table))}: {best}"
        if others:
            second = others[0]
            ahead, spread = -100 * second["difference"], 100 * second["difference_interval"]
            by = f"{plus_minus(ahead, spread)} percentage points"
            if ahead > spread:  # false where the interval is not known
                text += f", ahead of {second['method']} by {by}"
            else:
                text += f"; {second['method']} is not told apart from it ({by})"
        answers.append(text + ".")
    return answers


def _html_table(table: pd.DataFrame) -> str:
    """A group of rows for each condition; columns in which no row has a value are left out."""
    groups = []
    for _, part in table.groupby(CONDITION, sort=False, dropna=False):
        title = condition_title(part.iloc[0].to_dict(), varying(table))
        groups.append((title, [_html_cells(cell) for cell in part.to_dict("records")]))
    used = [
        i
        for i in range(len(_HEADS))
        if any(cells[i] != NONE for _, rows in groups for cells in rows)
    ]
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
    flag = "".join(f"<small>{escape(words)}</small>" for words in remarks(cell))
    published = NONE
    if pd.notna(cell["published"]):
        published = f"{cell['published']:g}"  # with the paper's decimals
        if pd.notna(cell["published_interval"]):
            published += f" ± {cell['published_interval']:g}"
        if pd.notna(cell["published_source"]) and cell["published_source"]:
            published += f"<small class=source>{escape(str(cell['published_source']))}</small>"
    return [
        re.sub("([:,])", r"\1<wbr>", escape(cell["method"])) + flag,  # where a long name may break
        _percent(cell["accuracy"], cell["interval"]),
        "best"
        if is_best(cell)
        else plus_minus(100 * cell["difference"], 100 * cell["difference_interval"], sign=True),
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
    for condition, part in conditions(frame):
        seeds = ", ".join(str(seed) for seed in sorted(part["train_seed"].unique()))
        lines.append(
            f"{condition_title(condition)}: {part['task'].nunique():,} test tasks (episodes) of split "
            f"{condition['split']}, "
            f"{condition['queries']} queries a class, task seed {condition['task_seed']}, the same tasks for every "
            f"method; trained on {condition['train_on']}, training seed {seeds}."
        )
    backbones = table.drop_duplicates("method")[["method", "backbone"]].to_numpy()
    lines.append(
        f"Backbones: {'; '.join(f'{method} on {backbone}' for method, backbone in backbones)}."
    )
    whole = ", ".join(table.loc[table["transductive"], "method"].unique())
    if not whole:
        return [*lines, "No method is transductive: each query is classified by itself."]
    return [
        *lines,
        f"Transductive, that is, the queries of a task are classified together, not each alone: {whole}.",
    ]


def _image(figure: Figure, text: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    width = round(
        96 * figure.get_figwidth()
    )  # pixels; on a narrow screen it shrinks a little, then scrolls
    style = f"width: {width}px; min-width: {0.7 * width:.0f}px"
    return f'<div class=wide><img alt="{escape(text)}" style="{style}" src="data:image/png;base64,{data}"></div>'


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _number(value: float, form: str) -> str:
    return NONE if pd.isna(value) else format(value, form)


def _percent(fraction: float, spread: float) -> str:
    return plus_minus(100 * fraction, 100 * spread)


def _duration(seconds: float) -> str:
    """Seconds in the unit that a reader would choose."""
    if pd.isna(seconds):
        return NONE
    for limit, factor, unit in ((9.995e-4, 1e6, "µs"), (0.9995, 1e3, "ms"), (99.95, 1, "s")):
        if seconds < limit:  # three figures never round up to the next unit
            return f"{seconds * factor:#.3g}".removesuffix(".") + f" {unit}"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
