"""Train a plan into its run folder.

That is done once: a finished run is read, and an interrupted training resumes from its last saved
state, bit for bit.
"""

from __future__ import annotations

import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from workbench.errors import RunError
from workbench.experiments.build import build_learner
from workbench.experiments.fingerprint import RESULTS_VERSION, run_folder
from workbench.experiments.manifest import RunManifest, TrainingResult, write_manifest
from workbench.experiments.plan import Plan
from workbench.experiments.run import CURVE, WEIGHTS, Run, finished_run
from workbench.experiments.workspace import Workspace, writable
from workbench.learning import augment
from workbench.learning.device import keep_freed_memory
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import Learner, backbones
from workbench.learning.training import StepReport, Training
from workbench.progress import Progress, Report
from workbench.storage import write_file
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData, open_training_data
from workbench.version import __version__

STATE = "state.pt"
SAVE_EVERY = 20.0  # seconds of training that a kill may lose
CURVE_ROWS = 200  # rows of train.csv beside those with a validation


def train_run(plan: Plan, data: TrainingData, workspace: Workspace) -> Run:
    """Train a plan into its run folder, resume an interrupted training, or return a finished run.

    Raises:
        TrainingError: the loss is not a number; what was saved before stays.
        RunError: the folder cannot be written.
    """
    out = workspace.out
    folder = run_folder(plan, data, out)
    with writable(out), FileLock(out / f".{folder.name}.lock"):
        if workspace.fresh and folder.exists():
            shutil.rmtree(folder)
        run = Run(folder)
        if run.finished and run.manifest.result:
            return run
        folder.mkdir(exist_ok=True)
        _train(plan, data, run, workspace)
    return Run(folder)  # what the other object has read is out of date


def _train(plan: Plan, data: TrainingData, run: Run, workspace: Workspace) -> None:
    keep_freed_memory()
    device = workspace.torch_device
    before = _train_first(plan, data, workspace)
    learner = build_learner(plan, data, teachers=before.load_teachers(data, device)).to(device)
    not_initialised = _load_first_weights(learner, before.init)
    training = Training(
        learner,
        _training_source(plan, data, device),
        plan.settings,
        _validation(plan, data, learner, device),
    )
    curve = _Curve(plan.settings.steps)
    _resume(training, curve, run.folder / STATE, device)
    manifest = _manifest(plan, data, learner, before, device)
    write_manifest(run.folder, manifest)
    _steps(training, curve, run.folder, workspace.report, _progress_label(plan))
    if before.init is not None and training.steps_done == 0:
        _refuse_random_weights(plan, learner, before.init, not_initialised)
    result = _result(plan, training, before, not_initialised)
    write_manifest(run.folder, replace(manifest, result=result))
    weights = {name: value.contiguous() for name, value in learner.state_dict().items()}
    # with this file the run is finished
    write_file(run.folder / WEIGHTS, partial(save_file, weights))
    (run.folder / STATE).unlink(missing_ok=True)


def _steps(
    training: Training, curve: _Curve, folder: Path, report: Report | None, label: str
) -> None:
    """Train to the end; save the state every `SAVE_EVERY` seconds."""
    total = training.settings.steps
    saved = time.monotonic()
    detail = _Detail()
    for step in training.steps():
        curve.add(step)
        if report is not None:
            report(Progress(label, step.step, total, "steps", detail.of(step)))
        if time.monotonic() - saved > SAVE_EVERY and step.step < total:
            state = {"training": training.state_dict(), "curve": curve.state_dict()}
            write_file(folder / STATE, partial(torch.save, state))
            write_file(folder / CURVE, curve.write)
            saved = time.monotonic()
    write_file(folder / CURVE, curve.write)


