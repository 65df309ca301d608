"""What `compare` takes by name, with types: settings of tasks, trainings and the workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypedDict

from workbench.progress import Report


class TaskKeywords(TypedDict, total=False):
    """Which test tasks."""

    ways: int | Iterable[int] | None
    shots: int | Iterable[int]
    queries: int | None
    protocol: str
    episodes: int
    task_seed: int


class MethodKeywords(TypedDict, total=False):
    """With what, and how often, each method is trained."""

    backbone: str | Iterable[str] | None
    recipe: str
    seeds: int


class WorkspaceKeywords(TypedDict, total=False):
    """Where runs are kept and computed."""

    out: str | Path
    device: str
    fresh: bool
    report: Report | None
    note: Callable[[str], None]


class TrainKeywords(TypedDict, total=False):
    """The fields of `TrainSettings`; None leaves the recipe's value."""

    steps: int | None
    lr: float | None
    optimizer: str | None
    momentum: float | None
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


class CompareKeywords(TaskKeywords, MethodKeywords, WorkspaceKeywords, TrainKeywords, total=False):
    """All that `compare` takes by name."""
