"""`mlw compare ALGORITHM...`: all methods on the same tasks, one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli._results import print_summary
from workbench.cli._show import note, watch
from workbench.errors import UnknownName, UsageError
from workbench.plugin.registry import DEFAULT_DATASET, registry

PROTOCOL_HELP = "How test tasks are drawn: way-shot, within-group, unbalanced[:alpha=2], meta-dataset, prequential, stream, listed."

BASELINE_HELP = (
    "The methods to whose best the heat map compares; if left out, those that draw no tasks in training, are not "
    "transductive and use no oracle."
)


def compare(
    algorithm: Annotated[
        list[str],
        typer.Argument(
            metavar="ALGORITHM...", help="Algorithms, with options: maml:first_order=true."
        ),
    ],
    on: Annotated[
        list[str] | None,
        typer.Option("--on", "--test-on", help="Data sets, with options: omniglot:split=lake."),
    ] = None,
    train_on: Annotated[
        list[str] | None,
        typer.Option(help="Data sets to train on, several at once, if not each of --on its own."),
    ] = None,
    leave_one_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out", help="For each data set of --on, train on all the others together."
        ),
    ] = False,
    ways: Annotated[
        list[int] | None, typer.Option(help="Ways, one or several: 5 20; 5 if left out.")
    ] = None,
    shots: Annotated[
        list[int] | None, typer.Option(help="Shots, one or several: 1 5; 1 if left out.")
    ] = None,
    queries: Annotated[
        int | None,
        typer.Option(
            min=1, help="Queries a class at test; if left out, 15 or what the shots leave."
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help=PROTOCOL_HELP)] = "way-shot",
    episodes: Annotated[int, typer.Option(min=2, help="Test tasks, the same for all.")] = 600,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of each.")] = 1,
    task_seed: Annotated[int, typer.Option(min=0, help="Of the test tasks.")] = 0,
    backbone: Annotated[list[str] | None, typer.Option(help="Backbones, one or several.")] = None,
    recipe: Annotated[
        str, typer.Option(help="quick (minutes on two cores) or paper (what the authors did).")
    ] = "quick",
    baseline: Annotated[list[str] | None, typer.Option(help=BASELINE_HELP)] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Optimiser steps.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bfloat16.")] = None,
    train_ways: Annotated[int | None, typer.Option(min=2, help="Ways in training.")] = None,
    train_shots: Annotated[int | None, typer.Option(min=1, help="Shots in training.")] = None,
    train_queries: Annotated[
        int | None, typer.Option(min=1, help="Queries a class in training.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps ...")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute anew what is finished.")] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Say where published numbers come from, and how they differ."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print for a program to read.")] = False,
) -> None:
    """Train and judge methods on the same tasks: accuracy, and the paired difference to the best.

    What is finished is not computed again; a comparison that was stopped goes on.
    """
    places = on or [DEFAULT_DATASET]
    _refuse_swallowed(places)
    from workbench.experiments.compare import compare as run

    frame = run(
        algorithm,
        on=places,
        train_on=train_on or None,
        leave_one_out=leave_one_out,
        ways=ways or None,
        shots=shots or [1],
        queries=queries,
        protocol=protocol,
        episodes=episodes,
        seeds=seeds,
        task_seed=task_seed,
        backbone=backbone or None,
        recipe=recipe,
        baseline=baseline or None,
        out=out,
        device=device,
        fresh=fresh,
        watch=watch,
        note=note,
        steps=steps,
        lr=lr,
        precision=precision,
        train_ways=train_ways,
        train_shots=train_shots,
        train_queries=train_queries,
    )
    print_summary(frame, json=json, published=published)
    note(f"frames and figures: {frame.attrs['folder']}")


def _refuse_swallowed(places: list[str]) -> None:
    """`mlw compare --on omniglot protonet` takes protonet for a data set: say what happened."""
    for place in places:
        name = place.partition(":")[0]
        if name not in registry().entries("datasets"):
            try:
                registry().find("algorithms", name)
            except UnknownName:
                continue
            raise UsageError(f"{name} is an algorithm; put it before --on")
