"""One self-contained HTML page of a comparison: answers, tables, figures, and the protocol."""

from __future__ import annotations

import base64
import io
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.results.figures import (
    accuracy_figure,
    curves_figure,
    difference_figure,
    has_differences,
)
from workbench.results.frame import CONDITION, TEST, records
from workbench.results.grouping import conditions, labelled, separations, varying
from workbench.results.heatmap import heatmap_figure
from workbench.results.marks import remarks
from workbench.results.matrix import is_matrix
from workbench.results.summary import is_best, summary, trainings
from workbench.results.sureness import has_answers, sureness_figure
from workbench.results.trace_figure import trace_figure
from workbench.results.wording import (
    HOW,
    NO_VALUE,
    before_and_after,
    condition_title,
    decimal,
    departures,
    enumerated,
    parts,
    plus_minus,
    published_text,
    three_figures,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison of methods</title>
<style>
:root { color-scheme: light dark;
  --ink: #222; --paper: #fff; --line: #ddd; --soft: #f4f4f4; --dim: #666 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --paper: #181a1b; --line: #3a3d3f; --soft: #24272a; --dim: #a0a0a0 }
}
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.6rem; line-height: 1.2 } h2 { font-size: 1.2rem; margin-top: 2.2rem }
li { margin: .3rem 0 } .note, small { color: var(--dim) } .note { font-size: .9rem }
.wide { width: fit-content; max-width: 100%; overflow-x: auto;
  border: 1px solid var(--line); border-radius: 6px }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; text-align: right; white-space: nowrap; vertical-align: top }
thead th { white-space: normal; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0;
  background: var(--paper) }
td:first-child { white-space: normal; min-width: 14rem; max-width: 20rem;
  overflow-wrap: break-word }
