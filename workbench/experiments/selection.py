"""Options that are chosen at test, by accuracy on validation tasks. Test tasks choose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbench.errors import DataError
from workbench.experiments.fingerprint import RESULTS_VERSION, digest
from workbench.experiments.run import EVALUATIONS
from workbench.experiments.run_files import WEIGHTS
from workbench.experiments.trained import TrainedMethod
from workbench.experiments.workspace import COPY_IT, writable
from workbench.plugin.options import options_text
from workbench.results.wording import enumerated
from workbench.storage import read_sealed_toml, write_sealed_toml
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.protocols.stream import Stream
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import TaskProtocol, TaskShape
from workbench.tasks.settings import EvaluationTasks
from workbench.tasks.source import Source


@dataclass(frozen=True)
class Selection:
    """The options that were chosen at test, on validation tasks."""

    options: Mapping[str, Any]
    selected: str = ""  # "tune_lr=0.01"; "" if there was nothing to choose
    # data sets whose validation classes chose; () for defaults
    selected_on: tuple[str, ...] = ()
    departures: tuple[
        str, ...
    ] = ()  # where the validation tasks are not drawn as those of the test


class ValidationTasks(NamedTuple):
    """The tasks that choose."""

    protocol: TaskProtocol
    departures: tuple[str, ...]  # where they are not drawn as those of the test


def select_options(
    trained: TrainedMethod, tasks: EvaluationTasks, sources: Mapping[str, str]
) -> Selection:
    """Choose what a method leaves open until test, by accuracy on validation tasks.

    Test tasks choose nothing: the validation classes are those of the training data. Validation
    tasks are drawn by the test's protocol, if the validation classes allow. The choice is made once
    for each shape of tasks, and kept beside the evaluations.
    """
    plan = trained.run.plan
    if not plan.selects or trained.learner().oracle:  # an oracle knows already
        return Selection({})
    if not trained.data.validated_on:
        defaults = {name: plan.options[name] for name in plan.selects}
        return Selection({}, options_text(defaults))
    protocol, departures = validation_tasks(trained, tasks, "test-time options were")
    covered = {
        "selects": plan.selects,
        "protocol": repr(protocol),
        "tasks": plan.settings.validate_tasks,
        "seen": trained.seen,
        "results": RESULTS_VERSION,
        "sources": dict(sources),
        "weights": trained.run.manifest.checksums.get(WEIGHTS),
    }
    path = trained.run.folder / EVALUATIONS / f"selection-{digest(covered)}.toml"
    chosen = _chosen_before(path, covered)
    if chosen is None:
        chosen, tried = _try_all(trained, protocol)
        with writable(path.parent, COPY_IT):
            write_sealed_toml(path, {"options": chosen, "tried": tried, **covered})
    return Selection(chosen, options_text(chosen), trained.data.validated_on, departures)


def _chosen_before(path: Path, covered: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options that were chosen earlier.

    None if there are none, they are damaged, or were chosen in another run or on other tasks.
    """
    try:
        content = read_sealed_toml(path)
    except (OSError, ValueError, RecursionError):
        return None
    selects = covered["selects"]
    same = [content.get(name) == value for name, value in covered.items() if name != "selects"]
    chosen = content.get("options")
    if not all(same) or not isinstance(chosen, dict) or set(chosen) != set(selects):
        return None
    if any(chosen[name] not in values for name, values in selects.items()):
        return None
    return chosen


def validation_tasks(trained: TrainedMethod, tasks: EvaluationTasks, what: str) -> ValidationTasks:
    """Return validation tasks drawn as those of the test, or else N-way K-shot tasks.

    Args:
        what: is chosen on them, and its verb, for a departure: "test-time options were".
    """
    wanted, asked = tasks.shape, tasks.settings.protocol
    shape = trained.data.validation_shape(wanted.ways, wanted.shots)
    protocol = build_protocol(asked, *shape)
    if isinstance(protocol, Stream):  # one choice for all that is asked about a stream
        protocol = replace(protocol, asked="new", first=0)
    try:
        for domain in trained.data.domains("val"):
            protocol.check(domain.classes, f"the validation classes of {domain.name}")
    except DataError as error:
        if tasks.ways is None:  # the shape of the test is nobody's
            shape = trained.run.plan.validation
        return ValidationTasks(WayShot(*shape), (_instead(trained, what, shape, str(error)),))
    fewer = shape.ways < wanted.ways or shape.shots < wanted.shots
    if tasks.ways is None or not fewer:
        return ValidationTasks(protocol, ())
    names = enumerated(trained.data.validated_on)
    reason = f"the validation classes of {names} give no more ways and shots"
    return ValidationTasks(protocol, (_instead(trained, what, shape, reason),))


def _instead(trained: TrainedMethod, what: str, shape: TaskShape, reason: str) -> str:
    return (
        f"{trained.run.label}: {what} chosen on {shape.ways}-way "
        f"{shape.shots}-shot tasks, because {reason}"
    )


def _try_all(
    trained: TrainedMethod, protocol: TaskProtocol
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the best combination of values, and the accuracy of each on validation tasks."""
    plan = trained.run.plan
    source = Source(trained.data.domains("val"), protocol, device=trained.device)
    candidates = []
    tried = []
    accuracies = []
    for values in product(*plan.selects.values()):
        options = dict(zip(plan.selects, values, strict=True))
        result = trained.evaluate(trained.learner(options), source, plan.settings.validate_tasks)
        accuracy = float(result.accuracy.mean())
        candidates.append(options)
        accuracies.append(accuracy)
        tried.append({**options, "accuracy": accuracy})
    return candidates[int(np.argmax(accuracies))], tried
