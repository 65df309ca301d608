"""What the functions take by name, with types: settings of tasks, trainings and the workspace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

from workbench.progress import Report

Place = str | os.PathLike[str]
"""A folder or file."""
Names = Place | Iterable[Place]
"""One name or folder, or several."""
Code = str | type | Iterable[str | type]
"""One spec, "FILE.py:CLASS" or class of a method or backbone, or several."""
Data = Any
"""One data set or several: what `workbench.commands.own.named_data` takes."""


class TaskKeywords(TypedDict, total=False):
    """Which test tasks."""

    ways: int | Iterable[int] | None
    shots: int | Iterable[int] | None
    queries: int | None
    protocol: str
    episodes: int
    task_seed: int
    calibrate: str


class MethodKeywords(TypedDict, total=False):
    """With what, and how often, each method is trained."""

    backbone: Code | None
    recipe: str
    seeds: int


class WorkspaceKeywords(TypedDict, total=False):
    """Where runs are kept and computed."""

    out: Place | None
    device: str | None
    fresh: bool
    report: Report | None
    note: Callable[[str], None]


class TrackKeywords(TypedDict, total=False):
    """What follows trainings and evaluations."""

    track: Names | None


class TrainKeywords(TypedDict, total=False):
    """The fields of `TrainSettings`; None leaves the recipe's value."""

    steps: int | None
    lr: float | None
    optimizer: str | None
    momentum: float | None
    eps: float | None
    weight_decay: float | None
    schedule: str | None
    decay_every: int | None
    decay_factor: float | None
    meta_batch: int | None
    stack: int | None
    batch_size: int | None
    clip_norm: float | None
    clip_value: float | None
    train_ways: int | None
    train_shots: int | None
    train_queries: int | None
    augment: str | None
    train_protocol: str | None
    init: str | None
    teachers: str | None
    validate_every: int | None
    validate_tasks: int | None
    keep: str | None
    precision: str | None


class CompareKeywords(
    TaskKeywords, MethodKeywords, WorkspaceKeywords, TrackKeywords, TrainKeywords, total=False
):
    """All that `compare` takes by name."""


class TuneKeywords(TaskKeywords, WorkspaceKeywords, TrainKeywords, total=False):
    """What `tune` takes by name."""

    backbone: str | type | None
    recipe: str
    trials: int
    hours: float | None
    sampler: str
    seed: int


class RecommendKeywords(WorkspaceKeywords, TrainKeywords, total=False):
    """What `recommend` takes by name, besides the data sets."""

    shots: int | None
    ways: int | None
    folds: int
    size: int
    candidates: Code | None
    experience: Place | None
    backbone: str | type | None
    recipe: str


class RunKeywords(WorkspaceKeywords, TrackKeywords, TrainKeywords, total=False):
    """What `train` takes by name, besides ways and shots."""

    backbone: str | type | None
    recipe: str
    seed: int


class EvaluateKeywords(TaskKeywords, TrackKeywords, total=False):
    """What `evaluate` takes by name, besides the data sets."""

    split: str
    code: Code | None
    device: str | None
    fresh: bool
    report: Report | None
    note: Callable[[str], None]


class LayoutKeywords(TypedDict, total=False):
    """What the folders and tables of a user's own images mean; the fields of `LayoutChoice`."""

    label: str
    level: str | int
    split_from: str | int
    group_from: str | int
    only: str
