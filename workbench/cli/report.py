"""`mlw report`: tables and figures of what was judged, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli._results import print_summary
from workbench.cli._show import note
from workbench.cli.compare import BASELINE_HELP
from workbench.errors import RunError

if TYPE_CHECKING:
    from workbench.experiments.run import Run


def report(
    run: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN...]", help="Run folders, or folders of them; runs, if left out."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    baseline: Annotated[list[str] | None, typer.Option(help=BASELINE_HELP)] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the table for a program to read.")
    ] = False,
) -> None:
    """Report on runs and their evaluations: a table here, and one HTML file with figures."""
    import pandas as pd

    from workbench.experiments.run import find_runs, writable
    from workbench.results.frame import CONDITION, METHOD
    from workbench.results.html import html_page

    found = [each for each in find_runs(run or [Path("runs")]) if each.finished]
    frames = {each.folder.name: each.evaluations() for each in sorted(found, key=_age)}
    if not any(len(frame) for frame in frames.values()):
        raise RunError("No run there was trained and judged; type: mlw eval RUN")
    frame = pd.concat(frames.values(), ignore_index=True)
    # one method trained twice, with other settings say: the newest run speaks for it
    newest = frame.groupby([*METHOD, *CONDITION, "train_seed"])["run"].transform("first")
    frame = frame[frame["run"] == newest]
    if older := sorted(set(frames) - set(frame["run"])):
        note(f"left out, for there are newer runs of the same, or not judged: {', '.join(older)}")
    curves = pd.concat(
        [each.curve() for each in found if each.folder.name in set(frame["run"])], ignore_index=True
    )
    with writable(out.absolute().parent):
        out.write_text(html_page(frame, curves, baseline or ()), encoding="utf-8")
    print_summary(frame, json=json)
    note(f"report: {out}")


def _age(run: Run) -> float:
    """Sorts the newest first."""
    return -(run.folder / "weights.safetensors").stat().st_mtime