tr + tr td { border-top: 1px solid var(--line) }
tbody th, tbody th:first-child { background: var(--soft); position: static }
tbody th span { position: sticky; left: .7rem }
@media (max-width: 40rem) {
  th, td { padding: .35rem .4rem } td:first-child { min-width: 8rem; max-width: 12rem }
}
code { overflow-wrap: anywhere; background: var(--soft) }
.source { min-width: 12rem } .best { font-weight: 600 }
small { display: block; font-weight: 400; white-space: normal }
img { display: block; max-width: 100%; height: auto }
@media (prefers-color-scheme: dark) {  /* white becomes the paper, colours stay what they are */
  img { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen }
}
</style>
</head>
<body>
BODY
</body>
</html>
"""


def html_page(
    frame: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    baseline: Sequence[str] = (),
    runs: pd.DataFrame | None = None,
    traces: pd.DataFrame | None = None,
) -> str:
    """Return one HTML page that needs no other file: answers, tables, figures and the protocol.

    Args:
        frame: a tasks frame.
        curves: as for `curves_figure`; if omitted, the page has no learning curves.
        baseline: as for `heatmap_figure`, which is shown if there are several data sets.
        runs: a frame with the columns `RUNS`; if omitted, the page does not say how to repeat it.
        traces: as for `trace_figure`; if omitted, the page does not show steps of adapting.

    Raises:
        UnknownName, WorkbenchError: as for `summary`.
    """
    apart = separations(frame)
    frame = labelled(frame)
    table = summary(frame, baseline)
    blocks = ["<h1>Which method is best, and by how much?</h1>", _list(_answers(table))]
    if is_matrix(table):
        blocks += _matrix_section(frame, baseline)
    blocks += ["<h2>Results</h2>", _html_table(table), _note(HOW)]
    blocks += [_note(f"Not compared: {sentence}.") for sentence in apart]
    blocks += [_note(f"Not as usual: {departure}.") for departure in departures(frame)]
    for part in parts(frame):
        blocks.append(_note(f"Not the published files: {part}."))
    blocks += _trainings_section(frame)
    blocks += _figure_sections(frame, table)
    if has_answers(frame):
        blocks += _sureness_section(frame)
    if curves is not None and len(curves):
        blocks += _curves_section(curves, frame)
    if traces is not None and len(traces):
        blocks += _trace_section(traces, frame)
    blocks += ["<h2>Protocol</h2>", _list(_protocol(frame, table))]
    if runs is not None:
        blocks += _repeat_section(frame, runs)
    return _PAGE.replace("BODY", "\n".join(blocks))


def _answers(table: pd.DataFrame) -> list[str]:
    """Return for each condition which method is best, and by how much."""
    varied = varying(table)
    answers = []
    for _, rows in table.groupby(CONDITION, sort=False, dropna=False):
        ranked = records(rows.sort_values("accuracy", ascending=False, kind="stable"))
        title = condition_title(ranked[0], varied)
        answers.append(f"{title}: {_answer(ranked)}.")
    return answers


def _answer(ranked: Sequence[Mapping[str, Any]]) -> str:
    """Return which of several methods is best, given their cells, the best first."""
    first, *others = ranked
    best = f"{first['method']} reaches {_percent(first['accuracy'], first['interval'])}%"
    if not others:
        return best
    second = others[0]
    ahead, spread = -100 * second["difference"], 100 * second["difference_interval"]
    points = f"{plus_minus(ahead, spread)} percentage points"
    if ahead > spread:  # false where the interval is unknown
        return f"{best}, ahead of {second['method']} by {points}"
    return f"{best}; {second['method']} cannot be told apart from it ({points} behind)"


def _matrix_section(frame: pd.DataFrame, baseline: Sequence[str]) -> list[str]:
    words = "Accuracy by method and test data, coloured by the difference to the best baseline."
    return ["<h2>Methods by test data</h2>", _image(heatmap_figure(frame, baseline), words)]


def _trainings_section(frame: pd.DataFrame) -> list[str]:
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
    return ["<h2>Other training data, on the same tasks</h2>", _list(sentences)]


def _figure_sections(frame: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    accuracy = [
        "<h2>Accuracy</h2>",
        _image(accuracy_figure(frame), "Accuracy with 95% intervals, for each method."),
    ]
    if not has_differences(table):
        return accuracy
    return [
        *accuracy,
        "<h2>Paired differences to the best method</h2>",
        "<p>Where an interval includes zero, these tasks do not tell the method apart from the "
        "best.</p>",
        _image(
            difference_figure(frame), "Paired differences to the best method, with 95% intervals."
        ),
    ]


def _sureness_section(frame: pd.DataFrame) -> list[str]:
    return [
        "<h2>How sure the methods are</h2>",
        "<p>Left: accuracy by confidence, the probability of the answer. On the dotted line a "
        "method is as often right as it says; below it is too sure. Thin lines are after the "
        "temperature, where one was chosen. Right: accuracy where only the surest queries are "
        "answered. Both are of the first 2,000 tasks.</p>",
        _image(sureness_figure(frame), "Accuracy by confidence, and by share of queries answered."),
    ]


def _curves_section(curves: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    return [
        "<h2>Learning curves</h2>",
        "<p>Validation accuracies can be compared within a panel, whose heading says on which "
        "tasks they were measured; these are not the test tasks. Losses often cannot be compared, "
        "because methods define them differently.</p>",
        _image(curves_figure(curves, frame), "Validation accuracy and training loss by step."),
    ]


def _trace_section(traces: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    tasks = traces.groupby("run")["task"].nunique().max()
    return [
        "<h2>Inside adaptation</h2>",
        f"<p>Means over up to {tasks:,} test tasks after each step of adapting: thick on the "
        "queries, with 95% intervals, and thin on the support. Level lines are of methods without "
        "steps.</p>",
        _image(trace_figure(traces, frame), "Accuracy and loss by step of adapting."),
    ]


def _html_table(table: pd.DataFrame) -> str:
    """Return a table with a group of rows per condition, without columns that have no value."""
    varied = varying(table)
    headings = _used_headings(records(table))
    head = "".join(f"<th scope=col>{heading}</th>" for heading in headings)
    body = ""
    span = f"colspan={len(headings)} scope=rowgroup"
    for _, rows in table.groupby(CONDITION, sort=False, dropna=False):
        cells = records(rows)
        title = condition_title(cells[0], varied)
        body += f"<tbody><tr><th {span}><span>{escape(title)}</span></th></tr>"
        for cell in cells:
            body += _html_row(cell, headings)
        body += "</tbody>"
    return f"<div class=wide><table><thead><tr>{head}</tr></thead>{body}</table></div>"


def _used_headings(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the headings of the columns in which some row has a value, in order."""
    used: dict[str, bool] = {}
    for cell in cells:
        for heading, text in _html_cells(cell).items():
            used[heading] = used.get(heading, False) or text != NO_VALUE
    return [heading for heading, is_used in used.items() if is_used]


