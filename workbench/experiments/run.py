"""Run folders: a trained learner, how it was trained, and how it was evaluated.

    protonet-omniglot-5w1s-3fa9c2d1/
        run.toml                what was trained, on what, with which versions
        train.csv               step, loss, learning rate, seconds, validation accuracy
        weights.safetensors     the trained weights; present once training is finished
        state.pt                where an unfinished training stands
        eval/NAME-HASH.parquet  one row per test task; NAME-HASH.toml: what was asked

`workbench.experiments.lineage` explains the hash in the name. Every file is written under a
temporary name and renamed. Reading runs imports no torch.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import DataError, RunError
from workbench.experiments.evaluation_file import read_evaluation, written_at
from workbench.experiments.manifest import MANIFEST, RunManifest, read_manifest
from workbench.experiments.plan import Plan
from workbench.experiments.run_files import WEIGHTS, checksum_of
from workbench.plugin.registry import DEFAULT_PROTOCOL, registry
from workbench.progress import say_nothing

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from workbench.learning.learner import Learner
    from workbench.tasks.splits import TrainingData

CURVE = "train.csv"
EVALUATIONS = "eval"
COMPARISONS = "comparisons"  # a folder beside runs, of tables and figures
TUNING = "tuning"  # another, of searches, each with runs of its own
CURVE_COLUMNS = ("step", "loss", "lr", "seconds", "val_accuracy")

# what an evaluation was asked, in names
_ASKED = ["test_on", "split", "protocol", "ways", "shots", "queries", "task_seed"]
# what changes behind the names: another answer is of other images, other tasks or other code
_ANSWERED = ["test_fingerprint", "results_version", "code"]
_ROW = [*_ASKED, *_ANSWERED, "task", "instance"]


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def manifest(self) -> RunManifest:
        """What `run.toml` says. Raises `RunError` if there is none, or it is of another version."""
        return read_manifest(self.folder)

    @property
    def plan(self) -> Plan:
        """The plan that was trained."""
        return self.manifest.plan

    @property
    def label(self) -> str:
        """The algorithm as typed: `maml:first_order=true`."""
        return self.plan.label

    @property
    def finished(self) -> bool:
        """Whether training is finished."""
        return (self.folder / WEIGHTS).is_file() and self.manifest.result is not None

    @property
    def unfinished(self) -> str:
        """Why it cannot be used if it is not finished, and the command that finishes it."""
        state = "is not trained to the end"
        if self.manifest.result is not None:
            state = f"lacks {WEIGHTS}"
        again = self.manifest.command or f"mlw train {self.label} --on {' '.join(self.plan.data)}"
        return f"{state}; run again: {again}"

    def require_finished(self) -> None:
        """Raise `RunError`, with the command that finishes it, unless training is finished."""
        if not self.finished:
            raise RunError(f"{self.folder} {self.unfinished}")

    def checked(self, name: str) -> Path:
        """Return the path of a file of a finished run, after a check of its checksum.

        Raises:
            RunError: it is not there, or has other content than when it was written.
        """
        path = self.folder / name
        try:
            found = checksum_of(path)
        except OSError as error:
            raise RunError(
                f"{path} cannot be read ({error.strerror}); train again with --fresh"
            ) from error
        if found != self.manifest.checksums.get(name):
            raise RunError(
                f"{path} is damaged, or was changed: its checksum is not the one in {MANIFEST}; "
                "bring back a copy of the run, or train again with --fresh"
            )
        return path

    def weights(self, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """Return the weights by name.

        Raises:
            RunError: the file is damaged.
        """
        from safetensors.torch import load

        path = self.checked(WEIGHTS)
        try:
            given = load(path.read_bytes())  # safetensors opens no path that is not UTF-8
            return {name: value.to(device) for name, value in given.items()}
        except Exception as error:  # safetensors raises many
            reason = str(error).splitlines()[0]
            raise RunError(f"{path} holds no weights ({reason}); train again") from error

    def learner(
        self,
        data: TrainingData,
        device: torch.device,
        *,
        seen: bool | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Learner:
        """Return the trained learner, in eval mode.

        Args:
            data: what it was trained on.
            seen: whether the tasks to come are of that data.
            options: options of the test; they replace those of the plan.

        Raises:
            RunError: training is not finished, or the weights do not fit the present code.
        """
        from workbench.experiments.build import build_learner, misfit

        self.require_finished()
        plan = replace(self.plan, options={**self.plan.options, **(options or {})})
        weights = self.weights(device)
        difference = misfit(self.folder / WEIGHTS, lambda: build_learner(plan, data, seen=seen))
        if difference:
            raise self._unfit(plan, difference)
        learner = build_learner(plan, data, seen=seen).to(device)
        try:
            learner.load_state_dict(weights)
        except Exception as error:  # torch raises many
            raise self._unfit(plan, str(error).splitlines()[0]) from error
        return learner.eval()

    def _unfit(self, plan: Plan, reason: str) -> RunError:
        return RunError(
            f"The weights of {self.folder} do not fit {plan.algorithm} as it is now: {reason}; "
            "train again with --fresh"
        )

    def curve(self) -> pd.DataFrame:
        """Return train.csv, with what was trained and how it was validated in every row.

        Raises:
            RunError: it is not there, or damaged.
        """
        import pandas as pd

        from workbench.results.frame import CURVES, typed

        path = self.folder / CURVE
        if self.finished:
            self.checked(CURVE)
        try:
            frame = pd.read_csv(path)
            frame = frame.astype(dict.fromkeys(CURVE_COLUMNS, "float64")).astype({"step": "int64"})
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{path} cannot be read ({reason}); train again with --fresh") from error
        frame.insert(0, "label", self.label)
        frame.insert(0, "run", self.folder.name)
        plan = self.plan
        frame["train_on"] = plan.data_label
        frame["val_protocol"] = DEFAULT_PROTOCOL
        frame["val_ways"], frame["val_shots"], _ = plan.validation
        if plan.val_protocol.ways is None:  # validation tasks vary as training tasks do
            frame["val_protocol"] = plan.settings.train_protocol
            frame[["val_ways", "val_shots"]] = pd.NA
        return typed(frame, CURVES)

    def repeat(self) -> dict[str, Any]:
        """Return by what the run was trained, with the columns of `RUNS`."""
        manifest = self.manifest
        machine = manifest.hardware
        hardware = [str(machine.get(name, "")) for name in ("device", "name", "platform")]
        threads = machine.get("threads", "?")
        versions = [f"{name} {version}" for name, version in manifest.versions.items()]
        return {
            "run": self.folder.name,
            "command": manifest.command,
            "seed": self.plan.seed,
            "hardware": ", ".join([*filter(None, hardware), f"threads: {threads}"]),
            "versions": ", ".join(versions),
        }

    def evaluations(self, note: Callable[[str], None] = say_nothing) -> pd.DataFrame:
        """Return the rows of all evaluations, one per task.

        Of evaluations on the same tasks the longest is taken. Where images, the core or the
        method's code changed between two evaluations, only the newer counts, and a note says so.
        Files of another schema version are left out, and damaged ones with a note.
        """
        import pandas as pd

        from workbench.results.published import with_published

        frames = []
        paths = (self.folder / EVALUATIONS).glob("*.parquet")
        for path in sorted(paths, key=written_at, reverse=True):
            try:
                frame = read_evaluation(path, self.manifest)
            except DataError as error:
                note(f"left out: {error}")
                continue
            if frame is not None and len(frame):
                frames.append(frame.assign(run=self.folder.name))  # it may have been renamed
        if not frames:
            return pd.DataFrame()
        frames = self._current(frames, note)
        frames.sort(key=len, reverse=True)
        # more tasks begin with the fewer, so what is dropped here is in the longest already
        frame = pd.concat(frames, ignore_index=True).drop_duplicates(_ROW)
        return with_published(frame.reset_index(drop=True))

    def _current(
        self, frames: list[pd.DataFrame], note: Callable[[str], None]
    ) -> list[pd.DataFrame]:
        """Return the evaluations that no newer one has made out of date, given the newest first."""
        answers: dict[str, list[Any]] = {}
        current = []
        for frame in frames:
            first = frame.iloc[0]
            asked, answered = str(list(first[_ASKED])), list(first[_ANSWERED])
            newest = answers.setdefault(asked, answered)
            if answered == newest:
                current.append(frame)
                continue
            what = "its code has"
            if answered[1] != newest[1]:
                what = "the tasks of this version have"
            if answered[0] != newest[0]:
                what = f"the images of {first['test_on']} have"
            note(
                f"left out: an evaluation of {self.folder.name} on {len(frame):,} tasks of "
                f"{first['test_on']}, because {what} changed since"
            )
        return current


def find_runs(places: Iterable[str | os.PathLike[str]]) -> list[Run]:
    """Return the runs in folders: each folder is a run, or holds runs.

    Raises:
        RunError: a folder is neither.
    """
    found = []
    named = [Path(place) for place in places]
    for place in named:
        _require_place(place)
    # `runs/*` names these too
    others = [place for place in named if place.name not in (COMPARISONS, TUNING)]
    for place in others or named:
        if (place / MANIFEST).is_file():
            found.append(Run(place))
            continue
        # a name that begins with a dot is of a run that was about to be deleted
        inside = sorted(path.parent for path in place.glob(f"[!.]*/{MANIFEST}"))
        if not inside:
            raise RunError(_without_runs(place))
        found += [Run(folder) for folder in inside]
    by_place: dict[Path, Run] = {}
    for run in found:  # one run may be named in two ways
        by_place.setdefault(run.folder.resolve(), run)
    return list(by_place.values())


def _require_place(place: Path) -> None:
    """Raise `RunError` if there can be nothing at a place: its name is too long, for instance."""
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return  # what is missing is said where it is looked for
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"{str(place)!r} cannot be read ({reason}); see: mlw eval --help") from error


def _without_runs(place: Path) -> str:
    """Return what to say of a place that is no run and holds none."""
    kind = "file" if place.is_file() else "folder"
    for folder in (place.parent, place.parent.parent):
        if place.exists() and (folder / MANIFEST).is_file():
            return f"{place} is a {kind} of the run {folder}; give the folder: {folder}"
    if place.is_file():
        return f"{place} is a file, not a run folder; a run folder has a file {MANIFEST}"
    if place.is_dir() and place.parent.name == COMPARISONS:
        runs = place.parent.parent
        return f"{place} is the folder of a comparison; its runs are in {runs}: mlw report {runs}"
    if not place.exists() and registry().knows("algorithms", str(place)):
        return f"{place} is a method, not a run folder; train it: mlw train {place}"
    out = shlex.quote(str(place))
    return f"There are no runs in {place}; make one with: mlw train protonet --out {out}"


def find_run(place: str) -> Run:
    """Return the only run of a place.

    Raises:
        RunError: there is none, or there are several.
    """
    found = find_runs([place])
    if len(found) > 1:
        raise RunError(f"{place} holds {len(found)} runs; name one, for instance {found[0].folder}")
    return found[0]


def readable_runs(runs: Iterable[Run], note: Callable[[str], None]) -> list[Run]:
    """Return the runs whose manifest can be read; say of each other one why it cannot.

    Raises:
        RunError: none can be read.
    """
    readable = []
    unreadable = []
    for run in runs:
        try:
            _ = run.manifest
        except RunError as error:
            unreadable.append(error)
        else:
            readable.append(run)
    if unreadable and not readable:
        raise unreadable[0]
    for reason in unreadable:
        note(f"left out: {reason}")
    return readable


def learning_curves(names: Iterable[str], out: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """Return the learning curves of runs by folder name, one row per recorded step."""
    import pandas as pd

    curves = [Run(Path(out) / name).curve() for name in names]
    return pd.concat(curves, ignore_index=True)
