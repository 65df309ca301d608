"""`mlw predict RUN` as a function."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from workbench.commands.arguments import checked, one
from workbench.commands.keywords import LayoutKeywords, Names, Place
from workbench.data.files.decode import EVERY_LEVEL
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.opening import open_dataset
from workbench.errors import UsageError
from workbench.experiments.fingerprint import source_checksums
from workbench.experiments.run import Run, find_run
from workbench.experiments.selection import select_options
from workbench.experiments.trained import TrainedMethod
from workbench.experiments.workspace import writable
from workbench.learning.device import select_device
from workbench.predicting.answer import probabilities
from workbench.predicting.pictures import (
    Pictures,
    queries,
    support_of_dataset,
    support_of_files,
)
from workbench.predicting.sheet import contact_sheet
from workbench.progress import say_nothing
from workbench.storage import refuse_to_replace, write_file
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import TaskShape
from workbench.tasks.settings import EvaluationSettings, EvaluationTasks
from workbench.tasks.splits import open_training_data

if TYPE_CHECKING:
    import pandas as pd

FILES = ("run", "support", "query", "out", "html")
KNOWN = (*FILES, "device", "note", *LayoutKeywords.__annotations__)
ANY_WAYS = "protonet baseline simpleshot"  # methods that take any number of classes, for messages


@dataclass(frozen=True)
class Predictions:
    """What `predict` found.

    `table` has one row per image: `file`; `predicted`, its class; `probability`, of that class;
    `margin`, how far the probability of the next is below; `label`, the class that its folder
    says, or ""; and `p:CLASS`, the probability of each class. An image on which the method broke
    down has no class and no numbers.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    support: tuple[int, ...]  # images of each class
    transductive: bool  # the images decided about one another
    unreadable: tuple[str, ...]  # files that are left out

    @property
    def accuracy(self) -> float:
        """The share of images whose class is right, 0..1; NaN if their classes are not known."""
        if (self.table["label"] == "").any():
            return float("nan")
        return float((self.table["label"] == self.table["predicted"]).mean())

    def confusion(self) -> pd.DataFrame:
        """Return how many images of each class (rows) got which (columns)."""
        import pandas as pd

        counts = pd.crosstab(self.table["label"], self.table["predicted"])
        return counts.reindex(index=self.classes, columns=self.classes, fill_value=0)


def predict(
    run: Place,
    *,
    support: Place,
    query: Names,
    out: Place | None = None,
    html: Place | None = None,
    device: str = "auto",
    note: Callable[[str], None] = say_nothing,
    **layout: Unpack[LayoutKeywords],
) -> Predictions:
    """Classify images with a trained run, after showing it some images of each class.

    >>> found = mlw.predict("runs/protonet-...", support="birds/known", query="birds/new")
    >>> print(found.table[["file", "predicted", "probability"]])

    Images are prepared as those of a data set of your own are, in the size and with the channels
    that the run was trained on. Any number of classes and unequal numbers of images are possible,
    unless the method is trained for a number of classes.

    Args:
        run: a run folder, or what `train` returned.
        support: a folder or archive of images by class, or a data set, whose test images are taken.
        query: images, folders of them or archives; one or several.
        out: the CSV file to write; None: none.
        html: the contact sheet to write, a page with all images; None: none.
        device: auto, cpu, cuda, cuda:1, mps ...
        note: told what is left out, a line at a time.
        layout: what the folders and tables of the support mean, as in `mlw download --help`.

    Raises:
        RunError: it is no run, is not finished, or its weights do not fit the present code.
        UsageError: the support has one class, or the method is trained for another number.
        DataError: an image of the support or all images to classify cannot be read.
    """
    files = dict(zip(FILES, (run, support, query, out, html), strict=True))
    given = checked({**files, "device": device, "note": note, **layout}, KNOWN, needed="run")
    tell = given.get("note", say_nothing)
    found = find_run(one("run", given["run"]))
    shape = found.manifest.image_shape
    place = Path(one("support", given["support"]))
    if place.exists():
        said = {name: given[name] for name in LayoutChoice._fields if name in given}
        asked_for = shlex.join([str(found.folder), "--support", str(place), "--query"])
        command = f"mlw predict {asked_for} {shlex.join(given['query'])}"
        known, levels = support_of_files(place, shape, LayoutChoice(**said), command)
    else:
        known, levels = support_of_dataset(open_dataset(str(place)), shape), EVERY_LEVEL
    classes = sorted(set(known.labels))
    _check_ways(found, classes)
    asked, unreadable = queries([Path(each) for each in given["query"]], classes, shape, levels)
    for each in unreadable:
        tell(f"left out: {each.reason}")
    shown = {image.tobytes() for image in known.images}
    repeated = sum(image.tobytes() in shown for image in asked.images)
    if repeated:
        tell(
            f"{repeated:,} of the {len(asked.images):,} images are in the support too; how often "
            "these are right says nothing about new images"
        )
    labels = np.array([classes.index(label) for label in known.labels])
    method = _method(found, given.get("device", "auto"))
    learner = method.learner(_options(method, labels, tell))
    numbers = probabilities(
        learner,
        known.images,
        labels,
        asked.images,
        device=method.device,
        precision=found.plan.settings.precision,
    )
    table = _table(asked, classes, numbers)
    if "out" in given:
        _write(given["out"], table.to_csv(index=False))
    if "html" in given:
        _write(given["html"], contact_sheet(table, known, asked))
    return Predictions(
        table=table,
        classes=tuple(classes),
        support=tuple(np.bincount(labels).tolist()),
        transductive=learner.transductive,
        unreadable=tuple(each.name for each in unreadable),
    )