def _resume(training: Training, curve: _Curve, path: Path, device: torch.device) -> None:
    """Continue from the saved state, if there is one."""
    if not path.is_file():
        return
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many; we wrote the file, so it is damaged
        raise RunError(
            f"{path} is damaged ({type(error).__name__}); train again with --fresh"
        ) from error
    training.load_state_dict(state["training"])
    curve.load_state_dict(state["curve"])


def _training_source(plan: Plan, data: TrainingData, device: torch.device) -> Source:
    settings = plan.settings
    return Source(
        data.domains("train"),
        plan.protocol,
        seed=plan.seed,
        stack=settings.stack_size,
        batch_size=settings.batch_size,
        device=device,
        augment=augment.build(settings.augment, data.image_shape),
    )


def _validation(
    plan: Plan, data: TrainingData, learner: Learner, device: torch.device
) -> Callable[[], float] | None:
    """Return what measures accuracy on validation tasks; None without validation classes."""
    if not data.validated_on:
        return None
    source = Source(data.domains("val"), plan.val_protocol, device=device)
    settings = plan.settings

    def validate() -> float:
        result = evaluate(learner, source, settings.validate_tasks, precision=settings.precision)
        return float(result.accuracy.mean())

    return validate


# --- what is trained first


@dataclass(frozen=True)
class _Before:
    """The finished runs that a training builds on."""

    init: Run | None  # whose weights it starts from
    teachers: tuple[Run, ...]

    @property
    def runs(self) -> list[Run]:
        if self.init is None:
            return list(self.teachers)
        return [self.init, *self.teachers]

    @property
    def seconds(self) -> float:
        """Training time of these runs and of those that they build on."""
        total = 0.0
        for run in self.runs:
            if run.manifest.result is not None:
                total += run.manifest.result.all_seconds
        return total

    def load_teachers(self, data: TrainingData, device: torch.device) -> list[Learner]:
        """Return the trained teachers. They learn no more."""
        learners = []
        for run in self.teachers:
            learner = run.learner(_data_of(run.plan, data), device)
            learners.append(learner.requires_grad_(requires_grad=False))
        return learners


def _train_first(plan: Plan, data: TrainingData, workspace: Workspace) -> _Before:
    """Train what a plan builds on, or read it where it is finished.

    Raises:
        RunError: a run folder that the plan names does not exist or is not finished.
    """
    workspace = replace(workspace, fresh=False)
    init = None
    if plan.init:
        init = _first_run(plan.init, data, workspace)
    teachers = [_first_run(teacher, data, workspace) for teacher in plan.teachers]
    return _Before(init, tuple(teachers))


def _first_run(first: Plan | str, data: TrainingData, workspace: Workspace) -> Run:
    if not isinstance(first, Plan):
        return finished_run(first, workspace.out)
    return train_run(first, _data_of(first, data), workspace)


def _data_of(plan: Plan, data: TrainingData) -> TrainingData:
    """Return the training data of a plan. Data sets that are open already are not opened again."""
    by_label = {member.label: member for member in data.members}
    if set(plan.data) <= by_label.keys():
        return TrainingData(tuple(by_label[label] for label in plan.data))
    return open_training_data(plan.data)


def _load_first_weights(learner: Learner, init: Run | None) -> tuple[str, ...]:
    """Load pre-trained weights, or those of a run; return the names of what the run lacks.

    Raises:
        RunError: the run has another backbone.
    """
    if init is None:
        for backbone in backbones(learner):
            backbone.first_weights()
        return ()
    given = load_file(init.folder / WEIGHTS)
    fitting = {}
    missing = []
    for name, own in learner.state_dict().items():
        if name in given and given[name].shape == own.shape:
            fitting[name] = given[name]
        else:
            missing.append(name)
    for name in missing:
        if name.startswith("backbone."):
            raise RunError(
                f"{init.folder.name} has no weights for {name} of this shape; "
                "use the backbone that it was trained with"
            )
    learner.load_state_dict(fitting, strict=False)
    return tuple(missing)


