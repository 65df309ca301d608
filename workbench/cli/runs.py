"""`mlw runs`: list, filter, export and remove runs."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import Json, flat
from workbench.environment import out_folder
from workbench.errors import RunError, UsageError
from workbench.plugin.options import parse_spec

if TYPE_CHECKING:
    from workbench.experiments.plan import Plan
    from workbench.experiments.stored import StoredRun

STATES = ("finished", "unfinished", "damaged")
COLUMNS = (
    "run",
    "folder",
    "label",
    "algorithm",
    "backbone",
    "train_on",
    "seed",
    "state",
    "reason",
    "steps",
    "steps_planned",
    "evaluations",
    "bytes",
    "changed",
)
UNITS = (("day", 86400), ("h", 3600), ("min", 60))


@dataclass
class FilterOptions:
    """Which runs."""

    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            help="Only runs of these: maml, or with options: maml:inner_steps=5.",
            autocompletion=_complete.algorithms,
        ),
    ] = None
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="Only runs trained on these.",
            autocompletion=_complete.datasets,
        ),
    ] = None
    state: Annotated[
        str,
        typer.Option(
            help=f"Only those that are {', '.join(STATES)}.",
            autocompletion=_complete.one_of(*STATES),
        ),
    ] = ""

    def __post_init__(self) -> None:
        if self.state and self.state not in STATES:
            raise UsageError(f"--state is {', '.join(STATES)}, not {self.state!r}")

    def __bool__(self) -> bool:
        return bool(self.algorithm or self.on or self.state)

    def takes(self, run: StoredRun) -> bool:
        """Return whether a run passes all filters that were given."""
        if self.state not in ("", run.state):
            return False
        plan = run.plan
        if plan is None:
            return not (self.algorithm or self.on)
        wanted = self.algorithm or [plan.algorithm]
        if not any(_is_of(plan, text) for text in wanted):
            return False
        data = {*plan.data, *(label.partition(":")[0] for label in plan.data)}
        return not self.on or not data.isdisjoint(self.on)


def _is_of(plan: Plan, text: str) -> bool:
    """Return whether a plan is of an algorithm, with at least these options."""
    spec = parse_spec(text)
    return spec.name == plan.algorithm and all(
        _same(plan.typed.get(key, ""), value) for key, value in spec.options.items()
    )


def _same(one: str, other: str) -> bool:
    with suppress(ValueError):  # these are no numbers
        return float(one) == float(other)
    return one == other


@flat
def runs(
    run: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN...]",
            help="Run folders, or folders of them. If omitted: MLW_OUT, or runs.",
        ),
    ] = None,
    *,
    only: FilterOptions,
    json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove these runs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """List runs, the newest first; print them as JSON or CSV, or remove them.

    Runs that another process trains, or that other runs start from, are not removed.
    """
    if remove and not (run or only):
        raise UsageError(
            "say which runs: mlw runs RUN... --remove, or a filter: mlw runs --state damaged "
            "--remove"
        )
    if yes and not remove:
        raise UsageError("--yes is for --remove")
    found = [each for each in _found(run or []) if only.takes(each)]
    if remove:
        _remove(found, ask=not yes)
    elif json:
        _show.as_json([_row(each) for each in found])
    elif as_csv:
        _print_csv(found)
    else:
        _print(found)


def _found(places: list[Path]) -> list[StoredRun]:
    from workbench.experiments.stored import stored_runs

    if places:
        return stored_runs(places)
    usual = out_folder()
    return stored_runs([usual]) if usual.is_dir() else []


def _row(run: StoredRun) -> dict[str, Any]:
    plan = run.plan
    values = (
        run.name,
        str(run.folder),
        run.label,
        "" if plan is None else plan.algorithm,
        "" if plan is None else plan.backbone,
        run.train_on,
        None if plan is None else plan.seed,
        run.state,
        run.reason,
        run.steps,
        None if plan is None else plan.settings.steps,
        run.evaluations,
        run.size,
        datetime.fromtimestamp(run.changed, UTC).isoformat(timespec="seconds"),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _print_csv(found: Sequence[StoredRun]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(each) for each in found)


def _print(found: Sequence[StoredRun]) -> None:
    if not found:
        _show.note("no such runs; make one with: mlw train protonet")
        return
    left = ("run", "method", "trained on", "state")
    right = ("steps", "evaluations", "size", "age")
    columns = {**dict.fromkeys(left, "left"), **dict.fromkeys(right, "right")}
    rows = []
    for each in found:
        steps = f"{each.steps:,}"
        if each.state == "unfinished" and each.plan is not None:
            steps = f"{each.steps:,} of {each.plan.settings.steps:,}"
        rows.append(
            [
                each.name,
                each.label,
                each.train_on,
                each.state,
                steps,
                str(each.evaluations),
                _megabytes(each.size),
                _age(time.time() - each.changed),
            ]
        )
    _show.table(f"{_count(found)}, {_megabytes(sum(each.size for each in found))}", columns, rows)
    for each in found:
        if each.reason:
            _show.note(f"damaged: {each.reason}")


def _count(found: Sequence[StoredRun]) -> str:
    return "1 run" if len(found) == 1 else f"{len(found)} runs"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _age(seconds: float) -> str:
    for unit, length in UNITS:
        count = int(seconds // length)
        if count:
            plural = "s" if unit == "day" and count > 1 else ""
            return f"{count} {unit}{plural}"
    return "now"


def _remove(chosen: list[StoredRun], *, ask: bool) -> None:
    """Remove runs, except those that must stay.

    Raises:
        RunError: at the end, if some were kept.
    """
    from workbench.experiments.stored import refusals, remove_run, trained_again_for

    refused = refusals(chosen)
    kept = {each.run.folder: each.reason for each in refused}
    leaving = [each for each in chosen if each.folder not in kept]
    if not chosen:
        _show.note("no such runs")
    for each in leaving:
        users = trained_again_for(each)
        if users:
            names = ", ".join(user.name for user in users)
            _show.error(f"{each.name} was trained first for {names}; these keep their results")
    if leaving and (not ask or _confirmed(leaving)):
        for each in leaving:
            reason = remove_run(each)
            if reason:
                kept[each.folder] = reason
            else:
                _show.out(str(each.folder))
    if kept:
        raise RunError(_told(kept.items()))


def _confirmed(leaving: Sequence[StoredRun]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"nobody can be asked whether to remove {_count(leaving)}; add --yes to remove"
        )
    for each in leaving:
        _show.error(f"  {each.folder}: {each.state}, {_megabytes(each.size)}")
    sys.stderr.write(f"Remove {_count(leaving)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _told(kept: Iterable[tuple[Path, str]]) -> str:
    return "; ".join(f"{folder} is kept: {reason}" for folder, reason in kept)
