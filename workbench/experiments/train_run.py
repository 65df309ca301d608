"""Train a plan into its run folder.

That is done once: what is finished is read, and a training that was interrupted goes on from its last
saved state, bit for bit. `judging` does the other job of the workbench.
"""

from __future__ import annotations

import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from workbench import __version__
from workbench.errors import RunError
from workbench.experiments.build import build_learner
from workbench.experiments.fingerprint import RESULTS_VERSION, run_folder
from workbench.experiments.plan import Plan
from workbench.experiments.run import FORMAT, Run, finished_run, writable
from workbench.learning import augment
from workbench.learning.device import keep_freed_memory
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import Learner, backbones
from workbench.learning.training import StepReport, Training
from workbench.storage import write_file, write_toml
from workbench.tasks.source import Source
from workbench.tasks.splits import Data, open_data

SAVE_EVERY = 20.0  # seconds of training that a kill may lose
CURVE_ROWS = 200  # rows of train.csv beside those with a validation

Watch = Callable[[Iterator[StepReport], str, int, int], Iterator[StepReport]]
"""Passes records on and shows them: (records, label, steps in all, steps done)."""


def unwatched(records: Iterator[StepReport], *_: object) -> Iterator[StepReport]:
    """A `Watch` that shows nothing."""
    return records


def train_run(
    plan: Plan,
    data: Data,
    out: Path,
    *,
    device: torch.device,
    fresh: bool = False,
    watch: Watch = unwatched,
) -> Run:
    """Train a plan into its run folder, go on where it was interrupted, or return what is finished.

    Raises:
        TrainingError: the loss is not a number; what was saved before stays.
        RunError: the folder cannot be written.
    """
    folder = run_folder(plan, data, out)
    with writable(out), FileLock(out / f".{folder.name}.lock"):
        if fresh and folder.exists():
            shutil.rmtree(folder)
        run = Run(folder)
        if run.finished and run.about:
            return run
        folder.mkdir(exist_ok=True)
        _train(plan, data, run, device, watch)
    return Run(folder)


def _train(plan: Plan, data: Data, run: Run, device: torch.device, watch: Watch) -> None:
    keep_freed_memory()
    begin = _Before(plan, data, run.folder.parent, device, watch)
    learner = build_learner(plan, data, teachers=begin.teachers()).to(device)
    if begin.init is None:
        for backbone in backbones(learner):
            backbone.first_weights()
    not_initialised = _initialise(learner, begin.init) if begin.init else []
    training = Training(
        learner,
        _training_source(plan, data, device),
        plan.settings,
        _validation(plan, data, learner, device),
    )
    log = _Log(plan.settings.steps)
    state = run.folder / "state.pt"
    if state.is_file():
        _go_on(training, log, state, device)
    about = _about(plan, data, learner, device) | {"pretrained_on": begin.pretrained_on(learner)}
    write_toml(run.folder / "run.toml", about)
    saved = time.monotonic()
    for record in watch(
        training.records(), _short_label(plan), plan.settings.steps, training.steps_done
    ):
        log.add(record)
        if time.monotonic() - saved > SAVE_EVERY and record.step < plan.settings.steps:
            now = {"training": training.state_dict(), "rows": log.rows, "since": log.since}
            write_file(state, partial(torch.save, now))
            write_file(run.folder / "train.csv", log.write)
            saved = time.monotonic()
    write_file(run.folder / "train.csv", log.write)
    if (
        begin.init
        and not training.steps_done
        and (left := {*not_initialised} & dict(learner.named_parameters()).keys())
    ):
        raise RunError(
            f"{plan.algorithm} is not trained here, and what it starts from ({begin.init.folder.name}) leaves "
            f"{', '.join(sorted(left))} as drawn at random; name a start that has it: init=RUN_FOLDER"
        )
    validated = training.best_accuracy is not None
    result = {
        "steps": training.steps_done,
        "seconds": training.seconds,
        "seconds_before": begin.seconds,
        "kept": "best" if plan.settings.keep == "best" and validated else "last",
        "best_step": training.best_step,
        "best_val_accuracy": training.best_accuracy,
        "not_initialised": not_initialised,
    }
    write_toml(run.folder / "run.toml", about | {"result": result})
    weights = {name: value.contiguous() for name, value in learner.state_dict().items()}
    write_file(
        run.folder / "weights.safetensors", partial(save_file, weights)
    )  # from here on the run is finished
    state.unlink(missing_ok=True)


