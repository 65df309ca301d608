"""The whole page: its sections in order, the data for its scripts, and the template."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.results.examples import ShownTasks
from workbench.results.figures import (
    accuracy_figure,
    curves_figure,
    difference_figure,
    has_differences,
)
from workbench.results.grouping import labelled, separations
from workbench.results.heatmap import heatmap_figure
from workbench.results.matrix import is_matrix
from workbench.results.page.answers import answers, trainings_section
from workbench.results.page.charts import Chart, looks
from workbench.results.page.curve_charts import curve_charts, trace_charts
from workbench.results.page.library import own_file, scripts
from workbench.results.page.markup import (
    data_block,
    figure_image,
    heading,
    note,
    paragraph,
    text_list,
)
from workbench.results.page.pictures import colours, confusion_blocks, example_blocks
from workbench.results.page.protocol import protocol_lines, repeat_section
from workbench.results.page.result_charts import accuracy_charts, difference_charts, matrix_charts
from workbench.results.page.results_table import results_table
from workbench.results.page.sure_charts import sure_charts
from workbench.results.page.task_charts import distribution_charts, paired_data
from workbench.results.style import Look, looks_of
from workbench.results.summary import summary
from workbench.results.sureness import has_answers, sureness_figure
from workbench.results.trace_figure import trace_figure
from workbench.results.wording import HOW, departures, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS_SCRIPTS = "<noscript><p class=note>This chart needs scripts.</p></noscript>"


class Body:
    """The sections of the page, and the values of their charts."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.anchors: dict[str, str] = {}  # headings by the name that links lead to
        self.figures: dict[str, list[Chart]] = {}

    def section(self, title: str, anchor: str, *blocks: str) -> None:
        """Add a section that the contents name."""
        self.anchors[anchor] = title
        self.blocks += [heading(title, anchor), *blocks]

    def charts(self, name: str, charts: list[Chart], image: Figure | None, text: str) -> None:
        """Add charts, with a static figure for readers without scripts and for paper."""
        self.figures[name] = charts
        if image is None:
            self.blocks.append(f"<div class=panels data-figure={name}></div>{NEEDS_SCRIPTS}")
            return
        width = " two" if len(charts) % 2 == 0 else ""
        self.blocks.append(f'<div class="panels drawn-too{width}" data-figure={name}></div>')
        self.blocks.append(f"<div class=static>{figure_image(image, text)}</div>")

    def contents(self) -> str:
        links = (f"<a href=#{anchor}>{escape(title)}</a>" for anchor, title in self.anchors.items())
        return f"<nav>{''.join(links)}</nav>"


def html_page(
    frame: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    baseline: Sequence[str] = (),
    runs: pd.DataFrame | None = None,
    traces: pd.DataFrame | None = None,
    examples: ShownTasks | None = None,
) -> str:
    """Return one HTML page that needs no other file: answers, tables, figures and the protocol.

    Args:
        frame: a tasks frame.
        curves: as for `curves_figure`; if omitted, the page has no learning curves.
        baseline: as for `heatmap_figure`, which is shown if there are several data sets.
        runs: a frame with the columns `RUNS`; if omitted, the page does not say how to repeat it.
        traces: as for `trace_figure`; if omitted, the page does not show steps of adapting.
        examples: test tasks to show as pictures; if omitted, the page says how to get them.

    Raises:
        UnknownName, WorkbenchError: as for `summary`.
    """
    apart = separations(frame)
    frame = labelled(frame)
    table = summary(frame, baseline)
    body = Body()
    _results(body, frame, table, apart)
    body.blocks.append("<div id=chips></div>")
    if is_matrix(table):
        body.section("Methods by test data", "matrix")
        words = "Accuracy by method and test data, coloured by the difference to the best baseline."
        body.blocks.append(paragraph(words))
        body.charts("matrix", matrix_charts(table), heatmap_figure(frame, baseline), words)
    _accuracies(body, frame, table)
    _tasks(body, frame)
    if has_answers(frame):
        _sureness(body, frame)
    if curves is not None and len(curves):
        _curves(body, curves, frame)
    if traces is not None and len(traces):
        _traces(body, traces, frame)
    methods = looks_of(table["method"])
    _examples(body, examples, methods)
    body.section("Protocol", "protocol", text_list(protocol_lines(frame, table)))
    if runs is not None:
        body.anchors["repeat"] = "How to repeat"
        body.blocks += repeat_section(frame, runs)
    data = {
        "methods": looks(methods),
        "figures": body.figures,
        "paired": paired_data(frame),
    }
    top = ["<h1>Which method is best, and by how much?</h1>", body.contents()]
    style = own_file("style.css") + colours(methods)
    return _filled([*top, text_list(answers(table)), *body.blocks], data, style)


