"""`mlw report`: tables and figures of evaluated runs, as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    from workbench.experiments.run import find_runs, readable_runs
    from workbench.experiments.workspace import writable
    from workbench.results.html import html_page

    found = _named(readable_runs(find_runs(run or [Path("runs")]), _show.note))
    evaluated = _evaluations(found)
    frame = _newest(found, evaluated)
    page = html_page(frame, _curves(found, frame), baseline or ())
    with writable(out.absolute().parent):
        out.write_text(page, encoding="utf-8")
    print_summary(frame, baselines=baseline or (), json=json)
    _show.note(f"report: {out}")


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """Return the finished runs by folder name, or by path where two folders have one name."""
    names = [run.folder.name for run in runs]
    named = {}
    for run in runs:
        name = run.folder.name
        if names.count(name) > 1:
            name = str(run.folder)
        if run.finished:
            named[name] = run
    return named


def _evaluations(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return the evaluations of all runs; say which have none."""
    import pandas as pd

    frames = []
    without = []
    for name, run in runs.items():
        frame = run.evaluations(_show.note)
        if frame.empty:
            without.append(name)
        else:
            frames.append(frame.assign(run=name))
    if without:
        _show.note(f"left out, because not evaluated yet (mlw eval): {', '.join(without)}")
    if not frames:
        raise RunError("None of these runs was trained and evaluated; run: mlw eval RUN")
    return pd.concat(frames, ignore_index=True)


def _newest(runs: Mapping[str, Run], frame: pd.DataFrame) -> pd.DataFrame:
    """Return the evaluations; of a method that was trained twice, those of the newest run."""
    from workbench.results.frame import CONDITION, METHOD

    by_age = sorted(runs, key=lambda name: _age(runs[name]))
    age = frame["run"].map({name: number for number, name in enumerate(by_age)})
    same = [*METHOD, *CONDITION, "train_seed"]
    newest = age.groupby([frame[name] for name in same], dropna=False).transform("min")
    older = frame.assign(newer=newest.map(lambda number: by_age[number]))[age != newest]
    for name, newer in older[["run", "newer"]].drop_duplicates().itertuples(index=False):
        reason = f"{newer} is a newer run of the same"
        if runs[name].manifest == runs[newer].manifest:
            reason = f"{newer} is a copy of it"
        _show.note(f"left out: {name}, because {reason}")
    return frame[age == newest]


def _curves(runs: Mapping[str, Run], frame: pd.DataFrame) -> pd.DataFrame:
    """Return the learning curves of the runs that a frame has."""
    import pandas as pd

    curves = [runs[name].curve().assign(run=name) for name in frame["run"].unique()]
    return pd.concat(curves, ignore_index=True)


def _age(run: Run) -> float:
    """Sort the newest first."""
    from workbench.experiments.run import WEIGHTS

    return -(run.folder / WEIGHTS).stat().st_mtime
