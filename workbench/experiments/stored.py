"""The runs in a folder as `mlw runs` lists them, damaged ones too, and their removal.

Neither imports torch.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import RunError
from workbench.experiments.lineage import folder_named
from workbench.experiments.manifest import MANIFEST, RunManifest
from workbench.experiments.plan import Plan
from workbench.experiments.run import COMPARISONS, CURVE, EVALUATIONS, TUNING, Run, find_runs
from workbench.experiments.run_files import WEIGHTS, delete_run, lock_of
from workbench.locks import locked_now
from workbench.storage import PARTS

STATE = "state.pt"  # where an unfinished training stands
_OF_A_RUN = (MANIFEST, CURVE, WEIGHTS, STATE)


@dataclass(frozen=True)
class StoredRun:
    """A run folder, and what is known of it."""

    folder: Path
    manifest: RunManifest | None  # None if it cannot be read
    state: str  # "finished", "unfinished" or "damaged"
    reason: str  # why it is damaged
    steps: int  # of the training so far
    evaluations: int  # files
    size: int  # bytes, of all files
    changed: float  # when its training ended, or it was last written; seconds since 1970

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def plan(self) -> Plan | None:
        return None if self.manifest is None else self.manifest.plan

    @property
    def label(self) -> str:
        return "" if self.plan is None else self.plan.label

    @property
    def train_on(self) -> str:
        return "" if self.plan is None else self.plan.data_label


def stored_runs(places: Iterable[Path]) -> list[StoredRun]:
    """Return all runs in folders, the newest first; each folder is a run, or holds runs.

    Raises:
        RunError: there is no such folder, or it cannot be read.
    """
    folders: dict[Path, Path] = {}
    for place in places:
        try:
            inside = _run_folders(place)
        except OSError as error:
            raise RunError(f"{place} cannot be read: {error.strerror or error}") from error
        for folder in inside:
            folders.setdefault(folder.resolve(), folder)
    found = [_stored(folder) for folder in folders.values()]
    return sorted(found, key=lambda run: -run.changed)


def _run_folders(place: Path) -> list[Path]:
    if _has_run_files(place):
        return [place]
    if not place.is_dir():
        find_runs([place])  # raises, and says what there is in its place
    inside = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    return [
        path for path in inside if path.name not in (COMPARISONS, TUNING) and _has_run_files(path)
    ]


def _has_run_files(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _OF_A_RUN)


def _stored(folder: Path) -> StoredRun:
    run = Run(folder)
    manifest = None
    state, reason = "unfinished", ""
    try:
        manifest = run.manifest
        if run.finished:
            state = "finished"
        elif manifest.result is not None:
            state, reason = "damaged", f"{folder} {run.unfinished}"
    except (RunError, OSError) as error:
        state, reason = "damaged", str(error)
    changed = _changed(folder)
    if manifest is not None and manifest.ended is not None:
        changed = manifest.ended / 1e9
    files = [path for path in folder.rglob("*") if path.is_file()]
    return StoredRun(
        folder=folder,
        manifest=manifest,
        state=state,
        reason=reason,
        steps=_steps(run, manifest),
        evaluations=len(list((folder / EVALUATIONS).glob("*.parquet"))),
        size=sum(_size(path) for path in files),
        changed=changed,
    )


def _size(path: Path) -> int:
    with suppress(OSError):  # a training that goes on renames its files
        return path.stat().st_size
    return 0


def _changed(folder: Path) -> float:
    times = []
    for path in (folder, *(folder / name for name in _OF_A_RUN)):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times, default=0.0)


def _steps(run: Run, manifest: RunManifest | None) -> int:
    """Return the steps of a training so far: of one that goes on, up to its last saved state."""
    if manifest is not None and manifest.result is not None:
        return manifest.result.steps
    with suppress(OSError, ValueError, KeyError, TypeError):
        with (run.folder / CURVE).open(encoding="utf-8", newline="") as file:
            steps = [int(row["step"]) for row in csv.DictReader(file)]
        return max(steps, default=0)
    return 0


# --- removal


@dataclass(frozen=True)
class Refusal:
    """A run that is not removed, and why."""

    run: StoredRun
    reason: str


def refusals(chosen: Sequence[StoredRun]) -> list[Refusal]:
    """Return which of the runs must stay: others need them, or they are more than runs."""
    found = []
    leaving = {run.folder.resolve() for run in chosen}
    for run in chosen:
        reason = _more_than_a_run(run)
        staying = [other for other in users_of(run) if other.folder.resolve() not in leaving]
        if not reason and staying:
            names = ", ".join(other.name for other in staying)
            reason = f"{names} starts from it or learns from it, and cannot be evaluated without it"
        if reason:
            found.append(Refusal(run, reason))
    return found


def _more_than_a_run(run: StoredRun) -> str:
    if run.folder.is_symlink():
        return "it is a link to another folder"
    if run.manifest is not None:
        return ""
    known = {*_OF_A_RUN, EVALUATIONS}
    parts = {path.name for path in run.folder.glob(PARTS)}
    others = sorted({path.name for path in run.folder.iterdir()} - known - parts)
    if others:
        return f"its {MANIFEST} cannot be read, and it holds what no run has: {', '.join(others)}"
    return ""


def users_of(run: StoredRun) -> list[StoredRun]:
    """Return the runs beside one that name its folder in `init=` or `teachers=`."""
    return [other for other in _beside(run) if run.folder.resolve() in _named_by(other)]


def trained_again_for(run: StoredRun) -> list[StoredRun]:
    """Return the runs beside one whose methods train it first, and find it there."""
    found = []
    for other in _beside(run):
        if run.plan is not None and other.plan is not None:
            firsts = (other.plan.init, *other.plan.teachers)
            if any(first == run.plan for first in firsts if isinstance(first, Plan)):
                found.append(other)
    return found


def _beside(run: StoredRun) -> list[StoredRun]:
    others = _run_folders(run.folder.absolute().parent)
    own = run.folder.resolve()
    return [_stored(folder) for folder in others if folder.resolve() != own]


def _named_by(run: StoredRun) -> Iterator[Path]:
    if run.plan is None:
        return
    for first in (run.plan.init, *run.plan.teachers):
        if isinstance(first, str) and first:
            folder = folder_named(first, run.folder.absolute().parent)
            if folder is not None:
                yield folder.resolve()


def remove_run(run: StoredRun) -> str:
    """Delete a run folder; return why it was kept, or "" if it is gone.

    A run that another process trains at this moment is kept.
    """
    try:
        with locked_now(lock_of(run.folder)) as holder:
            if holder:
                return f"it is in use by {holder}"
            delete_run(run.folder)
    except OSError as error:
        return f"{error.filename or run.folder} cannot be deleted: {error.strerror or error}"
    return ""
