"""What a run is made of: its plan, its data, the code, and the runs that it builds on.

Some of these are trained first, as its plan says; others are run folders that it names.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.experiments.fingerprint import RESULTS_VERSION, digest, source_checksums
from workbench.experiments.plan import Plan
from workbench.experiments.run import Run
from workbench.experiments.run_files import WEIGHTS

if TYPE_CHECKING:
    from workbench.tasks.splits import TrainingData


def run_folder(plan: Plan, data: TrainingData, out: Path) -> Path:
    """Return where the run of a plan is or will be. Raises `RunError` as `named_runs` does."""
    parts = [plan.algorithm, data.name]
    if plan.episodic:
        parts.append(f"{plan.validation.ways}w{plan.validation.shots}s")
    parts.append(_digest_of(plan, data, out))
    return out / "-".join(parts).replace("/", "-")


def training_digest(plan: Plan, data: TrainingData, out: Path) -> str:
    """Return a checksum of all that decides a training but its seed: plan, data, code and starts.

    What is trained first has the seed of the plan, so each training seed has a start of its own:
    it is covered by its plan and code. A start that is named is one run for all seeds: it is
    covered by its weights.

    Raises:
        RunError: as `named_runs`.
    """
    return _digest_of(plan.without_seed(), data, out)


def _digest_of(plan: Plan, data: TrainingData, out: Path) -> str:
    covered: dict[str, Any] = {
        "plan": plan.decisive(),
        "data": data.fingerprint,
        "sources": source_checksums(plan),
        "results": RESULTS_VERSION,
    }
    starts = starts_of(plan, out)
    if starts:  # a folder of the same name may hold other weights
        covered["starts"] = starts
    return digest(covered)


def starts_of(plan: Plan, out: Path) -> tuple[str, ...]:
    """Return the checksums of the weights of the runs that `named_runs` gives, which may raise."""
    return tuple(run.manifest.checksums.get(WEIGHTS, "") for run in named_runs(plan, out))


def finished_run(name: str, out: Path) -> Run:
    """Return the finished run that `init=` or `teachers=` names, in `out` or by its path.

    Raises:
        RunError: it does not exist, or is not finished.
    """
    folder = folder_named(name, out)
    if folder is None:
        place = name if os.sep in name else str(out / name)
        raise RunError(
            f"{place} is not a finished run: there is no such folder; name another, or bring it "
            f"back if it was moved: mv WHERE_IT_IS {shlex.quote(place)}"
        )
    run = Run(folder)
    if not run.finished:
        raise RunError(
            f"{folder} is not a finished run, so no training can start from it; name another; "
            f"it {run.unfinished}"
        )
    return run


def folder_named(name: str, out: Path) -> Path | None:
    """Return the folder with a name, in `out` or by its path; None if there is none."""
    for folder in (out / name, Path(name)):
        with suppress(OSError, ValueError):  # no path can have that name
            if folder.is_dir():
                return folder
    return None


def named_runs(plan: Plan, out: Path, above: tuple[Path, ...] = ()) -> Iterator[Run]:
    """Iterate over the run folders that a plan, and all that it builds on, names.

    Args:
        above: the run folders that led to this plan.

    Raises:
        RunError: a run builds on itself.
    """
    for first in (plan.init, *plan.teachers):
        if isinstance(first, Plan):
            yield from named_runs(first, out, above)
        elif first:
            run = finished_run(first, out)
            place = run.folder.resolve()
            if place in above:
                raise RunError(
                    f"{run.folder} says that it builds on itself, so its run.toml is not as it was "
                    "written; train again with --fresh"
                )
            yield run
            yield from named_runs(run.plan, out, (*above, place))


def learned_from(plan: Plan, out: Path) -> set[str]:
    """Return the specs of all data sets that a plan, and all that it builds on, learns from."""
    labels = _planned_data(plan)
    for run in named_runs(plan, out):
        labels |= _planned_data(run.plan)
    return labels


def _planned_data(plan: Plan) -> set[str]:
    """Return the data sets of a plan and of the plans that are trained first."""
    labels = set(plan.data)
    for first in (plan.init, *plan.teachers):
        if isinstance(first, Plan):
            labels |= _planned_data(first)
    return labels
