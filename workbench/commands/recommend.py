"""`mlw recommend DATA` as a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from workbench.commands.arguments import (
    checked,
    one,
    one_number,
    training_settings,
    workspace,
)
from workbench.commands.download import download
from workbench.commands.keywords import Names, Place, RecommendKeywords
from workbench.data.opening import OpenDataset, open_dataset
from workbench.errors import DataError
from workbench.experiments.cells import Comparison
from workbench.experiments.compare import run_comparison
from workbench.experiments.reported import evaluations_of
from workbench.experiments.run import find_runs, readable_runs
from workbench.experiments.workspace import writable
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry
from workbench.progress import say_nothing
from workbench.recommending.experience import (
    COLUMNS,
    SHIPPED,
    experience_of,
    read_experience,
    specs_of,
    write_experience,
)
from workbench.recommending.landmarks import landmarks
from workbench.recommending.ranking import expected_shortfall, shortlist, static_choice
from workbench.recommending.resampling import corrected_interval
from workbench.storage import refuse_to_replace, write_file
from workbench.tasks.settings import EvaluationSettings
from workbench.tasks.splits import (
    class_index,
    joined_label,
    training_data_for,
    usual_queries,
)

if TYPE_CHECKING:
    import pandas as pd

KNOWN = ("data", "train_on", *RecommendKeywords.__annotations__)
PHOTOGRAPHS = "miniimagenet"  # what methods learn from, if it was downloaded
SHOTS = 5
MOST_WAYS = 20  # of a split of the user's images, unless more are asked for
FEWEST_IMAGES = 3  # of a class: one to learn from, and two splits that differ


@dataclass(frozen=True)
class Recommendation:
    """What `recommend` found.

    `table` has one row per method of the shortlist, the recommended first: `method`; `expected`,
    by how much it falls short of the best on similar data sets; `accuracy` over splits of the
    user's images, and `difference` to the recommended one, paired, both with an `_interval`;
    `static`, whether it is the choice for any data; and `run`, its folder.
    """

    method: str  # a spec
    run: Path
    data: str  # the spec of the user's data set
    train_on: str
    ways: int
    shots: int
    queries: int
    table: pd.DataFrame
    tasks: pd.DataFrame  # one row per split and method, with the columns of all tasks frames


def recommend(
    data: Place,
    *,
    train_on: Names | None = None,
    **settings: Unpack[RecommendKeywords],
) -> Recommendation:
    """Recommend a method for a data set: from experience with others, and its own images.

    >>> found = mlw.recommend("photos/birds", shots=5)
    >>> print(found.method, found.table)

    A ranking learnt from comparisons on other data sets gives a shortlist. These methods are
    trained on `train_on`, and evaluated on repeated splits of the labelled images alone.

    Args:
        data: a data set, or a folder of images by class, which becomes one; with options,
            "photos/birds:size=28".
        train_on: data sets that the methods learn from. If omitted, miniImageNet if it was
            downloaded, otherwise the built-in glyphs.
        settings: by name,

            - of the splits: `shots` (images of each class to learn from, 5), `ways` (classes; all,
              at most 20) and `folds` (splits, 50).
            - of the shortlist: `size` (methods, 4), `candidates` (specs, in place of the ranking)
              and `experience` (a table of `learn_experience`).
            - of the trainings: `backbone` and `recipe`.
            - of the workspace: `out` (folder of runs), `device`, `fresh`, `report` and `note`.
            - any training setting of `mlw info`: `steps`, `lr`, ... None leaves the recipe's value.

    Raises:
        UsageError, DataError: before anything is trained, if it cannot be done; for instance if a
            class has fewer than 3 images.
    """
    given = checked({"data": data, "train_on": train_on, **settings}, KNOWN, needed="data")
    place = workspace(given)
    dataset = open_dataset(_spec_of(one("data", given["data"]), place.note), report=place.report)
    split = _split_of(dataset, given, place.note)
    table = read_experience(given.get("experience", SHIPPED))
    names = table["data"].map(lambda label: parse_spec(label).name)
    table = table[names != dataset.name]  # what is known of it would be no prediction
    if table.empty:
        raise DataError(
            f"The table of experience has no data set but {dataset.label}; omit --experience, or "
            "make one from comparisons on others: mlw recommend --learn-from runs "
            "--experience experience.csv"
        )
    like = landmarks(dataset.table("test"))
    expected = expected_shortfall(table, like, split.ways or 0, split.shots)
    static = static_choice(table)
    methods = given.get("candidates") or shortlist(expected, static, given.get("size", 4))
    sources = given.get("train_on") or (_to_learn_from(dataset, place.note),)
    comparison = Comparison(
        algorithms=tuple(methods),
        on=(dataset.label,),
        train_on=tuple(sources),
        evaluations=(split,),
        backbones=(given["backbone"][0] if "backbone" in given else None,),
        recipe=given.get("recipe", "quick"),
        settings=training_settings(given),
    )
    frame = run_comparison(comparison, place)
    images = len(dataset.table("test").images)
    found = _in_order(frame, split, images, expected, static)
    first = found.iloc[0]
    return Recommendation(
        method=first["method"],
        run=place.out / first["run"],
        data=dataset.label,
        train_on=joined_label(sources),
        ways=split.ways or 0,
        shots=split.shots,
        queries=split.queries or 0,
        table=found,
        tasks=frame,
    )


def learn_experience(
    runs: Names,
    *,
    experience: Place,
    note: Callable[[str], None] = say_nothing,
) -> pd.DataFrame:
    """Write the table that `recommend` ranks methods with, from evaluated runs.

    >>> mlw.learn_experience("runs", experience="experience.csv")

    Args:
        runs: run folders, or folders of them.
        experience: the CSV file to write.
        note: told what is left out, a line at a time.

    Raises:
        RunError, DataError: there are no runs, no two methods met the same tasks, a data set is
            not here any more, or the file cannot be written.
    """
    known = ("runs", "experience", "note")
    given = checked({"runs": runs, "experience": experience, "note": note}, known, needed="runs")
    tell = given.get("note", say_nothing)
    shown = evaluations_of(readable_runs(find_runs(given["runs"]), tell), tell)
    like = {}
    for label in shown.tasks["test_on"].unique():
        like[label] = landmarks(open_dataset(label).table("test"))
    table = experience_of(shown.tasks, like)
    place = given["experience"]
    refuse_to_replace(place, ",".join(COLUMNS))
    with writable(place.absolute().parent):
        write_file(place.resolve(), lambda part: write_experience(table, part))
    return table


def _spec_of(data: str, note: Callable[[str], None]) -> str:
    """Return the spec of a data set; make one of a folder of images, "photos/birds:size=28"."""
    place, colon, options = data.partition(":")
    if not Path(place).exists() or registry().knows("datasets", place):
        return data
    name = re.sub(r"[^a-z0-9]+", "-", Path(place).resolve().stem.lower()).strip("-") or "images"
    if registry().knows("datasets", name):
        name = f"my-{name}"
    note(f"{place} becomes the data set {name}")
    return download(f"{name}{colon}{options}", source=place, note=note).name


def _to_learn_from(dataset: OpenDataset, note: Callable[[str], None]) -> str:
    """Return the data set that methods learn from, in the shape of the user's images."""
    photographs = training_data_for(dataset.image_shape, PHOTOGRAPHS)
    try:
        return open_dataset(photographs).label
    except DataError:
        built_in = training_data_for(dataset.image_shape)
        note(
            f"methods learn from {built_in}, which is built in; for photographs, more can be "
            f"learnt from others: mlw download {PHOTOGRAPHS}"
        )
        return built_in


