"""`mlw predict RUN` as a function."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from workbench.commands.answering import check_ways, learner_for, trained_method
from workbench.commands.arguments import checked, one
from workbench.commands.keywords import Code, LayoutKeywords, Names, Place
from workbench.data.files.decode import EVERY_LEVEL
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.opening import open_dataset
from workbench.environment import device_name
from workbench.experiments.own_code import require_code
from workbench.experiments.run import find_run
from workbench.experiments.workspace import writable
from workbench.predicting.answer import probabilities
from workbench.predicting.pictures import (
    Pictures,
    queries,
    support_of_dataset,
    support_of_files,
)
from workbench.predicting.rejecting import possible, threshold
from workbench.predicting.sheet import contact_sheet
from workbench.progress import say_nothing
from workbench.storage import refuse_to_replace, write_file

if TYPE_CHECKING:
    import pandas as pd

FILES = ("run", "support", "query", "out", "html")
KNOWN = (*FILES, "reject", "code", "device", "note", *LayoutKeywords.__annotations__)


@dataclass(frozen=True)
class Predictions:
    """What `predict` found.

    `table` has one row per image: `file`; `predicted`, its class; `probability`, of that class;
    `margin`, how far the probability of the next is below; `label`, the class that its folder
    says, or ""; and `p:CLASS`, the probability of each class. An image on which the method broke
    down has no class and no numbers. With `reject` there is a column `possible`, the classes that
    are possible, joined by "; ", and an image without exactly one has no predicted class.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    support: tuple[int, ...]  # images of each class
    transductive: bool  # the images decided about one another
    unreadable: tuple[str, ...]  # files that are left out

    @property
    def accuracy(self) -> float:
        """The share of images whose class is right, 0..1; NaN if their classes are not known.

        With `reject`, of the images that have a predicted class.
        """
        table = self.answered
        if (table["label"] == "").any():
            return float("nan")
        return float((table["label"] == table["predicted"]).mean())

    @property
    def answered(self) -> pd.DataFrame:
        """The rows that count: all, or with `reject` those that have a predicted class."""
        if "possible" not in self.table:
            return self.table
        return self.table[self.table["predicted"] != ""]

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
    reject: float | None = None,
    code: Code | None = None,
    device: str | None = None,
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
        reject: leave out images of which the support does not tell one class, so that the true
            class is among the possible ones this often, for instance 0.95; None: answer for all.
        code: classes, or files with classes, that a run of own code was made of.
        device: auto, cpu, cuda, cuda:1, mps ... If omitted: `MLW_DEVICE`, or auto.
        note: told what is left out, a line at a time.
        layout: what the folders and tables of the support mean, as in `mlw download --help`.

    Raises:
        RunError: it is no run, is not finished, or its weights do not fit the present code.
        UsageError: the support has one class, or too few images for `reject`; or the method is
            trained for another number of classes.
        DataError: an image of the support or all images to classify cannot be read.
    """
    files = dict(zip(FILES, (run, support, query, out, html), strict=True))
    given = checked(
        {**files, "reject": reject, "code": code, "device": device, "note": note, **layout},
        KNOWN,
        needed="run",
    )
    tell = given.get("note", say_nothing)
    found = find_run(one("run", given["run"]))
    require_code(found)
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
    check_ways(found, classes)
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
    method = trained_method(found, given.get("device", device_name()))
    learner = learner_for(method, labels, tell)
    where, precision = method.device, found.plan.settings.precision
    highest = None
    if "reject" in given:  # first, as it refuses a support that is too small
        highest = threshold(
            learner, known.images, labels, given["reject"], device=where, precision=precision
        )
    numbers = probabilities(
        learner, known.images, labels, asked.images, device=where, precision=precision
    )
    table = _table(asked, classes, numbers)
    if highest is not None:
        table = _rejected(table, classes, possible(numbers, highest))
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


def _rejected(
    table: pd.DataFrame, classes: Sequence[str], possible: NDArray[np.bool_]
) -> pd.DataFrame:
    """Return the table with the classes that are possible, and no class unless it is the only."""
    names = ["; ".join(np.array(classes, dtype=object)[row]) for row in possible]
    predicted = table["predicted"].where(possible.sum(axis=1) == 1, "")
    table = table.assign(predicted=predicted)
    table.insert(list(table.columns).index("label"), "possible", names)
    return table


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
