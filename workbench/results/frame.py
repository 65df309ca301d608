"""The columns of the frames, what they mean and in which units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from workbench.errors import WorkbenchError

METHOD = ["algorithm", "options", "backbone"]


CONDITION = [
    "train_on",
    "test_on",
    "split",
    "protocol",
    "ways",
    "shots",
    "queries",
    "instance",
    "task_seed",
]


MEASURED = [
    "accuracy",
    "loss",
    "adapt_seconds",
    "calibration_error",
    "train_seconds",
    "eval_seconds",
]


CONSTANT = ["parameters", "published", "published_interval", "published_source"]


FLAGS = ["episodic", "transductive"]


TEXTS = ["selection", "pretrained_on", "overlap"]


NEEDED = [*METHOD, *CONDITION, "train_seed", "task", *MEASURED, *FLAGS, *TEXTS, *CONSTANT]


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `method`: `algorithm[:options]`, and the backbone where only it tells two apart."""
    if missing := [name for name in NEEDED if name not in frame]:
        raise WorkbenchError(
            f"This is no frame of test tasks: it has no column {', '.join(missing)}."
        )
    if frame.empty:
        raise WorkbenchError(
            "There are no results to report: run `mlw compare` or `mlw eval` first."
        )
    texts = {
        name: frame[name].astype(object).fillna("") for name in ["options", *TEXTS]
    }  # a CSV file has NaN for ""
    pairs = zip(frame["algorithm"], texts["options"], strict=True)
    names = [f"{name}:{given}" if given else str(name) for name, given in pairs]
    frame = frame.assign(**texts, method=pd.Series(names, frame.index, dtype=object))
    backbones = frame.groupby("method")["backbone"].nunique()
    double = frame["method"].map(backbones) > 1
    return frame.assign(
        method=frame["method"].where(~double, frame["method"] + " (" + frame["backbone"] + ")")
    )


def conditions(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for values, part in frame.groupby(CONDITION, sort=False, dropna=False):
        yield dict(zip(CONDITION, values, strict=True)), part


def varying(frame: pd.DataFrame) -> list[str]:
    return [name for name in CONDITION if frame[name].nunique(dropna=False) > 1]
