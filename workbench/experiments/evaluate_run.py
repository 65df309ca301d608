"""Judge a run: one row a test task, beside the run.

That is done once: what was judged before is read.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench.data.download.manifest import overlap
from workbench.errors import UsageError
from workbench.experiments.fingerprint import RESULTS_VERSION, sources
from workbench.experiments.run import Run, training_data_of, writable
from workbench.learning.device import keep_freed_memory
from workbench.learning.evaluation import evaluate
from workbench.plugin.options import TOGETHER, option_text, parse_spec
from workbench.results.published import with_published
from workbench.storage import write_file, write_toml
from workbench.tasks.protocols.build import DEFAULT_PROTOCOL, build_protocol
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import TaskProtocol
from workbench.tasks.source import Source
from workbench.tasks.splits import Data, open_data, refuse_leak, require_same_shape


def evaluate_run(
    run: Run,
    data: Data,
    *,
    ways: int,
    shots: int,
    queries: int = 15,
    protocol: str = DEFAULT_PROTOCOL,
    episodes: int = 600,
    split: str = "test",
    seed: int = 0,
    device: torch.device,
    fresh: bool = False,
) -> pd.DataFrame:
    """Evaluate a run on tasks 0 to episodes - 1 of (data, split, protocol, seed); one row a task.

    Where the protocol asks several times within a task, one row an `instance`. What was judged before
    is read, not computed. `data` is the data set of the test tasks.

    Raises:
        UsageError: the learner has another number of ways, or was trained on images of another shape.
        DataError: the data set cannot give such tasks.
    """
    about = run.about
    plan = about["plan"]
    drawn_by = build_protocol(protocol, ways, shots, queries)
    if not drawn_by.ways:
        ways = shots = queries = 0  # they vary
    if plan.get("ways") not in (None, drawn_by.ways):
        raise UsageError(
            f"{run.folder.name} was trained for {plan['ways']} ways and cannot judge {ways or 'any number of them'}; "
            f"type: mlw train {run.label} --on {plan['data']} --ways {ways or 5}"
        )
    trained_on = open_data(plan["data"])
    if split == "test":
        refuse_leak(trained_on, data, earlier=training_data_of(run.plan(), run.folder.parent))
    require_same_shape(
        f"{run.folder.name} was trained on images of", about["data"]["image_shape"], data
    )
    asked: dict[str, Any] = {
        "data": data.label,
        "fingerprint": data.fingerprint,
        "split": split,
        "protocol": protocol,
    }
    asked |= {"ways": ways, "shots": shots, "queries": queries, "episodes": episodes, "seed": seed}
    # old weights under changed code are another answer
    covered = asked | {
        "results": RESULTS_VERSION,
        "sources": sources(run.plan()),
        "columns": COLUMNS,
    }
    digest = hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()[:8]
    form = f"{ways}w{shots}s" if ways else parse_spec(protocol).name
    path = (
        run.folder
        / "eval"
        / f"{data.name.replace('/', '-')}-{split}-{form}-{episodes}-{digest}.parquet"
    )
    if path.is_file() and not fresh:
        return with_published(pd.read_parquet(path))
    seen = data.name in (each.name for each in trained_on.each)
    options, selection = select_options(run, ways, shots, seen=seen, device=device)
    judged = _judged(run, data, drawn_by, episodes, split, seed, device, seen=seen, options=options)
    frame = judged.assign(**_columns(run, data, asked))
    frame["selection"] = frame["selection"].where(frame["selection"] != "", selection)
    frame = frame[COLUMNS]
    with writable(path.parent):
        write_toml(path.with_suffix(".toml"), covered)
        write_file(path, lambda part: frame.to_parquet(part, index=False))
    return with_published(frame)


COLUMNS = [
    *(
        "algorithm",
        "options",
        "all_options",
        "backbone",
        "train_on",
        "test_on",
        "domain",
        "split",
        "protocol",
    ),
    *(
        "ways",
        "shots",
        "queries",
        "train_seed",
        "task_seed",
        "task",
        "instance",
        "task_ways",
        "support",
    ),
    *("accuracy", "loss", "adapt_seconds", "episodic", "transductive", "selection"),
    *(
        "pretrained_on",
        "overlap",
        "calibration_error",
        "train_seconds",
        "eval_seconds",
        "parameters",
        "run",
        "part",
    ),
]


def select_options(
    run: Run, ways: int, shots: int, *, seen: bool, device: torch.device
) -> tuple[dict[str, Any], str]:
    """Choose what a method leaves to be chosen at test: by its accuracy on validation tasks of such ways and shots.

    Never by test tasks: the validation classes are those of the data that it was trained on. Done once for a form of
    tasks, and kept beside the evaluations.

    Returns:
        The options, and in words what was chosen on what.
    """
    plan = run.plan()
    if not plan.selects:
        return {}, ""
    data = open_data(plan.data)
    if run.learner(data, device, seen=seen).oracle:  # it knows already
        return {}, ""
    if not data.validates:
        return {}, "defaults: no validation classes"
    protocol = WayShot(*data.validation(ways, shots)) if ways else plan.val_protocol
    tasks = plan.settings.validate_tasks
    covered = {"selects": plan.selects, "protocol": repr(protocol), "tasks": tasks, "seen": seen}
    covered |= {"results": RESULTS_VERSION, "sources": sources(plan)}
    digest = hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()[:8]
    path = run.folder / "eval" / f"selection-{digest}.toml"
    if not path.is_file():
        source = Source(data.domains("val"), protocol, device=device)
        candidates = [
            dict(zip(plan.selects, values, strict=True))
            for values in product(*plan.selects.values())
        ]
        accuracies = []
        for options in candidates:
            learner = run.learner(data, device, seen=seen, options=options)
            accuracies.append(
                float(
                    evaluate(
                        learner, source, tasks, precision=plan.settings.precision
                    ).accuracy.mean()
                )
            )
        best = candidates[int(np.argmax(accuracies))]
        tried = [
            candidate | {"accuracy": value}
            for candidate, value in zip(candidates, accuracies, strict=True)
        ]
        with writable(path.parent):
            write_toml(path, {"options": best, "tried": tried} | covered)
    chosen = tomllib.loads(path.read_text(encoding="utf-8"))["options"]
    words = ", ".join(f"{name}={option_text(value)}" for name, value in chosen.items())
    validated = TOGETHER.join(each.label for each in data.each if "val" in each.tables)
    return chosen, f"{words} on validation classes of {validated}"


def _columns(run: Run, data: Data, asked: dict[str, Any]) -> dict[str, Any]:
    """What all rows of an evaluation share."""
    plan = run.plan()
    pretrained_on = run.about.get("pretrained_on", "")
    return {
        "algorithm": plan.algorithm,
        "options": plan.typed,
        "all_options": ",".join(
            f"{name}={option_text(value)}" for name, value in sorted(plan.options.items())
        ),
        "backbone": plan.backbone,
        "train_on": plan.data,
        "test_on": data.label,
        "domain": data.label,
        **{name: asked[name] for name in ("split", "protocol", "ways", "shots", "queries")},
        "train_seed": plan.seed,
        "episodic": plan.episodic,
        "pretrained_on": pretrained_on,
        "overlap": overlap(data.overlaps, pretrained_on) if pretrained_on else "",
        "task_seed": asked["seed"],
        "train_seconds": run.about["result"]["seconds"]
        + run.about["result"].get("seconds_before", 0.0),
        "run": run.folder.name,
        "part": "; ".join(dict.fromkeys([*open_data(plan.data).parts, *data.parts])),
    }


def _judged(
    run: Run,
    data: Data,
    protocol: TaskProtocol,
    episodes: int,
    split: str,
    seed: int,
    device: torch.device,
    **at_test: Any,
) -> pd.DataFrame:
    keep_freed_memory()
    plan = run.plan()
    protocol.check(data.classes(split), f"the {split} classes of {data.label}")
    source = Source(data.domains(split), protocol, seed=seed, device=device)
    learner = run.learner(open_data(plan.data), device, **at_test)
    result = evaluate(learner, source, episodes, precision=plan.settings.precision)
    return pd.DataFrame(
        {
            "task": result.task,
            "instance": result.instance,
            "task_ways": result.ways,
            "support": result.support,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "adapt_seconds": result.adapt_seconds,
            "transductive": learner.transductive,
            "selection": "oracle" if learner.oracle else "",
            "calibration_error": result.calibration_error,
            "eval_seconds": result.seconds,
            "parameters": sum(parameter.numel() for parameter in learner.parameters()),
        }
    )
