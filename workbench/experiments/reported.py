"""Which evaluations of several runs a report shows: of each method the newest, each run once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from workbench.data.opening import fingerprint_today
from workbench.errors import RunError
from workbench.experiments.run import Run
from workbench.experiments.run_files import WEIGHTS
from workbench.experiments.traced import traces_of
from workbench.results.frame import CONDITION, METHOD, RUNS, names_of, typed
from workbench.results.paired import TRAINING, differing_words
from workbench.results.traces import TRACES
from workbench.results.wording import condition_title, enumerated

# what differs between the rows of a trace and of an evaluation of the same run
_OF_A_TASK = ("task", "instance", "support", "accuracy", "loss")


class Reported(NamedTuple):
    """The frames that a report shows."""

    tasks: pd.DataFrame
    curves: pd.DataFrame
    runs: pd.DataFrame
    traces: pd.DataFrame
    named: Mapping[str, Run]  # the runs by the names in these frames


def evaluations_of(runs: Sequence[Run], note: Callable[[str], None]) -> Reported:
    """Return the rows to report, one per test task; of their runs the curves, commands and traces.

    Of a run and its copy, and of a method that was trained twice in the same way, one is taken.
    Of a method whose code, recipe or start has changed, only the newest training is.
    Where runs were evaluated on different numbers of tasks, the tasks that all of them met are
    taken, so that differences are paired.
    The column `run` has the name of the folder, or its path where two folders have one name.

    Args:
        note: told which runs are left out, and why.

    Raises:
        RunError: none of the runs was trained and evaluated.
    """
    named = _named(runs, note)
    frame = _of_one_training(named, _evaluations(named, note), note)
    frame = _newest(named, frame, note)
    frame = _shared_tasks(named, frame, note)
    _tell_changed_images(frame, note)
    names = frame["run"].unique()
    curves = [named[name].curve().assign(run=name) for name in names]
    about = [{**named[name].repeat(), "run": name} for name in names]
    table = typed(pd.DataFrame(about, columns=names_of(RUNS)), RUNS)
    traces = traces_of([named[name] for name in names], note)
    shown = {name: named[name] for name in names}
    return Reported(frame, pd.concat(curves, ignore_index=True), table, _of(traces, frame), shown)


def _of(traces: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the traces of evaluations in a frame, by the same code."""
    shared = [name for name in names_of(TRACES) if name in frame and name not in _OF_A_TASK]
    return traces.merge(frame[shared].drop_duplicates(), on=shared)


def _named(runs: Sequence[Run], note: Callable[[str], None]) -> dict[str, Run]:
    """Return the finished runs by folder name, or by path where two folders have one name.

    They are in the order in which they were trained, which is that of a comparison: so methods have
    the order and the colours that it gave them.

    Raises:
        RunError: a run is damaged or unfinished, and none is left without it.
    """
    names = [run.folder.name for run in runs]
    named = {}
    damaged = []
    for run in sorted(runs, key=lambda run: run.manifest.ended or 0):
        name = run.folder.name
        if names.count(name) > 1:
            name = str(run.folder)
        try:
            run.require_finished()
            run.curve()  # a run with a damaged curve does not stop the report of the others
            named[name] = run
        except RunError as error:
            damaged.append(error)
    if damaged and not named:
        raise damaged[0]
    for reason in damaged:
        note(f"left out: {reason}")
    return named


def _evaluations(runs: Mapping[str, Run], note: Callable[[str], None]) -> pd.DataFrame:
    """Return the evaluations of all runs; say which have none."""
    frames = []
    without = []
    for name, run in runs.items():
        frame = run.evaluations(note)
        if frame.empty:
            without.append(name)
        else:
            frames.append(frame.assign(run=name))
    if without:
        note(f"left out, because not evaluated yet (mlw eval): {', '.join(without)}")
    if not frames:
        raise RunError("None of these runs was trained and evaluated; run: mlw eval RUN")
    return pd.concat(frames, ignore_index=True)


def _ended(run: Run) -> int:
    """Return when the training ended, in nanoseconds since 1970.

    The time of a file stands for it in runs of versions that did not write it down: a copy has
    another.
    """
    return run.manifest.ended or (run.folder / WEIGHTS).stat().st_mtime_ns