def _split_of(
    dataset: OpenDataset, given: Mapping[str, Any], note: Callable[[str], None]
) -> EvaluationSettings:
    """Return how the user's images are split: shots of each class to learn from, and queries."""
    classes = class_index(dataset, "test")
    fewest = int(classes.counts.min())
    name = dataset.table("test").names[int(classes.counts.argmin())]
    if fewest < FEWEST_IMAGES:
        images = "image" if fewest == 1 else "images"
        raise DataError(
            f"Class {name} of {dataset.label} has {fewest} {images}, and splits need at least "
            f"{FEWEST_IMAGES} in each class; add images, or take what is best elsewhere: "
            f"mlw compare {static_choice(read_experience())} --train-on "
            f"{training_data_for(dataset.image_shape)} --on {dataset.label} "
            f"--ways {min(len(classes.counts), MOST_WAYS)}"
        )
    shots = one_number("shots", given.get("shots", (SHOTS,)))
    ways = one_number("ways", given.get("ways", (min(len(classes.counts), MOST_WAYS),)))
    if shots >= fewest:
        note(f"{fewest - 1} shots instead of {shots}, because class {name} has {fewest} images")
        shots = fewest - 1
    return EvaluationSettings(
        ways=ways,
        shots=shots,
        queries=usual_queries(fewest, shots),
        episodes=given.get("folds", 50),
    )


def _in_order(
    frame: pd.DataFrame,
    split: EvaluationSettings,
    images: int,
    expected: pd.Series[float],
    static: str,
) -> pd.DataFrame:
    """Return the methods as `Recommendation.table` has them, the recommended first.

    That is the first of the ranking among those that the user's images do not tell from the best.
    """
    import pandas as pd

    ways, queries = split.ways or 0, split.queries or 0
    sizes = {"train": ways * split.shots, "test": ways * queries, "images": images}
    of_runs = frame.drop_duplicates("run")
    spec_of = dict(zip(of_runs["run"], specs_of(of_runs), strict=True))
    by_run = {}
    for run in spec_of:
        by_run[run] = frame[frame["run"] == run].set_index("task")["accuracy"]
    best = max(by_run.values(), key=lambda accuracies: float(accuracies.mean()))
    rows = []
    for run, spec in spec_of.items():
        below, interval = corrected_interval(by_run[run] - best, **sizes)
        accuracy, own_interval = corrected_interval(by_run[run], **sizes)
        rows.append(
            {
                "method": spec,
                "expected": expected.get(spec, np.nan),
                "accuracy": accuracy,
                "accuracy_interval": own_interval,
                "static": spec == static,
                "run": run,
                "worse": below + interval < 0,
            }
        )
    table = pd.DataFrame(rows).sort_values(["worse", "expected"], kind="stable")
    first = by_run[table["run"].iloc[0]]
    pairs = [corrected_interval(by_run[run] - first, **sizes) for run in table["run"]]
    table["difference"], table["difference_interval"] = zip(*pairs, strict=True)
    rest = table.iloc[1:].sort_values("accuracy", ascending=False, kind="stable")
    return pd.concat([table.iloc[:1], rest], ignore_index=True).drop(columns="worse")
