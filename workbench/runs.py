"""Run folders: a trained learner, how it came to be, and how it was judged.

    protonet-omniglot-5w1s-3fa9c2d1/
        run.toml                what was trained, with what, on what, with which versions
        train.csv               step, loss, learning rate, seconds, validation accuracy
        weights.safetensors     the trained weights; there once training is done
        state.pt                where an unfinished training stands
        eval/NAME-HASH.parquet  one row a test task; NAME-HASH.toml: what was asked

The hash in the name covers the plan, the data's content, the source text of the modules that define
algorithm and backbone, and RESULTS_VERSION. So what is finished is never computed twice, a changed
method never answers with old numbers, and what was interrupted goes on, bit for bit.

Every file is written under a temporary name and renamed. Reading runs imports no torch.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import platform
import shutil
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import specs
from workbench.errors import RunError, UsageError
from workbench.plugins import registry

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from workbench.learner import Learner
    from workbench.plan import Data, Plan
    from workbench.train import Record

FORMAT = 1  # of the folder
RESULTS_VERSION = 1  # raised when the core's numbers change
SAVE_EVERY = 20.0  # seconds of training that a kill may lose
CURVE_ROWS = 200  # rows of train.csv beside those with a validation

Watch = Callable[["Iterator[Record]", str, int, int], "Iterator[Record]"]
"""Passes records on and shows them: (records, label, steps in all, steps done)."""


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What `run.toml` says.

        Raises:
            RunError: there is none, or it is of another version.
        """
        path = self.folder / "run.toml"
        try:
            about = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.folder} is not a run folder: it has no run.toml; see: mlw train --help") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}; train again with --fresh") from error
        if about.get("format") != FORMAT:
            raise RunError(
                f"{self.folder} was written in format {about.get('format')} by workbench "
                f"{about.get('versions', {}).get('workbench', '?')}, and this one reads format {FORMAT}; "
                "train again, or use the version that wrote it"
            )
        return about

    @property
    def finished(self) -> bool:
        """Whether training is done."""
        return (self.folder / "weights.safetensors").is_file()

    @property
    def label(self) -> str:
        """The algorithm as typed: `maml:first_order=true`."""
        plan = self.about["plan"]
        return f"{plan['algorithm']}:{plan['typed']}" if plan["typed"] else str(plan["algorithm"])

    def plan(self) -> Plan:
        """The plan that was trained."""
        from workbench.plan import Plan
        from workbench.train import TrainSettings

        values = _with_none(self.about["plan"])
        return Plan(**values | {"settings": TrainSettings(**values["settings"])})

    def learner(self, data: Data, device: torch.device) -> Learner:
        """The trained learner, in eval mode.

        Raises:
            RunError: training is not finished, or the weights do not fit the code of today.
        """
        from safetensors.torch import load_file

        from workbench.plan import build_learner

        if not self.finished:
            raise RunError(f"{self.folder} is not trained to the end; type the command that began it again")
        learner = build_learner(self.plan(), data).to(device)
        try:
            learner.load_state_dict(load_file(self.folder / "weights.safetensors", device=str(device)))
        except Exception as error:  # safetensors and torch raise many
            raise RunError(
                f"The weights of {self.folder} cannot be loaded into {self.about['plan']['algorithm']} as it is now: "
                f"{str(error).splitlines()[0]}; train again with --fresh"
            ) from error
        return learner.eval()

    def curve(self) -> pd.DataFrame:
        """train.csv with the columns `run` and `label` in front."""
        import pandas as pd

        frame = pd.read_csv(self.folder / "train.csv")
        frame.insert(0, "label", self.label)
        frame.insert(0, "run", self.folder.name)
        return frame

    def evaluations(self) -> pd.DataFrame:
        """All rows of all evaluations, one a task."""
        import pandas as pd

        frames = [pd.read_parquet(path) for path in sorted(self.folder.glob("eval/*.parquet"))]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def find(places: Iterable[str | os.PathLike[str]]) -> list[Run]:
    """The runs in folders: a folder is a run, or holds runs.

    Raises:
        RunError: a folder is neither.
    """
    found = []
    for place in map(Path, places):
        if (place / "run.toml").is_file():
            found.append(Run(place))
            continue
        inside = sorted(path.parent for path in place.glob("*/run.toml"))
        if not inside:
            raise RunError(f"There are no runs in {place}; make one with: mlw train protonet --out {place}")
        found += [Run(path) for path in inside]
    return found