class _Before:
    """The runs that a training builds on, trained first where that is not done.

    Raises:
        RunError: a run folder is not there, or not finished.
    """

    def __init__(self, plan: Plan, data: Data, out: Path, device: torch.device, watch: Watch):
        self.out, self.device, self.watch = out, device, watch
        self.data = {each.label: each for each in (data, *data.each)}
        self.init = self._run(plan.init) if plan.init else None
        self.taught_by = [self._run(teacher) for teacher in plan.teachers]
        self.runs = [*([self.init] if self.init else []), *self.taught_by]
        results = [run.about["result"] for run in self.runs]
        self.seconds = sum(
            float(result["seconds"] + result.get("seconds_before", 0)) for result in results
        )

    def pretrained_on(self, learner: Learner) -> str:
        """What its own weights, and those of the runs before, were trained on elsewhere: "imagenet+instagram"."""
        stated = [backbone.pretrained_on for backbone in backbones(learner)]
        stated += [run.about.get("pretrained_on", "") for run in self.runs]
        return "+".join(sorted({name for text in stated for name in text.split("+") if name}))

    def teachers(self) -> list[Learner]:
        """The trained teachers, which learn no more."""
        return [
            run.learner(open_data(run.plan().data), self.device).requires_grad_(requires_grad=False)
            for run in self.taught_by
        ]

    def _run(self, first: Plan | str) -> Run:
        if isinstance(first, Plan):
            data = self.data.get(first.data) or open_data(first.data)
            return train_run(first, data, self.out, device=self.device, watch=self.watch)
        return finished_run(first, self.out)


def _training_source(plan: Plan, data: Data, device: torch.device) -> Source:
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
    plan: Plan, data: Data, learner: Learner, device: torch.device
) -> Callable[[], float] | None:
    """The learner's accuracy on tasks of the validation classes; None where there are none."""
    if not data.validates:
        return None
    source = Source(data.domains("val"), plan.val_protocol, device=device)
    settings = plan.settings
    return lambda: float(
        evaluate(
            learner, source, settings.validate_tasks, precision=settings.precision
        ).accuracy.mean()
    )


def _go_on(training: Training, log: _Log, path: Path, device: torch.device) -> None:
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many; the file is ours, so this is damage
        raise RunError(
            f"{path} is damaged ({type(error).__name__}); train again with --fresh"
        ) from error
    training.load_state_dict(state["training"])
    log.rows, log.since = state["rows"], state["since"]


class _Log:
    """The rows of train.csv: those with a validation, and about CURVE_ROWS more."""

    def __init__(self, steps: int):
        self.every = max(1, steps // CURVE_ROWS)
        self.rows: list[list[float | None]] = []
        self.since = [0.0, 0.0]  # sum and number of losses since the last row

    def add(self, record: StepReport) -> None:
        self.since = [self.since[0] + record.loss, self.since[1] + 1]
        if record.step % self.every == 0 or record.val_accuracy is not None:
            mean = self.since[0] / self.since[1]
            self.rows.append([record.step, mean, record.lr, record.seconds, record.val_accuracy])
            self.since = [0.0, 0.0]

    def write(self, path: Path) -> None:
        lines = [
            ",".join("" if value is None else repr(value) for value in row) for row in self.rows
        ]
        path.write_text(
            "\n".join(["step,loss,lr,seconds,val_accuracy", *lines, ""]), encoding="utf-8"
        )


def _initialise(learner: Learner, first: Run) -> list[str]:
    """Load what fits by name and shape from another run; return the names of what did not.

    Raises:
        RunError: its backbone does not fit.
    """
    given, own = load_file(first.folder / "weights.safetensors"), learner.state_dict()
    fitting = {
        name: value
        for name, value in given.items()
        if name in own and own[name].shape == value.shape
    }
    missing = [name for name in own if name not in fitting]
    if wrong := [name for name in missing if name.startswith("backbone.")]:
        raise RunError(
            f"{first.folder.name} has no weights for {wrong[0]} of this shape; "
            "use the backbone that it was trained with"
        )
    learner.load_state_dict(fitting, strict=False)
    return missing


def _about(plan: Plan, data: Data, learner: Learner, device: torch.device) -> dict[str, Any]:
    hardware = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or "cpu"
    )
    return {
        "format": FORMAT,
        "results_version": RESULTS_VERSION,
        "command": shlex.join(["mlw", *sys.argv[1:]]) if Path(sys.argv[0]).stem == "mlw" else "",
        "plan": asdict(plan),
        "data": {
            "fingerprint": data.fingerprint,
            "image_shape": list(data.image_shape),
            "parts": data.parts,
        },
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
        "versions": {
            "workbench": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "hardware": {"device": str(device), "name": hardware, "threads": torch.get_num_threads()},
    }


def _short_label(plan: Plan) -> str:
    typed = f":{plan.typed}" if plan.typed else ""
    way = f" {plan.val_ways}-way {plan.val_shots}-shot" if plan.episodic else ""
    return f"{plan.algorithm}{typed} on {plan.data}{way}"