def _filled(blocks: Sequence[str], data: Any, style: str) -> str:
    library, script, policy = scripts()
    return Template(own_file("template.html")).substitute(
        policy=policy,
        style=style,
        body="\n".join(blocks),
        data=data_block("data", data),
        library=library,
        script=script,
    )


def _results(body: Body, frame: pd.DataFrame, table: pd.DataFrame, apart: Sequence[str]) -> None:
    body.section("Results", "results", results_table(table), note(HOW))
    body.blocks += [note(f"Not compared: {sentence}.") for sentence in apart]
    body.blocks += [note(f"Not as usual: {departure}.") for departure in departures(frame)]
    body.blocks += [note(f"Not the published files: {part}.") for part in parts(frame)]
    body.blocks += trainings_section(frame)


def _accuracies(body: Body, frame: pd.DataFrame, table: pd.DataFrame) -> None:
    words = "Accuracy with 95% intervals, for each method."
    body.section("Accuracy", "accuracy")
    if table["published"].notna().any():
        body.blocks.append(paragraph("Filled: measured. Hollow: published."))
    body.charts("accuracy", accuracy_charts(table), accuracy_figure(frame), words)
    if not has_differences(table):
        return
    body.section(
        "Paired differences to the best method",
        "differences",
        paragraph(
            "Where an interval includes zero, these tasks do not tell the method apart from the "
            "best."
        ),
    )
    words = "Paired differences to the best method, with 95% intervals."
    body.charts("differences", difference_charts(table), difference_figure(frame), words)


def _tasks(body: Body, frame: pd.DataFrame) -> None:
    body.section(
        "Distribution over tasks",
        "distribution",
        paragraph(
            "Half of the tasks are within the thick line, 90% within the thin one; the dots are "
            "the lowest and the highest. Stroke: median. Diamond: mean."
        ),
    )
    body.charts("distribution", distribution_charts(frame), None, "")
    if frame["method"].nunique() > 1:
        body.section(
            "Two methods, task by task",
            "pairs",
            paragraph(
                "A point is a pair of accuracies, as large as it has tasks. Above the dotted line, "
                "the method of the upward axis is better."
            ),
            f"<div id=paired></div>{NEEDS_SCRIPTS}",
        )


def _sureness(body: Body, frame: pd.DataFrame) -> None:
    body.section(
        "How sure the methods are",
        "sureness",
        paragraph(
            "Left: accuracy by confidence, the probability of the answer. On the dotted line a "
            "method is as often right as it says; below it is too sure. Thin lines are after the "
            "temperature, where one was chosen. Right: accuracy where only the surest queries are "
            "answered. Both are of the first 2,000 tasks."
        ),
    )
    words = "Accuracy by confidence, and by share of queries answered."
    body.charts("sureness", sure_charts(frame), sureness_figure(frame), words)


def _curves(body: Body, curves: pd.DataFrame, frame: pd.DataFrame) -> None:
    body.section(
        "Learning curves",
        "curves",
        paragraph(
            "Validation accuracies can be compared within a panel, whose heading says on which "
            "tasks they were measured; these are not the test tasks. Losses often cannot be "
            "compared, because methods define them differently."
        ),
    )
    words = "Validation accuracy and training loss by step."
    body.charts("curves", curve_charts(curves, frame), curves_figure(curves, frame), words)


def _traces(body: Body, traces: pd.DataFrame, frame: pd.DataFrame) -> None:
    tasks = traces.groupby("run")["task"].nunique().max()
    body.section(
        "Inside adaptation",
        "adaptation",
        paragraph(
            f"Means over up to {tasks:,} test tasks after each step of adapting: thick on the "
            "queries, with 95% intervals, and thin on the support. Level lines are of methods "
            "without steps."
        ),
    )
    words = "Accuracy and loss by step of adapting."
    body.charts("adaptation", trace_charts(traces, frame), trace_figure(traces, frame), words)


def _examples(body: Body, shown: ShownTasks | None, methods: dict[str, Look]) -> None:
    if shown is None:
        words = (
            "Pictures of test tasks, and which classes are taken for which, are not on this page. "
            "They take the images and the weights: mlw report --examples 4"
        )
        body.section("Example tasks", "examples", note(words))
        return
    body.section("Example tasks", "examples", *example_blocks(shown, methods))
    if not shown.examples:
        return
    body.section("Which classes are taken for which", "confusion")
    for example in shown.examples:
        body.blocks += confusion_blocks(example)