def curves(names: Iterable[str], out: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """The learning curves of runs by folder name, one row a step that was written."""
    import pandas as pd

    return pd.concat([Run(Path(out) / name).curve() for name in names], ignore_index=True)


def run_folder(plan: Plan, data: Data, out: Path) -> Path:
    """Where the run of a plan is or will be."""
    covered = {
        "plan": asdict(plan),
        "data": data.fingerprint,
        "sources": _sources(plan),
        "results": RESULTS_VERSION,
    }
    digest = hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()[:8]
    task = f"{plan.settings.train_ways}w{plan.settings.train_shots}s-" if plan.episodic else ""
    tested = f"{plan.val_ways}w{plan.val_shots}s-" if plan.episodic else ""
    return out / f"{plan.algorithm.replace('/', '-')}-{data.name.replace('/', '-')}-{tested or task}{digest}"


@contextmanager
def writable(out: Path) -> Iterator[None]:
    """Turn an error of the disk below `out` into one sentence."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RunError(
            f"{error.filename or out} cannot be written: {error.strerror or error}; choose another folder with --out"
        ) from error


def train(
    plan: Plan,
    data: Data,
    out: Path,
    *,
    device: torch.device,
    fresh: bool = False,
    watch: Watch = lambda records, label, total, done: records,
) -> Run:
    """Train a plan into its run folder, go on where it was interrupted, or return what is finished.

    Raises:
        TrainingError: the loss is not a number; what was saved before stays.
        RunError: the folder cannot be written.
    """
    from filelock import FileLock

    folder = run_folder(plan, data, out)
    with writable(out), FileLock(out / f".{folder.name}.lock"):
        if fresh and folder.exists():
            shutil.rmtree(folder)
        run = Run(folder)
        if folder.exists() and run.about and run.finished:
            return run
        folder.mkdir(exist_ok=True)
        _train(plan, data, run, device, watch)
    return Run(folder)


def _train(plan: Plan, data: Data, run: Run, device: torch.device, watch: Watch) -> None:
    import torch
    from safetensors.torch import save_file

    from workbench.device import keep_freed_memory
    from workbench.evaluate import evaluate
    from workbench.plan import build_learner
    from workbench.source import Source, WayShot
    from workbench.train import Training

    keep_freed_memory()
    settings = plan.settings
    learner = build_learner(plan, data).to(device)
    left = _initialise(learner, run.folder.parent, plan.init)
    table = data.table("train")
    protocol = WayShot(
        settings.train_ways or 1, settings.train_shots or 1, settings.train_queries if plan.episodic else 0
    )
    source = Source(
        table.images,
        table.starts,
        protocol,
        name=data.label,
        seed=plan.seed,
        stack=settings.stack_size,
        batch_size=settings.batch_size,
        device=device,
    )
    validate = None
    if val := data.tables.get("val"):
        judged = WayShot(plan.val_ways, plan.val_shots, plan.val_queries)
        tasks = Source(val.images, val.starts, judged, name=f"the validation classes of {data.label}", device=device)

        def validate() -> float:
            result = evaluate(learner, tasks, settings.validate_tasks, precision=settings.precision)
            return float(result.accuracy.mean())

    training = Training(learner, source, settings, validate)
    log = _Log(settings.steps)
    state_path = run.folder / "state.pt"
    if state_path.is_file():
        try:
            state = torch.load(state_path, map_location=device, weights_only=True)
        except Exception as error:  # torch raises many; the file is ours, so this is damage
            raise RunError(f"{state_path} is damaged ({type(error).__name__}); train again with --fresh") from error
        training.load_state_dict(state["training"])
        log.rows, log.since = state["rows"], state["since"]
    else:
        _write_toml(run.folder / "run.toml", _about(plan, data, learner, device))

    def save() -> None:
        _write(
            state_path,
            lambda part: torch.save({"training": training.state_dict(), "rows": log.rows, "since": log.since}, part),
        )
        _write(run.folder / "train.csv", log.write)

    saved = time.monotonic()
    for record in watch(training.records(), _short_label(plan), settings.steps, training.steps_done):
        log.add(record)
        if time.monotonic() - saved > SAVE_EVERY and record.step < settings.steps:
            save()
            saved = time.monotonic()
    _write(run.folder / "train.csv", log.write)
    result = {
        "steps": training.steps_done,
        "seconds": training.seconds,
        "kept": "best" if settings.keep == "best" and training.best_accuracy is not None else "last",
        "best_step": training.best_step,
        "best_val_accuracy": training.best_accuracy,
        "not_initialised": left,
    }
    _write_toml(run.folder / "run.toml", _about(plan, data, learner, device) | {"result": result})
    weights = {name: value.contiguous() for name, value in learner.state_dict().items()}
    _write(run.folder / "weights.safetensors", lambda part: save_file(weights, part))
    state_path.unlink(missing_ok=True)


def judge(
    run: Run,
    data: Data,
    *,
    ways: int,
    shots: int,
    queries: int = 15,
    episodes: int = 600,
    split: str = "test",
    seed: int = 0,
    device: torch.device,
    fresh: bool = False,
) -> pd.DataFrame:
    """Evaluate a run on tasks 0 to episodes - 1 of (data, split, protocol, seed); one row a task.

    What was judged before is read, not computed. `data` is the data set of the test tasks.

    Raises:
        UsageError: the learner has another number of ways, or was trained on images of another shape.
        DataError: the data set cannot give such tasks.
    """
    import pandas as pd

    about = run.about
    plan = about["plan"]
    if plan.get("ways") not in (None, ways):
        raise UsageError(
            f"{run.folder.name} was trained for {plan['ways']} ways and cannot judge {ways}; "
            f"type: mlw train {run.label} --on {plan['data']} --ways {ways}"
        )
    if about["data"]["image_shape"] != list(data.image_shape):
        raise UsageError(
            f"{run.folder.name} was trained on images of {_shape(about['data']['image_shape'])}, and those of "
            f"{data.label} are {_shape(data.image_shape)}; choose the data set's size, for instance "
            f"{data.name}:size={about['data']['image_shape'][-1]}"
        )
    asked = {"data": data.label, "fingerprint": data.fingerprint, "split": split, "ways": ways, "shots": shots}
    asked |= {"queries": queries, "episodes": episodes, "seed": seed, "results": RESULTS_VERSION}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    path = run.folder / "eval" / f"{data.name.replace('/', '-')}-{split}-{ways}w{shots}s-{episodes}-{digest}.parquet"
    if path.is_file() and not fresh:
        return pd.read_parquet(path)
    frame = _judged(run, data, ways, shots, queries, episodes, split, seed, device)
    with writable(path.parent):
        _write_toml(path.with_suffix(".toml"), asked)
        _write(path, lambda part: frame.to_parquet(part, index=False))
    return frame


def _judged(
    run: Run,
    data: Data,
    ways: int,
    shots: int,
    queries: int,
    episodes: int,
    split: str,
    seed: int,
    device: torch.device,
) -> pd.DataFrame:
    import pandas as pd

    from workbench.device import keep_freed_memory
    from workbench.evaluate import evaluate
    from workbench.plan import open_data
    from workbench.source import Source, WayShot

    keep_freed_memory()
    table, plan = data.table(split), run.plan()
    name = f"the {split} classes of {data.label}"
    source = Source(table.images, table.starts, WayShot(ways, shots, queries), name=name, seed=seed, device=device)
    learner = run.learner(open_data(plan.data), device)
    result = evaluate(learner, source, episodes, precision=plan.settings.precision)
    return pd.DataFrame(
        {
            "algorithm": plan.algorithm,
            "options": plan.typed,
            "backbone": plan.backbone,
            "train_on": plan.data,
            "test_on": data.label,
            "domain": data.label,
            "split": split,
            "ways": ways,
            "shots": shots,
            "queries": queries,
            "train_seed": plan.seed,
            "task_seed": seed,
            "task": range(episodes),
            "accuracy": result.accuracy,
            "loss": result.loss,
            "adapt_seconds": result.adapt_seconds,
            "transductive": learner.transductive,
            "calibration_error": result.calibration_error,
            "train_seconds": run.about["result"]["seconds"],
            "eval_seconds": result.seconds,
            "parameters": sum(parameter.numel() for parameter in learner.parameters()),
            "run": run.folder.name,
        }
    )


class _Log:
    """The rows of train.csv: those with a validation, and about CURVE_ROWS more."""

    def __init__(self, steps: int):
        self.every = max(1, steps // CURVE_ROWS)
        self.rows: list[list[float | None]] = []
        self.since = [0.0, 0.0]  # sum and number of losses since the last row

    def add(self, record: Record) -> None:
        self.since = [self.since[0] + record.loss, self.since[1] + 1]
        if record.step % self.every == 0 or record.val_accuracy is not None:
            mean = self.since[0] / self.since[1]
            self.rows.append([record.step, mean, record.lr, record.seconds, record.val_accuracy])
            self.since = [0.0, 0.0]

    def write(self, path: Path) -> None:
        lines = [",".join("" if value is None else repr(value) for value in row) for row in self.rows]
        path.write_text("\n".join(["step,loss,lr,seconds,val_accuracy", *lines, ""]), encoding="utf-8")


def _initialise(learner: Learner, out: Path, init: str) -> list[str]:
    """Load what fits by name and shape from another run; return the names of what did not.

    Raises:
        RunError: the run is not there or not finished, or its backbone does not fit.
    """
    if not init:
        return []
    from safetensors.torch import load_file

    path = (out / init if (out / init).is_dir() else Path(init)) / "weights.safetensors"
    if not path.is_file():
        raise RunError(f"{path.parent} is not a finished run, so nothing can start from it")
    given, own = load_file(path), learner.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting]
    if wrong := [name for name in missing if name.startswith("backbone.")]:
        raise RunError(f"{init} has no weights for {wrong[0]} of this shape; use the backbone that it was trained with")
    learner.load_state_dict(fitting, strict=False)
    return missing


def _about(plan: Plan, data: Data, learner: Learner, device: torch.device) -> dict[str, Any]:
    import torch

    from workbench import __version__

    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
    return {
        "format": FORMAT,
        "results_version": RESULTS_VERSION,
        "plan": asdict(plan),
        "data": {"fingerprint": data.fingerprint, "image_shape": list(data.image_shape)},
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
        "versions": {"workbench": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "hardware": {"device": str(device), "name": hardware, "threads": torch.get_num_threads()},
    }


def _sources(plan: Plan) -> dict[str, str]:
    """Checksums of the files that define algorithm and backbone."""
    targets = {"algorithm": registry().find("algorithms", plan.algorithm).load()}
    if plan.backbone:
        targets["backbone"] = registry().find("backbones", specs.parse(plan.backbone).name).load()
    return {role: hashlib.sha256(_source_text(target).encode()).hexdigest() for role, target in targets.items()}


def _source_text(target: type) -> str:
    try:
        return inspect.getsource(importlib.import_module(target.__module__))
    except (OSError, TypeError):  # typed at a prompt
        return target.__qualname__


def _short_label(plan: Plan) -> str:
    typed = f":{plan.typed}" if plan.typed else ""
    way = f" {plan.val_ways}-way {plan.val_shots}-shot" if plan.episodic else ""
    return f"{plan.algorithm}{typed} on {plan.data}{way}"


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f".{path.name}.part")
    write(part)
    os.replace(part, path)


def _write_toml(path: Path, content: Mapping[str, Any]) -> None:
    import tomli_w

    _write(path, lambda part: part.write_text(tomli_w.dumps(_without_none(content)), encoding="utf-8"))


def _without_none(value: Any) -> Any:
    """TOML has no null: a key that is absent says none."""
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value


def _with_none(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan read from TOML, with its absent keys as None again."""
    from workbench.plan import Plan
    from workbench.train import settings_options

    options = specs.options_of(registry().find("algorithms", plan["algorithm"]).load())
    settings = dict.fromkeys(settings_options()) | dict(plan["settings"])
    whole = dict.fromkeys(Plan.__dataclass_fields__) | dict(plan)
    return whole | {"settings": settings, "options": dict.fromkeys(options) | dict(plan["options"])}
