"""`mlw recommend DATA`: which method to take for a data set, from experience and its own images."""

from __future__ import annotations

import math
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import Json, PlaceOptions, TrainingOptions, flat
from workbench.cli._progress import progress_bars
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.commands.recommend import Recommendation


@flat
def recommend(
    data: Annotated[
        str,
        typer.Argument(
            help="A data set, or a folder of images by class: photos/birds.",
            autocompletion=_complete.datasets,
        ),
    ] = "",
    *,
    shots: Annotated[
        int | None, typer.Option(help="Images of each class to learn from. If omitted: 5.")
    ] = None,
    ways: Annotated[
        int | None, typer.Option(help="Classes of a split. If omitted: all, at most 20.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Splits of the images.")] = 50,
    size: Annotated[int, typer.Option(help="Methods of the shortlist.")] = 4,
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            help="Data sets that the methods learn from. If omitted: miniimagenet if it was "
            "downloaded, otherwise glyphs.",
            autocompletion=_complete.datasets,
        ),
    ] = None,
    candidates: Annotated[
        list[str] | None,
        typer.Option(
            help="Methods to choose from, in place of the shortlist.",
            autocompletion=_complete.algorithms,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Backbone.",
            autocompletion=_complete.backbones,
        ),
    ] = None,
    experience: Annotated[
        Path | None, typer.Option(help="A table of experience, in place of the one that ships.")
    ] = None,
    learn_from: Annotated[
        list[Path] | None,
        typer.Option(help="Recommend nothing: write the table --experience from these runs."),
    ] = None,
    training: TrainingOptions,
    place: PlaceOptions,
    json: Json = False,
) -> None:
    """Recommend a method for a data set: a shortlist from experience, compared on its own images.

    The methods are trained on other data, and evaluated on repeated splits of the labelled images.
    """
    from workbench.commands.recommend import learn_experience
    from workbench.commands.recommend import recommend as run

    if learn_from:
        if data or experience is None:
            raise UsageError(
                "--learn-from writes a table and recommends nothing; run: mlw recommend "
                "--learn-from runs --experience experience.csv"
            )
        table = learn_experience(learn_from, experience=experience, note=_show.note)
        sets = table["data"].nunique()
        _show.note(f"{len(table):,} rows on {sets} data sets: {experience}")
        return
    if not data:
        raise UsageError("recommend needs a data set or a folder; run: mlw recommend FOLDER")
    with progress_bars() as report:
        found = run(
            data,
            shots=shots,
            ways=ways,
            folds=folds,
            size=size,
            train_on=train_on,
            candidates=candidates,
            backbone=backbone,
            experience=experience,
            report=report,
            note=_show.note,
            **asdict(training),
            **asdict(place),
        )
    if json:
        _show.as_json(found.table.to_dict("records"))
        return
    _print(found)


def _print(found: Recommendation) -> None:
    from workbench.results.wording import plus_minus

    def percent(name: str, *, signed: bool = False) -> str:
        return plus_minus(100 * each[name], 100 * each[f"{name}_interval"], signed=signed)

    rows = []
    for each in found.table.to_dict("records"):
        difference = "recommended"
        if each["method"] != found.method:
            difference = percent("difference", signed=True)
        rows.append(
            [
                each["method"] + (" (static choice)" if each["static"] else ""),
                plus_minus(-100 * each["expected"], math.nan),
                percent("accuracy"),
                difference,
            ]
        )
    columns = {
        "method": "left",
        "expected, to the best": "right",
        "accuracy": "right",
        "difference": "right",
    }
    splits = found.tasks["task"].nunique()
    queries = "1 query" if found.queries == 1 else f"{found.queries} queries"
    title = (
        f"{found.data}: accuracy in %, mean and 95% interval over {splits} splits of "
        f"{found.ways} classes, {found.shots} images of each to learn from and {queries}"
    )
    _show.table(title, columns, rows)
    _show.note(
        "expected: learnt on other data sets. Intervals are widened, because splits share images; "
        "they know nothing of images that are unlike yours."
    )
    words = ["mlw", "predict", str(found.run), "--support", found.data, "--query", "NEW_IMAGES"]
    _show.note(
        f"recommended: {found.method}, trained on {found.train_on}; next: {shlex.join(words)}"
    )
