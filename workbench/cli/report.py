"""`mlw report`: tables and figures of evaluated runs, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import _show
from workbench.cli._options import Baseline, Code, Json
from workbench.cli._progress import progress_bars
from workbench.cli._results import print_summary


def report(
    run: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN...]",
            help="Run folders, or folders of them. If omitted: MLW_OUT, or runs.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    baseline: Baseline = None,
    examples: Annotated[
        int | None,
        typer.Option(
            help="Show this many test tasks of each condition as pictures, with the answers of "
            "each method, and which classes are taken for which."
        ),
    ] = None,
    code: Code = None,
    json: Json = False,
) -> None:
    """Report on runs and their evaluations: a table, and one HTML file with charts."""
    from workbench.commands.report import report as run_report

    with progress_bars() as progress:
        frame = run_report(
            run or None,
            out=out,
            baseline=baseline,
            examples=examples,
            code=code,
            report=progress,
            note=_show.note,
        )
    print_summary(frame, baselines=baseline or (), json=json)
    size = f" ({out.stat().st_size / 1e6:.1f} MB)" if out.is_file() else ""
    _show.note(f"report: {out}{size}")