def _by_age(runs: Mapping[str, Run]) -> list[str]:
    """Return the names of the runs, the newest first."""
    return sorted(runs, key=lambda name: -_ended(runs[name]))


def _of_one_training(
    runs: Mapping[str, Run], frame: pd.DataFrame, note: Callable[[str], None]
) -> pd.DataFrame:
    """Return of each method the evaluations of runs that were trained as its newest run was.

    The label of a method does not say what it starts from, nor which code trained it. Without
    this, training seeds of an older version would be averaged with those of the newest.
    """
    by_age = _by_age(runs)
    kept: list[pd.DataFrame] = []
    reasons: dict[str, None] = {}  # each once, though there are many conditions
    for _, rows in frame.groupby([*METHOD, *CONDITION], dropna=False, sort=False):
        newest = min(rows["run"].unique(), key=by_age.index)
        of_newest = rows[rows["run"] == newest].head(1)
        columns = list(TRAINING)
        same = (rows[columns] == of_newest[columns].iloc[0]).all(axis=1)
        kept.append(rows[same])
        for name, other in rows[~same].groupby("run", sort=False):
            what = differing_words(pd.concat([of_newest, other.head(1)]))
            reasons[f"{name}, because {newest} is newer, of another {what}"] = None
    for reason in reasons:
        note(f"left out: {reason}")
    return pd.concat(kept).sort_index()


def _newest(
    runs: Mapping[str, Run], frame: pd.DataFrame, note: Callable[[str], None]
) -> pd.DataFrame:
    """Return the evaluations; of a method that was trained twice, those of the newest run."""
    by_age = _by_age(runs)
    age = frame["run"].map({name: number for number, name in enumerate(by_age)})
    same = [*METHOD, *CONDITION, "train_seed"]
    newest = age.groupby([frame[name] for name in same], dropna=False).transform("min")
    older = frame.assign(newer=newest.map(lambda number: by_age[number]))[age != newest]
    for name, newer in older[["run", "newer"]].drop_duplicates().itertuples(index=False):
        reason = f"{newer} is a newer run of the same"
        if runs[name].manifest == runs[newer].manifest:
            reason = f"{newer} is a copy of it"
        note(f"left out: {name}, because {reason}")
    return frame[age == newest]


def _tell_changed_images(frame: pd.DataFrame, note: Callable[[str], None]) -> None:
    """Say which runs were evaluated, or trained, on other images than a data set has today."""
    trained = frame.assign(on=frame["train_sets"].map(" + ".join))  # of several: no spec
    used = {
        "results": frame.groupby(["test_on", "test_fingerprint"], sort=False)["run"],
        "training": trained.groupby(["on", "train_fingerprint"], sort=False)["run"],
    }
    told = set()
    for what, groups in used.items():
        for (named, fingerprint), names in groups:
            label, then = str(named), str(fingerprint)
            now = fingerprint_today(label)
            if now in ("", then) or (label, then) in told:
                continue
            told.add((label, then))
            note(
                f"{label} has other images today than in the {what} of "
                f"{enumerated(names.unique())} (fingerprint {then[:8] or 'unknown'} then, "
                f"{now[:8]} now); for numbers on those of today: mlw eval RUN"
            )


def _shared_tasks(
    runs: Mapping[str, Run], frame: pd.DataFrame, note: Callable[[str], None]
) -> pd.DataFrame:
    """Return of each condition the tasks that all its runs met, if there are any."""
    groups = frame.groupby(list(CONDITION), dropna=False, sort=False)
    kept = []
    for _, rows in groups:
        count = rows["run"].nunique()
        shared = rows.groupby("task")["run"].transform("nunique") == count
        if shared.all() or not shared.any():
            kept.append(rows)
            continue
        title = condition_title(dict(rows.iloc[0]))
        met = rows.groupby("run", sort=False)["task"].nunique()
        shortest = list(met.index[met == met.min()])
        common = rows.loc[shared, "task"].nunique()
        note(
            f"{title}: only the {common:,} tasks that all runs met are compared, because of "
            f"{enumerated(shortest)}; others met up to {met.max():,}. To compare on as many: "
            f"mlw eval {shlex.quote(str(runs[shortest[0]].folder))} --episodes {met.max()}"
        )
        kept.append(rows[shared])
    return pd.concat(kept).sort_index()
