"""`mlw train ALGORITHM`: one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import _show
from workbench.plugin.recipes import ways_and_shots
from workbench.plugin.registry import DEFAULT_DATASET


def train(
    algorithm: Annotated[
        str, typer.Argument(help="An algorithm, with options: maml:inner_steps=5,lr=1e-4.")
    ],
    on: Annotated[list[str] | None, typer.Option(help="Data sets, several at once.")] = None,
    ways: Annotated[int, typer.Option(min=2, help="Ways at test.")] = 5,
    shots: Annotated[int, typer.Option(min=1, help="Shots at test.")] = 1,
    queries: Annotated[int | None, typer.Option(min=1, help="Queries a class in training.")] = None,
    train_ways: Annotated[int | None, typer.Option(min=2, help="Ways in training.")] = None,
    train_shots: Annotated[int | None, typer.Option(min=1, help="Shots in training.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Backbone, with options: conv4:width=32.")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="quick (minutes on two cores) or paper (what the authors did).")
    ] = "quick",
    steps: Annotated[int | None, typer.Option(min=0, help="Optimiser steps.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bfloat16.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of first weights, tasks and batches.")] = 0,
    init: Annotated[
        str | None,
        typer.Option(
            help="Whose weights to start from: a run folder, or an algorithm to train first."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps ...")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Train anew what is finished.")] = False,
) -> None:
    """Train one method into a run folder; again, it goes on where it stopped."""
    from workbench.experiments.plan import make_plan
    from workbench.experiments.train_run import train_run
    from workbench.learning.device import select_device
    from workbench.plugin.options import TOGETHER
    from workbench.tasks.splits import open_data

    chosen = select_device(device)
    flags = {
        "steps": steps,
        "lr": lr,
        "precision": precision,
        "train_ways": train_ways,
        "train_shots": train_shots,
    }
    flags |= {"train_queries": queries, "init": init}
    data = open_data(TOGETHER.join(on or [DEFAULT_DATASET]))
    plan = make_plan(
        algorithm,
        data,
        ways=ways,
        shots=shots,
        backbone=backbone,
        recipe=recipe,
        seed=seed,
        settings={key: value for key, value in flags.items() if value is not None},
    )
    run = train_run(plan, data, out, device=chosen, fresh=fresh, watch=_show.watch)
    result = run.about["result"]
    if left := result["not_initialised"]:
        _show.note(f"not in {plan.settings.init}, so trained from the start: {', '.join(left)}")
    took = f"{result['steps']} steps in {_show.duration(result['seconds'])}"
    if drawn := plan.protocol:
        took += f" on tasks of {ways_and_shots(drawn.ways, plan.settings.train_shots or 0)}"
    if "best_val_accuracy" in result:
        took += f", {result['kept']} weights kept"
        took += f", validation accuracy {100 * result['best_val_accuracy']:.1f}% at step {result['best_step']}"
    else:
        took += ", last weights kept: there was no validation"
    _show.note(f"{took}; next: mlw eval {run.folder}")
    _show.out(str(run.folder))
