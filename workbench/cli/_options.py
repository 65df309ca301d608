"""Options that commands share, each written once, in groups.

A command takes groups as parameters:

    @flat
    def compare(algorithm: ..., *, tasks: TaskOptions, place: PlaceOptions) -> None: ...

`flat` shows Typer one parameter for each field of a group.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from workbench.cli import _complete
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks.protocols.names import PROTOCOLS

# --- single options

Baseline = Annotated[
    list[str] | None,
    typer.Option(
        help="Baselines; each column of the heat map is compared with the best of them. If "
        "omitted: the methods that draw no tasks in training, are not transductive and use no "
        "oracle.",
        autocompletion=_complete.algorithms,
    ),
]
Published = Annotated[
    bool,
    typer.Option("--published", help="Say where published numbers come from and how they differ."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Code = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE.py", help="Own code that runs were made of: a file, or FILE.py:CLASS."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda, cuda:1, mps ...",
        show_default="MLW_DEVICE, or auto",
        autocompletion=_complete.one_of("auto", "cpu", "cuda", "mps"),
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run folders.", show_default="MLW_OUT, or runs"),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ignore cached results and recompute.")]

Track = Annotated[
    list[str] | None,
    typer.Option(
        help="Trackers to follow the work with: tensorboard, trackio:project=birds.",
        autocompletion=_complete.trackers,
    ),
]


# --- groups


@dataclass
class TaskOptions:
    """Which test tasks."""

    ways: Annotated[
        list[int] | None, typer.Option(help="Classes per test task, one or several: 5 20.")
    ] = None
    shots: Annotated[
        list[int] | None, typer.Option(help="Support images per class, one or several: 1 5.")
    ] = None
    queries: Annotated[
        int | None,
        typer.Option(
            help="Query images per class of a test task. If omitted: 15, or what the shots leave.",
        ),
    ] = None
    protocol: Annotated[
        str,
        typer.Option(
            help=f"How test tasks are drawn: {', '.join(PROTOCOLS)}. "
            "With options: unbalanced:alpha=5.",
            autocompletion=_complete.protocols,
        ),
    ] = DEFAULT_PROTOCOL
    episodes: Annotated[int, typer.Option(help="Test tasks, the same for all.")] = 600
    task_seed: Annotated[int, typer.Option(help="Seed for the test tasks.")] = 0
    calibrate: Annotated[
        str,
        typer.Option(
            help="none, or temperature: also show how sure methods are once their scores are "
            "divided by a number that validation tasks choose.",
            autocompletion=_complete.one_of("none", "temperature"),
        ),
    ] = "none"


@dataclass
class TrainingOptions:
    """How to train."""

    recipe: Annotated[
        str,
        typer.Option(
            help="quick (minutes on two cores) or paper (as the authors trained).",
            autocompletion=_complete.one_of("quick", "paper"),
        ),
    ] = "quick"
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None
    precision: Annotated[
        str | None,
        typer.Option(
            help="Precision of networks: float32 or bfloat16.",
            autocompletion=_complete.one_of("float32", "bfloat16"),
        ),
    ] = None
    train_ways: Annotated[int | None, typer.Option(help="Classes per training task.")] = None
    train_shots: Annotated[
        int | None, typer.Option(help="Support images per class of a training task.")
    ] = None
    train_queries: Annotated[
        int | None, typer.Option(help="Query images per class of a training task.")
    ] = None


@dataclass
class PlaceOptions:
    """Where to compute and where runs are kept."""

    out: Out = None
    device: Device = None
    fresh: Fresh = False


@dataclass
class OutputOptions:
    """What to print."""

    published: Published = False
    json: Json = False


# --- groups as parameters


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose groups are shown as single parameters."""
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    shown: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            shown += _parameters(hints[name])
        else:
            shown.append(parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            values = {field.name: given.pop(field.name) for field in fields(group)}
            given[name] = group(**values)
        command(**given)

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_parameter(field, hints[field.name]) for field in fields(group)]


def _parameter(field: Field[Any], hint: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint
    )