def _refuse_random_weights(
    plan: Plan, learner: Learner, init: Run, not_initialised: tuple[str, ...]
) -> None:
    """Refuse a method that is not trained here and whose start lacks some of its weights."""
    parameters = dict(learner.named_parameters())
    random = sorted(name for name in not_initialised if name in parameters)
    if random:
        raise RunError(
            f"{plan.algorithm} is not trained here, and the run that it starts from, "
            f"{init.folder.name}, leaves {', '.join(random)} at random; "
            "name a start that has these weights: init=RUN_FOLDER"
        )


# --- what is written of a training


class _Curve:
    """The rows of train.csv: those with a validation, and about CURVE_ROWS more."""

    def __init__(self, steps: int):
        self.every = max(1, steps // CURVE_ROWS)
        self.rows: list[list[float | None]] = []
        self.loss_sum = 0.0  # since the last row
        self.losses = 0

    def add(self, step: StepReport) -> None:
        self.loss_sum += step.loss
        self.losses += 1
        if step.step % self.every == 0 or step.val_accuracy is not None:
            mean = self.loss_sum / self.losses
            self.rows.append([step.step, mean, step.lr, step.seconds, step.val_accuracy])
            self.loss_sum = 0.0
            self.losses = 0

    def write(self, path: Path) -> None:
        lines = ["step,loss,lr,seconds,val_accuracy"]
        for row in self.rows:
            cells = ["" if value is None else repr(value) for value in row]
            lines.append(",".join(cells))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "loss_sum": self.loss_sum, "losses": self.losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]
        self.loss_sum = state["loss_sum"]
        self.losses = state["losses"]


class _Detail:
    """The words beside a progress bar: smoothed loss and the last validation."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.validation = ""

    def of(self, step: StepReport) -> str:
        if self.loss is None:
            self.loss = step.loss
        self.loss = 0.95 * self.loss + 0.05 * step.loss
        if step.val_accuracy is not None:
            self.validation = f", validation {100 * step.val_accuracy:.1f}%"
        return f"loss {self.loss:.3f}{self.validation}"


def _manifest(
    plan: Plan, data: TrainingData, learner: Learner, before: _Before, device: torch.device
) -> RunManifest:
    command = ""
    if Path(sys.argv[0]).stem == "mlw":
        command = shlex.join(["mlw", *sys.argv[1:]])
    return RunManifest(
        plan=plan,
        fingerprint=data.fingerprint,
        image_shape=data.image_shape,
        parts=data.parts,
        pretrained_on=_pretrained_on(learner, before),
        parameters=sum(parameter.numel() for parameter in learner.parameters()),
        results_version=RESULTS_VERSION,
        command=command,
        versions={
            "workbench": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        hardware={
            "device": str(device),
            "name": _hardware(device),
            "threads": torch.get_num_threads(),
        },
    )


def _pretrained_on(learner: Learner, before: _Before) -> tuple[str, ...]:
    """Return what its own first weights, and those of the runs before, saw elsewhere."""
    names: set[str] = set()
    for backbone in backbones(learner):
        names.update(backbone.pretrained_on)
    for run in before.runs:
        names.update(run.manifest.pretrained_on)
    return tuple(sorted(names))


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or "cpu"


def _result(
    plan: Plan, training: Training, before: _Before, not_initialised: tuple[str, ...]
) -> TrainingResult:
    kept = "last"
    if plan.settings.keep == "best" and training.best_accuracy is not None:
        kept = "best"
    return TrainingResult(
        steps=training.steps_done,
        seconds=training.seconds,
        seconds_before=before.seconds,
        kept=kept,
        best_step=training.best_step,
        best_val_accuracy=training.best_accuracy,
        not_initialised=not_initialised,
    )


def _progress_label(plan: Plan) -> str:
    label = f"{plan.label} on {plan.data_label}"
    if plan.episodic:
        label += f" {plan.val_ways}-way {plan.val_shots}-shot"
    return label
