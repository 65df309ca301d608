"""Train a plan into its run folder.

That is done once: a finished run is read, and an interrupted training resumes from its last saved
state, bit for bit.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from workbench.errors import RunError
from workbench.experiments.build import build_learner
from workbench.experiments.curve import CurveWriter, ProgressText
from workbench.experiments.earlier_runs import (
    EarlierRuns,
    data_of,
    load_first_weights,
    pretrained_on,
    refuse_random_weights,
)
from workbench.experiments.fingerprint import RESULTS_VERSION, changed_since, plugin_versions
from workbench.experiments.lineage import (
    finished_run,
    learned_from,
    run_folder,
    starts_of,
    training_digest,
)
from workbench.experiments.manifest import MANIFEST, RunManifest, TrainingResult, write_manifest
from workbench.experiments.plan import Plan
from workbench.experiments.provenance import command, hardware, versions
from workbench.experiments.run import CURVE, Run
from workbench.experiments.run_files import WEIGHTS, delete_run, lock_of
from workbench.experiments.tracked import tracked_run
from workbench.experiments.tracking import Followed
from workbench.experiments.workspace import Workspace, writable
from workbench.learning import augment
from workbench.learning.device import keep_freed_memory
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import Learner
from workbench.learning.training import StepReport, Training
from workbench.locks import locked
from workbench.plugin.registry import NOT_INSTALLED
from workbench.progress import Progress, Report, teller
from workbench.storage import file_checksum, remove_parts, write_file
from workbench.tasks.leaks import tell_validation_leak
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData

STATE = "state.pt"
CHECKSUM_BYTES = 32  # of SHA-256, at the end of state.pt
SAVE_EVERY = 20.0  # seconds of training that a kill may lose

Pause = Callable[[int], bool]
"""Whether a training stops after so many steps, to be resumed another time."""


def never(_steps: int) -> bool:
    """Train to the end."""
    return False


def train_run(plan: Plan, data: TrainingData, workspace: Workspace, pause: Pause = never) -> Run:
    """Train a plan into its run folder, resume an interrupted training, or return a finished run.

    Args:
        pause: whether to stop after so many steps; the run is then left to be resumed.

    Raises:
        TrainingError: the loss is not a number; what was saved before stays.
        RunError: the folder cannot be written.
    """
    out = workspace.out
    for path in changed_since(plan):
        workspace.note(
            f"{path} changed after it was loaded: {plan.label} is computed with the code as it was"
            " then; run the same command again to compute with the new code"
        )
    tell_validation_leak(data, learned_from(plan, out), workspace.note)
    _ = workspace.torch_device  # an unknown device is refused before anything is written
    folder = run_folder(plan, data, out)
    if not workspace.fresh and is_finished(folder):  # it may lie where no lock can
        workspace.tracking.leave_old_work(folder)
    else:
        with writable(out), locked(lock_of(folder), workspace.note):
            remove_parts(folder)
            if workspace.fresh:
                delete_run(folder)
            if not is_finished(folder):
                _tell_own_code(plan, workspace.note)
                _train(plan, data, Run(folder), workspace, pause)
    run = Run(folder)
    if run.manifest.result is not None:
        for note in run.manifest.result.notes:
            workspace.note(f"{plan.label}: {note}")
    return run


def _tell_own_code(plan: Plan, note: Callable[[str], None]) -> None:
    """Say which of its code no plugin has, as another machine will not have it."""
    for origin, version in plugin_versions(plan).items():
        if version == NOT_INSTALLED:
            note(
                f"{plan.label} is made of own code or data ({origin}); the run is kept under a "
                "checksum of it, and another process must be given it again"
            )


def is_finished(folder: Path) -> bool:
    """Return whether a folder is that of a finished run."""
    return (folder / MANIFEST).is_file() and Run(folder).finished


def _train(plan: Plan, data: TrainingData, run: Run, workspace: Workspace, pause: Pause) -> None:
    device = workspace.torch_device
    keep_freed_memory()
    before = _train_earlier(plan, data, workspace)
    learner = build_learner(plan, data, teachers=before.load_teachers(data, device)).to(device)
    not_initialised = load_first_weights(learner, before.init)
    training = Training(
        learner,
        _training_source(plan, data, device),
        plan.settings,
        _validation(plan, data, learner, workspace),
    )
    curve = CurveWriter(plan.settings.steps)
    _resume(training, curve, run.folder / STATE, device)
    manifest = replace(
        _manifest(plan, data, learner, before, device),
        training=training_digest(plan, data, workspace.out),
        starts=starts_of(plan, workspace.out),
    )
    run.folder.mkdir(exist_ok=True)
    write_manifest(run.folder, manifest)
    tell = _step_teller(workspace.report, progress_label(plan), plan.settings.steps)
    tracked = tracked_run(run.folder, manifest, training.steps_done)
    with workspace.tracking.following(tracked) as followed:
        ended = _steps(training, curve, run.folder, tell, pause, followed)
        followed.paused = not ended
    if not ended:
        return
    if before.init is not None and training.steps_done == 0:
        refuse_random_weights(plan, learner, before.init, not_initialised)
    result = _result(plan, training, curve, before, not_initialised)
    result = replace(result, notes=tuple(learner.notes()))
    weights = {name: value.contiguous() for name, value in learner.state_dict().items()}
    content = save(weights)  # safetensors' own writing turns a full disk into its own error
    write_file(run.folder / WEIGHTS, lambda part: part.write_bytes(content))
    checksums = {name: file_checksum(run.folder / name) for name in (WEIGHTS, CURVE)}
    # with the result in its manifest the run is finished
    done = replace(manifest, result=result, checksums=checksums, ended=time.time_ns())
    write_manifest(run.folder, done)
    (run.folder / STATE).unlink(missing_ok=True)


def _steps(
    training: Training,
    curve: CurveWriter,
    folder: Path,
    tell: Callable[[StepReport], None],
    pause: Pause,
    followed: Followed,
) -> bool:
    """Train to the end, or to a pause; save the state every `SAVE_EVERY` seconds.

    Returns:
        Whether the training came to its end.
    """
    total = training.settings.steps
    if training.steps_done < total and pause(training.steps_done):
        write_file(folder / CURVE, curve.write)  # a kill may have come between it and the state
        return False
    saved = time.monotonic()
    for step in training.steps():
        if curve.add(step):
            followed.record(step.step, curve.last_row)
        tell(step)
        paused = step.step < total and pause(step.step)
        late = time.monotonic() - saved > SAVE_EVERY and step.step < total
        if paused or late:
            state = {"training": training.state_dict(), "curve": curve.state_dict()}
            write_file(folder / STATE, partial(_save_state, state))
            write_file(folder / CURVE, curve.write)
            saved = time.monotonic()
        if paused:
            return False
    write_file(folder / CURVE, curve.write)
    return True


def _step_teller(report: Report | None, label: str, total: int) -> Callable[[StepReport], None]:
    """Return a function that reports a step, with a smoothed loss and the last validation."""
    detail = ProgressText()

    def tell(step: StepReport) -> None:
        if report is not None:
            report(Progress(label, step.step, total, "steps", detail.of(step)))

    return tell


def _resume(training: Training, curve: CurveWriter, path: Path, device: torch.device) -> None:
    """Continue from the saved state, if there is one."""
    if not path.is_file():
        return
    content = path.read_bytes()
    state, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
    if hashlib.sha256(state).digest() != checksum:
        raise RunError(f"{path} is damaged (its checksum differs); train again with --fresh")
    try:
        loaded = torch.load(io.BytesIO(state), map_location=device, weights_only=True)
        training.load_state_dict(loaded["training"])
        curve.load_state_dict(loaded["curve"])
    except Exception as error:  # of a state that another program wrote, torch raises many
        raise RunError(
            f"{path} does not fit this training ({type(error).__name__}); train again with --fresh"
        ) from error


def _save_state(state: dict[str, Any], path: Path) -> None:
    """Write a state to resume from, with a checksum behind it: torch does not check its files."""
    torch.save(state, path)
    checksum = bytes.fromhex(file_checksum(path))
    with path.open("ab") as file:
        file.write(checksum)


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
    plan: Plan, data: TrainingData, learner: Learner, workspace: Workspace
) -> Callable[[], float] | None:
    """Return what measures accuracy on validation tasks; None without validation classes."""
    if not data.validated_on:
        return None
    source = Source(data.domains("val"), plan.val_protocol, device=workspace.torch_device)
    settings = plan.settings
    tell = teller(workspace.report, f"{progress_label(plan)}: validation")

    def validate() -> float:
        result = evaluate(
            learner, source, settings.validate_tasks, precision=settings.precision, tell=tell
        )
        return float(result.accuracy.mean())

    return validate


# --- what is trained first


def _train_earlier(plan: Plan, data: TrainingData, workspace: Workspace) -> EarlierRuns:
    """Train what a plan builds on, or read it where it is finished.

    Raises:
        RunError: a run folder that the plan names does not exist or is not finished.
    """
    workspace = replace(workspace, fresh=False)
    init = None
    if plan.init:
        init = _earlier_run(plan.init, data, workspace, f"{plan.label} starts from")
    teachers = []
    for teacher in plan.teachers:
        teachers.append(_earlier_run(teacher, data, workspace, f"{plan.label} learns from"))
    return EarlierRuns(init, tuple(teachers))


def _earlier_run(
    earlier: Plan | str, data: TrainingData, workspace: Workspace, purpose: str
) -> Run:
    if not isinstance(earlier, Plan):
        return finished_run(earlier, workspace.out)
    own_data = data_of(earlier, data)
    folder = run_folder(earlier, own_data, workspace.out)
    if not Run(folder).finished:
        workspace.note(f"{purpose} {earlier.label}, which is trained first: {folder.name}")
    return train_run(earlier, own_data, workspace)


# --- what is written of a training


def _manifest(
    plan: Plan, data: TrainingData, learner: Learner, before: EarlierRuns, device: torch.device
) -> RunManifest:
    return RunManifest(
        plan=plan,
        fingerprint=data.fingerprint,
        image_shape=data.image_shape,
        parts=data.parts,
        pretrained_on=pretrained_on(learner, before),
        parameters=sum(parameter.numel() for parameter in learner.parameters()),
        results_version=RESULTS_VERSION,
        command=command(),
        versions=versions(plan),
        hardware=hardware(device),
    )


def _result(
    plan: Plan,
    training: Training,
    curve: CurveWriter,
    before: EarlierRuns,
    not_initialised: tuple[str, ...],
) -> TrainingResult:
    kept = "last"
    if plan.settings.keep == "best" and training.best_accuracy is not None:
        kept = "best"
    return TrainingResult(
        steps=training.steps_done,
        images_seen=training.source.images_drawn,
        seconds=training.seconds,
        before=before.effort,
        kept=kept,
        best_step=training.best_step,
        best_val_accuracy=training.best_accuracy,
        last_loss=curve.last_loss,
        not_initialised=not_initialised,
    )


def progress_label(plan: Plan) -> str:
    """Return the label of the progress of a training."""
    label = f"{plan.label} on {plan.data_label}"
    if plan.episodic:
        label += f" {plan.validation.ways}-way {plan.validation.shots}-shot"
    return label
