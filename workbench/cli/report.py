"""`mlw report`: tables and figures of what was judged, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import _show
from workbench.cli._results import print_summary
from workbench.errors import RunError


def report(
    run: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN...]", help="Run folders, or folders of them; runs, if left out."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("page.html"),
    json: Annotated[bool, typer.Option("--json", help="Print the table for a program to read.")] = False,
) -> None:
    """Report on runs and their evaluations: a table here, and one HTML file with figures."""
    import pandas as pd

    from workbench import page, runs

    found = runs.find(run or [Path("runs")])
    frames = [frame for each in found if not (frame := each.evaluations()).empty]
    if not frames:
        raise RunError(f"None of the {len(found)} runs was judged; type: mlw eval {found[0].folder}")
    frame = pd.concat(frames, ignore_index=True)
    curves = pd.concat([each.curve() for each in found if each.finished], ignore_index=True)
    with runs.writable(out.absolute().parent):
        out.write_text(page.html(frame, curves), encoding="utf-8")
    print_summary(frame, json=json)
    _show.note(f"report: {out}")
