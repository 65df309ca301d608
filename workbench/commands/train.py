"""`mlw train` as a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from workbench.commands.arguments import (
    checked,
    one,
    one_number,
    training_settings,
    workspace,
)
from workbench.commands.keywords import Data, RunKeywords
from workbench.experiments.plan import Plan, TrainingRequest, check_request, make_plan
from workbench.experiments.train_run import train_run
from workbench.plugin.registry import DEFAULT_DATASET
from workbench.progress import say_nothing
from workbench.tasks.splits import open_training_data, require_training_classes

if TYPE_CHECKING:
    from workbench.experiments.run import Run

KNOWN = ("algorithm", "on", "ways", "shots", *RunKeywords.__annotations__)


def train(
    algorithm: str | type,
    *,
    on: Data = DEFAULT_DATASET,
    ways: int = 5,
    shots: int = 1,
    **settings: Unpack[RunKeywords],
) -> Run:
    """Train one method; return its run, which `load` and `evaluate` take.

    >>> run = mlw.train("protonet", on="omniglot", shots=5)

    A finished run is read, and an interrupted training resumes.

    Args:
        algorithm: a spec, "maml:inner_steps=5,lr=1e-4"; or own code, as in `compare`.
        on: data sets, specs too, or own images, as in `compare`, on whose training classes it is
            trained, on all at once.
        ways, shots: of the test tasks that the run is meant for.
        settings: by name,

            - `backbone` (a spec), `recipe` ("quick" or "paper") and `seed` (for initial weights,
              tasks and batches).
            - of the workspace: `out` (folder of runs), `device`, `fresh` (recompute), `report` and
              `note` (told about progress), `track` (trackers, specs, told of what is computed).
            - any training setting of `mlw info`: `steps`, `lr`, ... None leaves the recipe's value.

    Raises:
        UsageError, DataError: before the training, if it cannot be done.
        TrainingError: the loss is not a number.
    """
    named = {"algorithm": algorithm, "on": on, "ways": ways, "shots": shots}
    given = checked({**named, **settings}, KNOWN, needed="algorithm")
    backbone = None
    if "backbone" in given:
        backbone = one("backbone", given["backbone"])
    place = workspace(given)
    request = TrainingRequest(
        ways=one_number("ways", given.get("ways", (5,))),
        shots=one_number("shots", given.get("shots", (1,))),
        backbone=backbone,
        recipe=given.get("recipe", "quick"),
        seed=given.get("seed", 0),
        settings=training_settings(given),
    )
    method = one("algorithm", given["algorithm"])
    check_request(method, request)
    data = open_training_data(given.get("on", (DEFAULT_DATASET,)))
    for dataset in data.members:
        require_training_classes(dataset, (method,))
    plan = make_plan(method, data, request)
    _tell_fewer(plan, request, given)
    return train_run(plan, data, place)


def _tell_fewer(plan: Plan, request: TrainingRequest, given: Mapping[str, Any]) -> None:
    """Say where the validation classes give fewer ways or shots than the user asks for."""
    note = given.get("note", say_nothing)
    for name, asked, most in (
        ("ways", request.ways, plan.validation.ways),
        ("shots", request.shots, plan.validation.shots),
    ):
        if name in given and most < asked and plan.episodic:
            note(
                f"--{name} {asked}: the weights are chosen on tasks of {most} {name}, as many as "
                f"the validation classes of {plan.data_label} allow"
            )
