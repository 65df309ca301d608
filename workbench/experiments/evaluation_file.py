"""The file of an evaluation, and the TOML beside it that says what was asked, and when.

    eval/glyphs-test-5w1s-600-3fa9c2d1.parquet    one row per test task
    eval/glyphs-test-5w1s-600-3fa9c2d1.toml       what was asked, of which weights, by which code

The checksum at the end of the name covers what was asked. So rows are believed only if they answer
what their name and the TOML say, and were measured with the weights of the run that they lie in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import DataError
from workbench.experiments.fingerprint import digest
from workbench.experiments.manifest import RunManifest
from workbench.experiments.run_files import WEIGHTS
from workbench.plugin.options import options_text

if TYPE_CHECKING:
    import pandas as pd

# A key in the TOML: when the evaluation was, in nanoseconds since 1970. The time of the file itself
# is another after the folder was copied.
WRITTEN = "written"
VARYING = ("ways", "shots", "queries")  # absent in the TOML where they vary
DIGITS = 8  # of the checksum of a start, in a row


def written_at(evaluation: Path) -> int:
    """Return when an evaluation was written; the time of its file, if no record says it."""
    try:
        return int(_record(evaluation)[WRITTEN])
    except (DataError, ValueError, KeyError, TypeError, OverflowError):
        return evaluation.stat().st_mtime_ns


def read_evaluation(path: Path, manifest: RunManifest) -> pd.DataFrame | None:
    """Read an evaluation of a run; None if the file has another schema version.

    Raises:
        DataError: the file is damaged, has the rows of another run or of another question, or
            numbers that cannot be.
    """
    from workbench.results.frame import read_tasks

    frame = read_tasks(path)
    if frame is None:
        return None
    asked = _asked(path)
    if asked.get("weights") != manifest.checksums.get(WEIGHTS):
        raise DataError(f"{path} was measured with the weights of another run; delete it")
    wrong = _differing(frame, run_columns(manifest))
    if wrong:
        raise DataError(f"{path} is of another run ({', '.join(wrong)} differs); delete it")
    wrong = _differing(frame, _question_columns(asked))
    if wrong:
        raise DataError(f"{path} answers another question ({', '.join(wrong)} differs); delete it")
    if not frame["accuracy"].between(0, 1).all() or not _is_complete(frame, asked):
        raise DataError(f"{path} has accuracies or tasks that cannot be; delete it")
    return frame


def run_columns(manifest: RunManifest) -> dict[str, Any]:
    """Return the columns of a frame that say what was trained, on what, and how much."""
    plan, result = manifest.plan, manifest.result
    columns = {
        "algorithm": plan.algorithm,
        "options": options_text(plan.typed),
        "all_options": options_text(dict(sorted(plan.options.items()))),
        "settings": options_text(asdict(plan.settings)),
        "starts": " ".join(checksum[:DIGITS] for checksum in manifest.starts),
        # a method that compares pixels has no network, whatever backbone was asked for
        "backbone": plan.backbone if manifest.parameters else "",
        "train_on": plan.data_label,
        "train_sets": plan.data,
        "train_fingerprint": manifest.fingerprint,
        "train_seed": plan.seed,
        "training": manifest.training,
        "episodic": plan.episodic,
        "recipe": plan.recipe,
        "tuned": manifest.tuned,
    }
    if result is not None:
        columns |= {"steps": result.all_steps, "images": result.all_images}
    return columns


def _record(path: Path) -> dict[str, Any]:
    """Return what the TOML beside an evaluation says. Raises `DataError` if it cannot be read."""
    beside = path.with_suffix(".toml")
    try:
        return tomllib.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{beside}, which says what {path.name} answers, cannot be read; delete {path.name}"
        ) from error


def _asked(path: Path) -> dict[str, Any]:
    """Return what an evaluation was asked, which its name must cover."""
    asked = {**dict.fromkeys(VARYING), **_record(path)}
    asked.pop(WRITTEN, None)
    try:
        named = path.stem.endswith(f"-{digest(asked)}")
    except TypeError:  # TOML has dates, of which no checksum is written
        named = False
    if not named:
        raise DataError(f"{path} has the name of another evaluation; delete it")
    return asked


def _question_columns(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a frame that follow from what was asked."""
    return {
        "test_on": asked.get("data"),
        "test_fingerprint": asked.get("fingerprint"),
        "split": asked.get("split"),
        "protocol": asked.get("protocol"),
        "ways": asked.get("ways"),
        "shots": asked.get("shots"),
        "queries": asked.get("queries"),
        "task_seed": asked.get("seed"),
        "results_version": asked.get("results"),
        "code": digest(asked.get("sources", {})),
    }


def _differing(frame: pd.DataFrame, expected: Mapping[str, Any]) -> list[str]:
    """Return the columns that have another value in some row; None stands for a missing one."""
    return [name for name, value in expected.items() if not _holds_only(frame[name], value)]


def _holds_only(column: pd.Series[Any], value: Any) -> bool:
    missing = column.isna()
    if value is None:
        return bool(missing.all())
    return not missing.any() and list(set(column)) == [value]


def _is_complete(frame: pd.DataFrame, asked: Mapping[str, Any]) -> bool:
    """Return whether each task that was asked is there once for each of its instances."""
    episodes = asked.get("episodes")
    if not isinstance(episodes, int) or frame.duplicated(["task", "instance"]).any():
        return False
    rows = episodes * frame["instance"].nunique()
    return len(frame) == rows and set(frame["task"]) == set(range(episodes))