def _html_row(cell: Mapping[str, Any], headings: Sequence[str]) -> str:
    texts = _html_cells(cell)
    best = " class=best" if is_best(cell) else ""
    data = "".join(f"<td>{texts[heading]}</td>" for heading in headings)
    return f"<tr{best}>{data}</tr>"


def _html_cells(cell: Mapping[str, Any]) -> dict[str, str]:
    """Return the escaped cells of one row by heading, in the order of the columns."""
    difference = plus_minus(
        100 * cell["difference"], 100 * cell["difference_interval"], signed=True
    )
    return {
        "Method": _html_method(cell),
        "Accuracy, %": _percent(cell["accuracy"], cell["interval"]),
        "Difference to best, points": "best" if is_best(cell) else difference,
        "Published, %": _html_published(cell),
        "SD over seeds, points": decimal(100 * cell["seed_sd"], 2),
        "Temperature": three_figures(cell["temperature"]),
        "Calibration error, %": before_and_after(
            100 * cell["calibration_error"], 100 * cell["calibrated_error"], 1
        ),
        "Loss": before_and_after(cell["loss"], cell["calibrated_loss"], 3),
        "Brier score": before_and_after(cell["brier"], cell["calibrated_brier"], 3),
        "Training": _duration(cell["train_seconds"]),
        "Steps": f"{cell['steps']:,}",
        "Images seen": f"{cell['images']:,}",
        "Adaptation per task": _duration(cell["adapt_seconds"]),
        "Parameters": f"{cell['parameters']:,}",
    }


def _html_method(cell: Mapping[str, Any]) -> str:
    """Return the label, which may break behind ":" and ",", and the remarks below it."""
    label = re.sub("([:,])", r"\1<wbr>", escape(cell["method"]))
    return label + "".join(f"<small>{escape(words)}</small>" for words in remarks(cell))


def _html_published(cell: Mapping[str, Any]) -> str:
    text = published_text(cell)
    if cell["published_source"]:
        text += f"<small class=source>{escape(cell['published_source'])}</small>"
    return text


