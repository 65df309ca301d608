"""Search the options of a method: each trial is a run, evaluated on validation tasks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.opening import OpenDataset
from workbench.errors import DataError, RunError, TrainingError, UsageError
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.fingerprint import digest
from workbench.experiments.lineage import run_folder
from workbench.experiments.manifest import write_manifest
from workbench.experiments.plan import Plan, TrainingRequest, make_plan
from workbench.experiments.run import TUNING, Run
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace, writable
from workbench.locks import locked
from workbench.plugin.options import Spec, option_text, parse_spec
from workbench.progress import once, say_nothing
from workbench.tasks.settings import EvaluationSettings, EvaluationTasks, evaluation_tasks
from workbench.tasks.splits import TrainingData
from workbench.tuning.schedule import Job, next_job, rungs_of
from workbench.tuning.space import BACKBONE, Axis, in_words, own_space, plain, typed_space
from workbench.tuning.study import Configuration, Journal

HOUR = 3600.0  # seconds
DECIDE_THE_RUNGS = ("steps", "validate_every")


@dataclass(frozen=True)
class Search:
    """What is searched, for how long, and where trials are evaluated."""

    algorithm: str  # a spec: what it says is not varied
    data: TrainingData
    validation: EvaluationTasks  # tasks of the validation classes, drawn as those of the test
    request: TrainingRequest
    over: tuple[str, ...] = ()  # axes as typed; () for the method's own
    trials: int = 30
    hours: float | None = None  # of training and validation, over all calls; None: no limit
    sampler: str = "tpe"
    seed: int = 0


class Searched(NamedTuple):
    """The outcome of a search."""

    folder: Path
    axes: tuple[Axis, ...]
    rungs: tuple[int, ...]  # steps
    configurations: list[Configuration]
    importances: dict[str, float]  # by axis, sum 1; {} if unknown
    best: Configuration
    chosen: Plan
    default: Plan

    @property
    def how(self) -> str:
        """What chose the settings, in words for tables."""
        names = " + ".join(self.chosen.data)
        trials = sum(bool(each.accuracies) for each in self.configurations)
        return f"validation tasks of {names}, {trials} {'trial' if trials == 1 else 'trials'}"


def search(asked: Search, workspace: Workspace) -> Searched:
    """Search until all trials are done or the time is over. A search that was killed goes on.

    The runs of the default and of the best configuration are copied to the other runs, where
    comparisons find them; all are in the folder of the search.

    Raises:
        UsageError, DataError: before anything is trained, if the space or the data do not allow it.
        RunError: the time ends before one trial does, all trials break down, or the journal is
            damaged.
    """
    default = make_plan(asked.algorithm, asked.data, asked.request)
    axes = _space(asked, default)
    folder = workspace.out / TUNING / _name(asked, default, axes)
    with writable(folder.parent), locked(_lock_of(folder), workspace.note):
        if workspace.fresh:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        inside = replace(workspace, out=folder, fresh=False, note=once(workspace.note))
        trials = _Trials(asked, default, Journal(folder, axes), inside)
        trials.run()
    configurations = trials.journal.configurations
    best = _best(configurations, trials.rungs, asked)
    found = Searched(
        folder=folder,
        axes=axes,
        rungs=trials.rungs,
        configurations=configurations,
        importances=trials.journal.importances(),
        best=best,
        chosen=trials.plan(best.values),
        default=default,
    )
    _bring(found, asked.data, workspace)
    return found


class _Trials:
    """The trials of one search."""

    def __init__(self, asked: Search, default: Plan, journal: Journal, workspace: Workspace):
        self.asked = asked
        self.usual = {**asdict(default.settings), **default.options}
        self.journal = journal
        self.rungs = rungs_of(default.settings.steps, default.settings.validate_every)
        self.workspace = workspace
        spent = sum(each.seconds for each in journal.configurations)
        limit = float("inf") if asked.hours is None else asked.hours * HOUR
        self.deadline = time.monotonic() + limit - spent

    def run(self) -> None:
        """Do one job after another."""
        while True:
            reached = [each.accuracies for each in self.journal.configurations]
            job = next_job(reached, self.asked.trials, len(self.rungs))
            if job is None:
                return
            in_time = time.monotonic() < self.deadline
            if in_time and job.number == len(reached):
                self.journal.add(self._next_values(first=not reached))
            if not in_time or not self._do(job):
                self.workspace.note(
                    f"the search stops after {self.asked.hours:g} h; with more --hours it goes on"
                )
                return

    def _next_values(self, first: bool) -> dict[str, Any]:
        """Return the options of a new configuration; the first has the defaults."""
        if first:
            return {}
        return self.journal.propose(self.asked.sampler, self.asked.seed)

    def plan(self, values: Mapping[str, Any]) -> Plan:
        """Return the plan of a configuration."""
        asked = self.asked
        spec = parse_spec(asked.algorithm)
        options = {}
        for name, value in plain(values).items():
            if value != self.usual[name]:  # a spec should be short enough to type
                options[name] = option_text(value)
        backbone = values.get(BACKBONE, asked.request.backbone)
        request = replace(asked.request, backbone=backbone)
        return make_plan(str(Spec(spec.name, {**spec.options, **options})), asked.data, request)

    def _do(self, job: Job) -> bool:
        """Train a configuration to a rung; return whether there was time enough."""
        configuration = self.journal.configurations[job.number]
        began = time.monotonic()
        failed = ""
        label = self.asked.algorithm
        try:
            plan = self.plan(configuration.values)
            label = plan.label
            accuracy = self._accuracy(plan, job.rung)
        except (TrainingError, UsageError, DataError) as error:
            # values that do not go together, that the data do not allow, or that diverge
            if not isinstance(error, TrainingError) and not configuration.values:
                raise  # the defaults are wrong, and so are all others
            accuracy, failed = float("-inf"), str(error)
        if accuracy is None:
            return False
        self.journal.record(job.number, accuracy, time.monotonic() - began, failed)
        self._tell(job, label, accuracy, failed)
        return True

    def _accuracy(self, plan: Plan, rung: int) -> float | None:
        """Return the accuracy on validation tasks at a rung; None where the time is over before."""
        until = self.rungs[rung]

        def pause(steps: int) -> bool:
            return steps >= until or time.monotonic() > self.deadline

        run = train_run(plan, self.asked.data, self.workspace, pause)
        if rung + 1 < len(self.rungs):  # even of a finished run: it may have been proposed before
            curve = run.curve()
            there = curve.loc[curve["step"] == until, "val_accuracy"].dropna()
            if len(there):
                return float(there.iloc[0])
        if not run.finished:
            return None
        # what there is to say of the data, the comparison at the end says once
        quiet = replace(self.workspace, note=say_nothing)
        frame = evaluate_run(run, self.asked.validation, quiet, trained_on=self.asked.data)
        return float(frame.groupby("task")["accuracy"].mean().mean())

    def _tell(self, job: Job, label: str, accuracy: float, failed: str) -> None:
        place = f"[{job.number + 1}/{max(self.asked.trials, job.number + 1)}] {label}"
        if failed:
            self.workspace.note(f"{place} broke down: {failed}")
            return
        after = ""
        if job.rung < len(self.rungs) - 1:
            after = f", paused after {self.rungs[job.rung]:,} of {self.rungs[-1]:,} steps"
        self.workspace.note(f"{place}: {100 * accuracy:.1f}% on validation tasks{after}")


def validation_tasks_for(
    dataset: OpenDataset, settings: EvaluationSettings, episodes: int
) -> EvaluationTasks:
    """Return tasks of the validation classes of a data set, drawn as those of the test.

    They have fewer ways or shots where the validation classes give no more.

    Raises:
        DataError: there are no validation classes, or they give no such tasks.
    """
    data = TrainingData((dataset,))
    if not data.validated_on:
        raise DataError(
            f"{dataset.label} has no validation classes, and only these may choose options; "
            "tune on a data set that has some, see: mlw list datasets"
        )
    wanted = evaluation_tasks(dataset, settings).shape
    shape = data.validation_shape(wanted.ways, wanted.shots)
    on_validation = replace(
        settings,
        split="val",
        ways=shape.ways,
        shots=shape.shots,
        queries=None,
        episodes=episodes,
        calibrate="none",
    )
    return evaluation_tasks(dataset, on_validation)


def _space(asked: Search, default: Plan) -> tuple[Axis, ...]:
    if not asked.over:
        return own_space(default)
    axes = typed_space(default.algorithm, asked.over)
    for axis in axes:
        if axis.name in DECIDE_THE_RUNGS:
            raise UsageError(
                f"{axis.name} decides how far trials are trained before they are compared, so it "
                f"cannot be varied; set it for all: {default.algorithm}:{axis.name}=NUMBER"
            )
        if axis.name in default.typed:
            raise UsageError(f"{axis.name} is set by {default.label} and varied; do one of the two")
    return axes


def _name(asked: Search, default: Plan, axes: Sequence[Axis]) -> str:
    """Return the name of the folder of a search. A longer search has the same."""
    covered = {
        "plan": default.decisive(),
        "data": asked.data.fingerprint,
        "axes": in_words(axes),
        "settings": sorted(asked.request.settings.items()),
        "tasks": repr(asked.validation.settings),
        "sampler": asked.sampler,
        "seed": asked.seed,
    }
    parts = [default.algorithm, asked.data.name, digest(covered)]
    return "-".join(parts).replace("/", "-")


def _best(
    configurations: Sequence[Configuration], rungs: Sequence[int], asked: Search
) -> Configuration:
    """Return the best of those that came to the end. Of equals, the earlier is taken."""
    ended = [
        each for each in configurations if len(each.accuracies) == len(rungs) and not each.failed
    ]
    if ended:
        return max(ended, key=lambda each: each.accuracies[-1])
    failed = [each.failed for each in configurations if each.failed]
    if failed:
        raise RunError(f"No trial came to its end; the first that broke down: {failed[0]}")
    raise RunError(
        f"{asked.hours:g} h are over before one trial came to its end; what was trained is kept: "
        "give more --hours to the same command, and it goes on"
    )


def _bring(found: Searched, data: TrainingData, workspace: Workspace) -> None:
    """Copy the runs of the default and of the best configuration to the others, with a mark."""
    for plan in (found.default, found.chosen):
        here = run_folder(plan, data, found.folder)
        there = run_folder(plan, data, workspace.out)
        with writable(workspace.out), locked(_lock_of(there), workspace.note):
            if here.is_dir() and not (there.is_dir() and Run(there).finished):
                part = there.with_name(f".{there.name}.tuned")
                shutil.rmtree(part, ignore_errors=True)  # of a copy that was stopped
                shutil.copytree(here, part, ignore=shutil.ignore_patterns("eval"))
                shutil.rmtree(there, ignore_errors=True)
                part.rename(there)
            if plan is found.chosen and found.best.values:
                write_manifest(there, replace(Run(there).manifest, tuned=found.how))


def _lock_of(folder: Path) -> Path:
    """Return the file that is locked by who writes into a folder, as by a training."""
    return folder.with_name(f".{folder.name}.lock")