def _write(place: Path, content: str) -> None:
    refuse_to_replace(place, content)
    with writable(place.absolute().parent):
        write_file(place.resolve(), lambda part: part.write_text(content, encoding="utf-8"))


def _check_ways(run: Run, classes: Sequence[str]) -> None:
    """Refuse a support that leaves nothing to tell apart, or that the method is not trained for."""
    if len(classes) < 2:
        raise UsageError(
            f"The support has one class, {classes[0]}, so every answer would be that; "
            "give a folder with a folder for each class: --support FOLDER"
        )
    fixed = run.plan.ways
    if fixed is not None and fixed != len(classes):
        data = " ".join(run.plan.data)
        raise UsageError(
            f"{run.folder.name} was trained for {fixed} classes, and the support has "
            f"{len(classes)}; train it for these: mlw train {run.label} --on {data} "
            f"--ways {len(classes)}; or take a method for any number of classes, for instance "
            f"of: {ANY_WAYS}"
        )


def _method(run: Run, device: str) -> TrainedMethod:
    data = open_training_data(run.plan.data)
    return TrainedMethod(run, data, False, select_device(device))


def _options(
    method: TrainedMethod, labels: np.ndarray, note: Callable[[str], None]
) -> dict[str, object]:
    """Return the test-time options for such a support, chosen as for `mlw eval`."""
    counts = np.bincount(labels)
    shape = TaskShape(len(counts), int(counts.min()), 1)
    tasks = EvaluationTasks(
        method.data.members[0],
        EvaluationSettings(ways=shape.ways, shots=shape.shots, queries=1),
        shape,
        WayShot(*shape),
    )
    selection = select_options(method, tasks, source_checksums(method.run.plan))
    if selection.selected:
        note(f"test-time options: {selection.selected}")
    return dict(selection.options)


def _table(asked: Pictures, classes: Sequence[str], numbers: np.ndarray) -> pd.DataFrame:
    """Return one row per image, with the columns of `Predictions.table`."""
    import pandas as pd

    sure = np.sort(numbers, axis=1)
    answered = ~np.isnan(numbers).any(1)
    names = np.array([*classes], dtype=object)[np.nan_to_num(numbers).argmax(1)]
    table = pd.DataFrame(
        {
            "file": asked.names,
            "predicted": np.where(answered, names, ""),
            "probability": sure[:, -1],
            "margin": sure[:, -1] - sure[:, -2],
            "label": asked.labels,
        }
    )
    of_class = pd.DataFrame(numbers, columns=[f"p:{name}" for name in classes])
    return pd.concat([table, of_class], axis=1)
