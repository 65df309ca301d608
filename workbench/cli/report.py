"""`mlw report`: tables and figures of evaluated runs, as one HTML file."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _show
from workbench.cli._options import Baseline, Json
from workbench.cli._results import print_summary
from workbench.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.experiments.run import Run


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
    import pandas as pd

    from workbench.experiments.run import find_runs, readable_runs
    from workbench.experiments.workspace import writable
    from workbench.results.html import html_page

    found = readable_runs(find_runs(run or [Path("runs")]), _show.note)
    evaluations = {each: each.evaluations() for each in found if each.finished}
    frame = _newest(evaluations)
    reported = set(frame["run"])
    _note_left_out(evaluations, reported)
    curves = [each.curve() for each in evaluations if each.folder.name in reported]
    page = html_page(frame, pd.concat(curves, ignore_index=True), baseline or ())
    with writable(out.absolute().parent):
        out.write_text(page, encoding="utf-8")
    print_summary(frame, baselines=baseline or (), json=json)
    _show.note(f"report: {out}")


def _note_left_out(evaluations: Mapping[Run, pd.DataFrame], reported: Container[str]) -> None:
    """Say which runs the report leaves out, and why."""
    older = []
    not_evaluated = []
    for run, frame in evaluations.items():
        if frame.empty:
            not_evaluated.append(run.folder.name)
        elif run.folder.name not in reported:
            older.append(run.folder.name)
    if older:
        _show.note(f"left out, because newer runs of the same exist: {', '.join(older)}")
    if not_evaluated:
        _show.note(f"left out, because not evaluated yet (mlw eval): {', '.join(not_evaluated)}")


def _newest(evaluations: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    """Return all evaluations; of a method that was trained twice, those of the newest run."""
    import pandas as pd

    from workbench.results.frame import CONDITION, METHOD

    frames = []
    for run in sorted(evaluations, key=_age):
        if len(evaluations[run]):
            frames.append(evaluations[run])
    if not frames:
        raise RunError("None of these runs was trained and evaluated; run: mlw eval RUN")
    frame = pd.concat(frames, ignore_index=True)
    same = frame.groupby([*METHOD, *CONDITION, "train_seed"], dropna=False)
    return frame[frame["run"] == same["run"].transform("first")]


def _age(run: Run) -> float:
    """Sort the newest first."""
    from workbench.experiments.run import WEIGHTS

    return -(run.folder / WEIGHTS).stat().st_mtime
