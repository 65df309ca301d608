"""`mlw report`: tables and figures of evaluated runs, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import _show
from workbench.cli._options import Baseline, Json
from workbench.cli._results import print_summary


def report(
    run: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN...]", help="Run folders, or folders of them. If omitted: runs."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    baseline: Baseline = None,
    json: Json = False,
) -> None:
    """Report on runs and their evaluations: a table, and one HTML file with figures."""
    from workbench.experiments.reported import evaluations_of
    from workbench.experiments.run import find_runs, readable_runs
    from workbench.experiments.workspace import writable
    from workbench.results.html import html_page

    found = readable_runs(find_runs(run or [Path("runs")]), _show.note)
    frame, curves = evaluations_of(found, _show.note)
    page = html_page(frame, curves, baseline or ())
    with writable(out.absolute().parent):
        out.write_text(page, encoding="utf-8")
    print_summary(frame, baselines=baseline or (), json=json)
    _show.note(f"report: {out}")
