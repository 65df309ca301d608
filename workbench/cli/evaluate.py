"""`mlw eval RUN`: one row a task, mean and 95% interval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli._results import print_summary
from workbench.cli._show import note
from workbench.cli.compare import PROTOCOL_HELP


def evaluate(
    run: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of them.")
    ],
    on: Annotated[
        list[str] | None,
        typer.Option("--on", "--test-on", help="Data sets; those trained on, if left out."),
    ] = None,
    ways: Annotated[list[int] | None, typer.Option(help="Ways, one or several: 5 20.")] = None,
    shots: Annotated[list[int] | None, typer.Option(help="Shots, one or several: 1 5.")] = None,
    queries: Annotated[
        int | None,
        typer.Option(min=1, help="Queries a class; if left out, 15 or what the shots leave."),
    ] = None,
    protocol: Annotated[str, typer.Option(help=PROTOCOL_HELP)] = "way-shot",
    episodes: Annotated[int, typer.Option(min=2, help="Test tasks.")] = 600,
    split: Annotated[str, typer.Option(help="train, val or test classes.")] = "test",
    seed: Annotated[int, typer.Option(min=0, help="Of the test tasks.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps ...")] = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute anew what was judged before.")
    ] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Say where published numbers come from, and how they differ."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print for a program to read.")] = False,
) -> None:
    """Judge trained runs on tasks of test classes, the same tasks for all."""
    import pandas as pd

    from workbench.experiments.evaluate_run import evaluate_run
    from workbench.experiments.run import find_runs
    from workbench.learning.device import select_device
    from workbench.plugin.options import TOGETHER
    from workbench.tasks.splits import open_data

    chosen = select_device(device)
    frames = []
    for each in find_runs(run):
        plan = each.about["plan"]
        for place in on or plan["data"].split(TOGETHER):
            data = open_data(place)
            for way in ways or [plan.get("ways")]:
                for shot in shots or [plan["val_shots"]]:
                    fitted, asked = data.fitting(split, way, shot, queries, usual=plan["val_ways"])
                    frames.append(
                        evaluate_run(
                            each,
                            data,
                            ways=fitted,
                            shots=shot,
                            queries=asked,
                            protocol=protocol,
                            episodes=episodes,
                            split=split,
                            seed=seed,
                            device=chosen,
                            fresh=fresh,
                        )
                    )
    print_summary(pd.concat(frames, ignore_index=True), json=json, published=published)
    note(
        f"one row a task: {run[0]}/eval"
        if len(run) == 1
        else "one row a task: eval/ in each run folder"
    )
