"""The first test tasks of reported runs, drawn and answered again, to be looked at.

A frame says which queries are answered rightly, not what the others are taken for. Task i is a pure
function of the data, so the prepared images and the weights give the answers again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.data.catalog import find_dataset
from workbench.data.opening import OpenDataset, fingerprint_today, open_dataset
from workbench.errors import RunError, WorkbenchError
from workbench.experiments.evaluate_run import checked_data, source_of, trained_method
from workbench.experiments.fingerprint import RESULTS_VERSION, digest, source_checksums
from workbench.experiments.own_code import require_code
from workbench.experiments.run import Run
from workbench.experiments.selection import select_options
from workbench.experiments.workspace import Workspace
from workbench.learning.answering import Answered, answers_to
from workbench.progress import teller
from workbench.results.examples import Confusion, Examples, ExampleTask, ShownTasks
from workbench.results.frame import records
from workbench.results.grouping import conditions, labelled, varying
from workbench.results.wording import condition_title
from workbench.tasks.settings import EvaluationSettings, EvaluationTasks, evaluation_tasks

COUNTED = 100  # tasks over which confusions are counted


class _Method(NamedTuple):
    """A method under a condition: its first run there."""

    label: str
    run: Run
    rows: pd.DataFrame  # of the run, by task


def shown_tasks(
    runs: Mapping[str, Run], frame: pd.DataFrame, count: int, workspace: Workspace
) -> ShownTasks:
    """Return the first tasks of each condition, with the answers of its methods.

    Confusions are counted over the first 100 tasks, or as many as were evaluated. Of several
    training seeds, the first is asked. What cannot be shown is a reason in words.

    Args:
        runs: by the names in the frame.
        frame: a tasks frame.
        count: tasks to show as pictures.
    """
    table = labelled(frame)
    several = set(table.loc[table["instance"] > 0, "protocol"])
    varied = varying(table)
    examples = []
    reasons: dict[str, None] = {}
    for protocol in sorted(several):
        reasons[f"{protocol} asks several times about a task, which pictures do not show"] = None
    for condition, rows in conditions(table[~table["protocol"].isin(several)]):
        title = condition_title(condition, varied)
        asked = records(frame.loc[rows.index[:1]])[0]  # with the names of data as specs
        try:
            tasks = _tasks(asked, min(COUNTED, rows["task"].nunique()))
        except WorkbenchError as error:
            reasons[f"{title}: {error}"] = None
            continue
        answered = []
        for method in _methods(runs, rows):
            try:
                answered.append((method, _answers(method, tasks, workspace)))
            except WorkbenchError as error:
                reasons[f"{method.label}, {title}: {error}"] = None
        if answered:
            examples.append(_examples(title, tasks, answered, count))
    return ShownTasks(tuple(examples), tuple(reasons))


def _tasks(asked: Mapping[str, Any], episodes: int) -> EvaluationTasks:
    """Return the tasks that a row of a frame is of.

    Raises:
        WorkbenchError: their images are not at hand.
    """
    data = asked["test_on"]
    if asked["results_version"] != RESULTS_VERSION:
        raise RunError("its tasks are of another version; evaluate again: mlw eval RUN")
    now = fingerprint_today(data)
    if not now:
        find_dataset(data)  # raises if nothing here has the name
        raise RunError(f"the images of {data} are not in the cache; run: mlw download {data}")
    if now != asked["test_fingerprint"]:
        raise RunError(f"{data} has other images today; evaluate again: mlw eval RUN")
    given = {name: asked[name] for name in ("ways", "shots", "queries") if asked[name] is not None}
    settings = EvaluationSettings(
        protocol=asked["protocol"],
        episodes=episodes,
        task_seed=asked["task_seed"],
        split=asked["split"],
        **given,
    )
    return evaluation_tasks(open_dataset(data), settings)


def _methods(runs: Mapping[str, Run], rows: pd.DataFrame) -> list[_Method]:
    found = []
    for label, of_method in rows.groupby("method", sort=False):
        first = of_method.sort_values("train_seed", kind="stable").iloc[0]["run"]
        of_run = of_method[of_method["run"] == first].set_index("task")
        found.append(_Method(str(label), runs[first], of_run))
    return found


def _answers(method: _Method, tasks: EvaluationTasks, workspace: Workspace) -> list[Answered]:
    """Return the answers of a method, by the code that it was evaluated with.

    Raises:
        WorkbenchError: it cannot be evaluated as it was.
    """
    run = method.run
    require_code(run)
    sources = source_checksums(run.plan)
    if digest(sources) != method.rows["code"].iloc[0]:
        raise RunError(f"its code has changed; evaluate again: mlw eval {run.folder}")
    trained = trained_method(run, tasks, checked_data(run, tasks, workspace, None), workspace)
    return answers_to(
        trained.learner(select_options(trained, tasks, sources).options),
        source_of(trained, tasks),
        tasks.settings.episodes,
        precision=run.plan.settings.precision,
        tell=teller(workspace.report, f"{run.label}: examples on {tasks.dataset.label}"),
    )


def _examples(
    title: str,
    tasks: EvaluationTasks,
    answered: Sequence[tuple[_Method, Sequence[Answered]]],
    count: int,
) -> Examples:
    """Return what is shown of a condition."""
    by_method = {method.label: answers for method, answers in answered}
    drawn = _Drawn(tasks.dataset, tasks.settings.split)
    first = min(map(len, by_method.values()))
    shown = [
        drawn.example({name: answers[place] for name, answers in by_method.items()})
        for place in range(min(count, first))
    ]
    differing = {}
    for method, answers in answered:
        differing[method.label] = sum(_differing(each, method.rows["hits"]) for each in answers)
    return Examples(title, tuple(shown), drawn.confusion(by_method), differing)


def _differing(answers: Answered, hits: pd.Series[Any]) -> int:
    """Return how many answers to a task are right here and wrong in the evaluation, or reverse."""
    number = int(answers.rows.task[0])
    then = np.array(hits.get(number, ()))
    now = answers.labels == answers.rows.query_y[0]
    if len(then) != len(now):
        return 0  # the evaluation kept no answers to this task
    return int((now != then.astype(bool)).sum())


class _Drawn:
    """Tasks as images and names of classes."""

    def __init__(self, dataset: OpenDataset, split: str) -> None:
        self.table = dataset.table(split)

    def classes(self, answers: Answered) -> NDArray[np.int64]:
        """Return the class of each label of a task, a place in the classes of the split."""
        rows = answers.rows
        of_row = np.searchsorted(self.table.starts, rows.support[0], side="right") - 1
        found = np.zeros(rows.ways, np.int64)
        found[rows.support_y[0]] = of_row
        return found

    def example(self, by_method: Mapping[str, Answered]) -> ExampleTask:
        answers = next(iter(by_method.values()))
        rows = answers.rows
        return ExampleTask(
            number=int(rows.task[0]),
            classes=tuple(self.table.names[place] for place in self.classes(answers)),
            support=self.table.images[rows.support[0]],
            support_y=rows.support_y[0],
            query=self.table.images[rows.query[0]],
            query_y=rows.query_y[0],
            answers={name: each.labels for name, each in by_method.items()},
            probabilities={name: each.probabilities for name, each in by_method.items()},
        )

    def confusion(self, by_method: Mapping[str, Sequence[Answered]]) -> Confusion:
        """Return how often each class is taken for each other."""
        answered = next(iter(by_method.values()))
        met = np.unique(np.concatenate([self.classes(each) for each in answered]))
        size = len(met)
        choices = np.zeros((size, size), np.int64)
        for each in answered:
            places = np.searchsorted(met, self.classes(each))
            queries = np.bincount(each.rows.query_y[0], minlength=len(places))
            choices[np.ix_(places, places)] += queries[:, None]
        counts = {}
        for name, answers in by_method.items():
            table = np.zeros((size, size), np.int64)
            for each in answers:
                places = np.searchsorted(met, self.classes(each))
                given = each.labels >= 0
                true = places[each.rows.query_y[0][given]]
                np.add.at(table, (true, places[each.labels[given]]), 1)
            counts[name] = table
        return Confusion(
            tasks=len(answered),
            classes=tuple(self.table.names[place] for place in met),
            pictures=self.table.images[self.table.starts[met]],
            counts=counts,
            choices=choices,
        )
