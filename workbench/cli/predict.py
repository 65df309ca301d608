"""`mlw predict RUN`: classify images of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import Code, Device, Json
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.commands.predict import Predictions

MOST_CONFUSED = 3  # other classes that are named for each


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    support: Annotated[
        str,
        typer.Option(
            help="A folder or archive of images by class to learn from, or a data set.",
            autocompletion=_complete.datasets,
        ),
    ] = "",
    query: Annotated[
        list[Path] | None,
        typer.Option(help="Images to classify: files, folders of them or archives."),
    ] = None,
    label: Annotated[
        str, typer.Option(metavar="COLUMN", help="Support: the column of labels in a table.")
    ] = "",
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVELS", help="Support: the level of folders that names the class, from 1."
        ),
    ] = "",
    split_from: Annotated[
        str,
        typer.Option(metavar="COLUMN|LEVEL|none", help="Support: what says train, val or test."),
    ] = "",
    only: Annotated[
        str,
        typer.Option(metavar="FOLDER", help="Support: take images in folders of this name only."),
    ] = "",
    top: Annotated[int, typer.Option(help="Classes to print for each image.")] = 1,
    rows: Annotated[int, typer.Option(help="Images to print, the least sure first.")] = 20,
    out: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("predictions.csv"),
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with all images and their classes.")
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(
            metavar="LEVEL",
            help="Give a class only where the support tells one, with the true class among the "
            "possible ones this often: 0.95.",
        ),
    ] = None,
    code: Code = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Classify images with a trained run, after showing it some images of each class.

    If the images lie in folders named as classes of the support, accuracy is shown too.
    """
    from workbench.commands.predict import predict as run_predict

    if not support or not query:
        missing = "--query" if support else "--support"
        raise UsageError(
            f"{missing} is missing; run: mlw predict {run} --support FOLDER --query FOLDER"
        )
    found = run_predict(
        run,
        support=support,
        query=query,
        out=out,
        html=html,
        reject=reject,
        code=code,
        device=device,
        note=_show.note,
        label=label,
        level=level,
        split_from=split_from,
        only=only,
    )
    if json:
        _show.as_json(found.table.to_dict("records"))
    else:
        _print(found, top, rows)
    if found.transductive:
        _show.note("this method looks at all images together: others beside them change answers")
    _show.note(f"all {len(found.table):,} images: {out}")
    if html:
        _show.note(f"contact sheet: {html}")


def _print(found: Predictions, top: int, most: int) -> None:
    shown = found.table.sort_values("probability", kind="stable").head(most)
    rows = []
    for place in shown.index:
        each = shown.loc[place].to_dict()
        surest = "; ".join(_surest(each, found.classes, top))
        rows.append([each["file"], surest, f"{each['margin']:.2f}", each["label"]])
    columns = {"image": "left", "class, probability": "left", "margin": "right", "folder": "left"}
    if not any(row[-1] for row in rows):
        columns.pop("folder")
        rows = [row[:-1] for row in rows]
    if "possible" in found.table:
        columns["possible"] = "left"
        for row, names in zip(rows, shown["possible"], strict=True):
            row.append(names or "none")
    shots = sorted(set(found.support))
    images = str(shots[0]) if len(shots) == 1 else f"{shots[0]} to {shots[-1]}"
    title = f"{len(found.classes)} classes, {images} images of each to learn from"
    if len(found.table) > len(rows):
        title += f"; the {len(rows)} least sure of {len(found.table):,} images"
    _show.table(title, columns, rows)
    if "possible" in found.table:
        answered, total = len(found.answered), len(found.table)
        _show.out(f"one class is possible for {answered:,} of {total:,} images; others have none")
    if found.accuracy == found.accuracy:
        _print_accuracy(found)


def _surest(each: Mapping[Any, Any], classes: Sequence[str], top: int) -> list[str]:
    """Return the likeliest classes of an image with their probabilities."""
    of_class = {name: each[f"p:{name}"] for name in classes}
    surest = sorted(of_class, key=lambda name: -of_class[name])
    return [f"{name} {of_class[name]:.2f}" for name in surest[: max(top, 1)]]


def _print_accuracy(found: Predictions) -> None:
    """Print how many images of each class are right, and what the others are taken for."""
    counts = found.confusion()
    rows = []
    for name in found.classes:
        answers = counts.loc[name].to_dict()
        total = sum(answers.values())
        if not total:
            continue
        recall = f"{100 * answers.pop(name) / total:.1f}"
        often = sorted(answers, key=lambda other: -answers[other])[:MOST_CONFUSED]
        confused = [f"{other} {answers[other]}" for other in often if answers[other]]
        rows.append([name, str(total), recall, ", ".join(confused)])
    columns = {"folder": "left", "images": "right", "right, %": "right", "taken for": "left"}
    title = f"accuracy by the names of the folders: {100 * found.accuracy:.1f}%"
    if "possible" in found.table:
        title += " of the images that have a class"
    _show.table(title, columns, rows)
