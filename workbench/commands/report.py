"""`mlw report` as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.commands.arguments import checked
from workbench.commands.keywords import Code, Names, Place
from workbench.environment import out_folder
from workbench.experiments.reported import Reported, evaluations_of
from workbench.experiments.run import find_runs, readable_runs
from workbench.experiments.workspace import Workspace, writable
from workbench.progress import Report, say_nothing
from workbench.results.examples import ShownTasks
from workbench.results.page.whole import html_page
from workbench.storage import refuse_to_replace, write_file

if TYPE_CHECKING:
    import pandas as pd

KNOWN = ("runs", "out", "baseline", "examples", "code", "report", "note")


def report(
    runs: Names | None = None,
    *,
    out: Place = "report.html",
    baseline: Names | None = None,
    examples: int | None = None,
    code: Code | None = None,
    report: Report | None = None,
    note: Callable[[str], None] = say_nothing,
) -> pd.DataFrame:
    """Write a page with tables and figures of evaluated runs; return its rows, one per test task.

    >>> frame = mlw.report("runs", out="report.html")

    Args:
        runs: run folders, folders of them, or what `train` returned; one or several. If
            omitted: the folder of runs, `MLW_OUT` or `runs`.
        out: the HTML file to write.
        baseline: baselines, by algorithm or label; each column of the heat map is compared with the
            best of them. If omitted, see `workbench.results.baselines.baselines`.
        examples: how many test tasks of each condition to show as pictures, with the answers of
            each method. Methods adapt to up to 100 tasks again, so data sets and weights must be
            at hand; the page says why a task is not shown. If omitted, none.
        code: classes, or files with classes, that runs of own code were made of, for `examples`.
        report: shows the progress of that.
        note: told what is left out, a line at a time.

    Raises:
        RunError: there are no runs, none is trained and evaluated, or the page cannot be written.
    """
    place = out_folder() if runs is None else runs
    named = {
        "runs": place,
        "out": out,
        "baseline": baseline,
        "examples": examples,
        "code": code,
        "report": report,
        "note": note,
    }
    given = checked(named, KNOWN, needed="runs")
    tell = given.get("note", say_nothing)
    found = readable_runs(find_runs(given["runs"]), tell)
    shown = evaluations_of(found, tell)
    page = html_page(
        shown.tasks,
        shown.curves,
        given.get("baseline", ()),
        shown.runs,
        shown.traces,
        _examples(shown, given),
    )
    file = given.get("out", Path("report.html"))
    with writable(file.absolute().parent):
        _write(file, page)
    return shown.tasks


def _examples(shown: Reported, given: Mapping[str, Any]) -> ShownTasks | None:
    """Return the tasks to show as pictures; only these need torch."""
    if "examples" not in given:
        return None
    from workbench.experiments.examples import shown_tasks

    told = Workspace(report=given.get("report"), note=given.get("note", say_nothing))
    return shown_tasks(shown.named, shown.tasks, given["examples"], told)


def _write(place: Path, page: str) -> None:
    """Write the page whole or not at all; into what is no file, such as /dev/stdout, at once."""
    if place.exists() and not place.is_file():
        place.write_text(page, encoding="utf-8")
        return
    refuse_to_replace(place, page)
    write_file(place.resolve(), lambda part: part.write_text(page, encoding="utf-8"))
