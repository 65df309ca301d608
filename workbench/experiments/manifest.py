"""`run.toml`: what was trained, on what, with which versions, and with what result.

Reading it imports no torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from workbench.errors import RunError, UsageError
from workbench.experiments.plan import Plan
from workbench.experiments.value_types import check_fields
from workbench.learning.settings import TrainSettings, settings_options
from workbench.storage import read_sealed_toml, write_sealed_toml
from workbench.tasks.sampling import TaskShape

MANIFEST = "run.toml"
FORMAT = 3  # of the run folder


class Effort(NamedTuple):
    """How much was trained."""

    steps: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainingResult:
    """How a finished training went."""

    steps: int
    images_seen: int  # in training tasks or batches, with repetition; validation is not counted
    seconds: float
    before: Effort  # of the trainings that this one builds on
    kept: str  # which weights: "best" on validation, or "last"
    best_step: int
    best_val_accuracy: float | None = None  # in 0..1; None without validation
    last_loss: float | None = None  # mean training loss of the last row of train.csv
    not_initialised: tuple[str, ...] = ()  # parameters that the run it starts from does not have
    notes: tuple[str, ...] = ()  # of the learner: what a user should know of how it went

    @property
    def all_seconds(self) -> float:
        """Seconds of this training and of those that it builds on."""
        return self.seconds + self.before.seconds

    @property
    def all_steps(self) -> int:
        """Steps of this training and of those that it builds on."""
        return self.steps + self.before.steps

    @property
    def all_images(self) -> int:
        """Images seen in this training and in those that it builds on."""
        return self.images_seen + self.before.images


@dataclass(frozen=True)
class RunManifest:
    """All that `run.toml` says."""

    plan: Plan
    fingerprint: str  # of the training data's content
    image_shape: tuple[int, int, int]  # (channels, height, width)
    parts: tuple[str, ...]  # training data whose files are not known to be the published ones
    pretrained_on: tuple[str, ...]  # what the first weights saw elsewhere: ("imagenet",)
    parameters: int
    results_version: int
    command: str = ""  # "" where the training was started from Python
    versions: Mapping[str, str] = field(default_factory=dict)  # of python, libraries and plugins
    hardware: Mapping[str, Any] = field(default_factory=dict)  # device, name, threads, platform
    result: TrainingResult | None = None  # None while training is not finished
    checksums: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by name of file
    # not in runs of earlier versions:
    ended: int | None = None  # training, in nanoseconds since 1970
    training: str = ""  # checksum of all that decides the training but its seed
    starts: tuple[str, ...] = ()  # SHA-256 of the weights of the runs that the plan names
    tuned: str = ""  # by what `mlw tune` chose its settings; "" where a user did


def read_manifest(folder: Path) -> RunManifest:
    """Read the manifest of a run folder.

    Raises:
        RunError: there is none, it is damaged, or it has another format.
    """
    path = folder / MANIFEST
    try:
        table = read_sealed_toml(path)
    except FileNotFoundError:
        raise RunError(
            f"{folder} is not a run folder: it has no {MANIFEST}; see: mlw train --help"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        _refuse_other_format(folder)
        raise _unreadable(path, error) from error
    _refuse_other_format(folder)
    try:
        manifest = _from_table(table)
        check_fields(manifest)
        return manifest
    except KeyError as error:
        raise RunError(f"{path} has no key {error}; train again with --fresh") from error
    except (TypeError, ValueError, AttributeError, IndexError, UsageError) as error:
        raise _unreadable(path, error) from error


def _refuse_other_format(folder: Path) -> None:
    """Refuse a manifest of another version. Those before format 3 have no checksum."""
    try:
        table = tomllib.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        versions = table.get("versions", {})
        written, version = table.get("format"), versions.get("workbench", "?")
    except (OSError, ValueError, RecursionError, AttributeError):
        return
    if table and written != FORMAT:  # an empty file is damaged
        raise RunError(
            f"{folder} was written in format {written} by workbench {version}, and this version "
            f"reads format {FORMAT}; train again, or use the version that wrote it"
        )


def write_manifest(folder: Path, manifest: RunManifest) -> None:
    """Write the manifest of a run folder, whole or not at all."""
    table = {"format": FORMAT, **asdict(manifest)}
    table["plan"] = _plan_table(manifest.plan)
    write_sealed_toml(folder / MANIFEST, table)


def _unreadable(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} could not be read ({error}); train again with --fresh")


def _from_table(table: Mapping[str, Any]) -> RunManifest:
    given = {each.name: table[each.name] for each in fields(RunManifest) if each.name in table}
    given["plan"] = _read_plan(table["plan"])
    channels, height, width = table["image_shape"]
    given["image_shape"] = (channels, height, width)
    given["parts"] = tuple(table["parts"])
    given["starts"] = tuple(table.get("starts", ()))
    given["pretrained_on"] = tuple(table["pretrained_on"])
    if "result" in table:
        result = dict(table["result"])
        result["before"] = Effort(*result["before"])
        result["not_initialised"] = tuple(result["not_initialised"])
        result["notes"] = tuple(result.get("notes", ()))
        given["result"] = TrainingResult(**result)
    return RunManifest(**given)


# --- plans as tables
#
# TOML has no null. An absent key stands for None; `options_none` lists the options that are None,
# because only a plugin knows their names.


def _plan_table(plan: Plan) -> dict[str, Any]:
    table = asdict(plan)
    table["options_none"] = [name for name, value in plan.options.items() if value is None]
    table["init"] = _earlier_table(plan.init)
    table["teachers"] = [_earlier_table(teacher) for teacher in plan.teachers]
    return table


def _earlier_table(first: Plan | str) -> dict[str, Any] | str:
    if isinstance(first, Plan):
        return _plan_table(first)
    return first


def _read_plan(table: Mapping[str, Any]) -> Plan:
    values = dict(table)
    options = dict(table["options"])
    options.update(dict.fromkeys(values.pop("options_none")))
    settings = {**dict.fromkeys(settings_options()), **table["settings"]}
    values["options"] = options
    values["settings"] = TrainSettings(**settings)
    values["data"] = tuple(table["data"])
    if not values["data"]:
        raise ValueError("plan.data is empty")
    values["ways"] = table.get("ways")
    values["validation"] = TaskShape(*table["validation"])
    values["init"] = _read_earlier(table["init"])
    values["teachers"] = tuple(_read_earlier(teacher) for teacher in table["teachers"])
    values["selects"] = {name: tuple(choices) for name, choices in table["selects"].items()}
    return Plan(**values)


def _read_earlier(given: Mapping[str, Any] | str) -> Plan | str:
    if isinstance(given, str):
        return given
    return _read_plan(given)