def _protocol(frame: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Return what the methods were tested on, their backbones, and which are transductive."""
    lines = []
    for condition, rows in conditions(frame):
        lines.append(_condition_sentence(condition, rows))
    backbones = []
    for cell in records(table.drop_duplicates("method")):
        network = f"on {cell['backbone']}" if cell["backbone"] else "without one"
        backbones.append(f"{cell['method']} {network}")
    lines.append(f"Backbones: {'; '.join(backbones)}.")
    transductive = list(table.loc[table["transductive"], "method"].unique())
    if transductive:
        lines.append(
            "Transductive methods classify the queries of a task together, not one by one: "
            f"{enumerated(transductive)}."
        )
    else:
        lines.append("No method is transductive: each query is classified on its own.")
    return lines


def _condition_sentence(condition: Mapping[str, Any], rows: pd.DataFrame) -> str:
    queries = "varying numbers of queries"
    if condition["queries"] is not None:
        queries = f"{condition['queries']} queries per class"
    seeds = [str(seed) for seed in sorted(rows["train_seed"].unique())]
    noun = "seed" if len(seeds) == 1 else "seeds"
    return (
        f"{condition_title(condition)}: {rows['task'].nunique():,} test tasks (episodes) from "
        f"split {condition['split']}, {queries}, task seed {condition['task_seed']}, the same "
        f"tasks for every method; trained on {condition['train_on']}, training {noun} "
        f"{enumerated(seeds)}."
    )


def _repeat_section(frame: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return by which commands, on what and with which versions the runs were trained."""
    method_of_run = dict(zip(frame["run"], frame["method"], strict=True))
    runs = runs[runs["run"].isin(list(method_of_run))]
    runs = runs.assign(method=runs["run"].map(method_of_run))
    lines = []
    for command, group in runs.groupby("command", sort=False):
        names = enumerated(dict.fromkeys(group["method"]))
        if command:
            lines.append(f"<code>{escape(str(command))}</code> trained {escape(names)}.")
        else:
            lines.append(f"{escape(names)}: trained from Python; run.toml has all settings.")
    lines += [_evaluation_line(condition, rows) for condition, rows in _asked(frame)]
    facts = []
    for heading, name in (("Trained on", "hardware"), ("Versions", "versions")):
        for words in runs[name].unique():
            facts.append(f"{heading}: {words}.")
    for recipe, group in frame.groupby("recipe", sort=False):
        if recipe:
            facts.append(f"Recipe {recipe!s}: {enumerated(group['method'].unique())}.")
    folders = f"The settings are in run.toml of these folders: {enumerated(runs['run'])}."
    items = "".join(f"<li>{line}</li>" for line in lines)
    return ["<h2>How to repeat</h2>", f"<ul>{items}</ul>", _list(facts), _note(folders)]


def _asked(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Iterate over what was asked of the methods: conditions, but with all their instances."""
    names = [name for name in TEST if name != "instance"]
    for _, rows in frame.groupby(names, sort=False, dropna=False):
        yield records(rows.head(1))[0], rows


def _evaluation_line(asked: Mapping[str, Any], rows: pd.DataFrame) -> str:
    """Return the command that evaluates a run on the same tasks, in a sentence."""
    words = ["mlw", "eval", "RUN", "--on", asked["test_on"]]
    for name in ("ways", "shots", "queries"):
        if asked[name] is not None:
            words += [f"--{name}", str(asked[name])]
    for name, usual in (("split", "test"), ("protocol", DEFAULT_PROTOCOL), ("task_seed", 0)):
        if asked[name] != usual:
            words += [f"--{name.replace('_', '-')}", str(asked[name])]
    words += ["--episodes", str(rows["task"].nunique())]
    if rows["temperature"].notna().any():
        words += ["--calibrate", "temperature"]
    title = condition_title({**asked, "instance": 0})
    return f"<code>{escape(shlex.join(words))}</code> evaluates a run again: {escape(title)}."


def _image(figure: Figure, text: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    width = round(96 * figure.get_figwidth())  # CSS pixels
    # on a narrow screen it shrinks a little, then scrolls
    style = f"width: {width}px; min-width: {0.7 * width:.0f}px"
    source = f"data:image/png;base64,{data}"
    return f'<div class=wide><img alt="{escape(text)}" style="{style}" src="{source}"></div>'


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>"


def _note(text: str) -> str:
    return f"<p class=note>{escape(text)}</p>"


def _percent(fraction: float, spread: float) -> str:
    return plus_minus(100 * fraction, 100 * spread)


def _duration(seconds: float) -> str:
    """Return seconds in a unit that suits their size, with three figures."""
    if pd.isna(seconds) or seconds == 0:
        return NO_VALUE  # of a method that trains nothing, there is no time
    # the limits are where three figures would round up to the next unit
    for limit, factor, unit in ((9.995e-4, 1e6, "µs"), (0.9995, 1e3, "ms"), (99.95, 1, "s")):
        if seconds < limit:
            return f"{seconds * factor:#.3g}".removesuffix(".") + f" {unit}"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
