"""The tables of results that `eval`, `compare` and `report` print."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.cli import _show
from workbench.plugin.recipes import ways_and_shots

if TYPE_CHECKING:
    import pandas as pd


def print_summary(frame: pd.DataFrame, *, json: bool, published: bool = False) -> None:
    """Print the summary of a tasks frame, one row a cell; with where published numbers come from if asked."""
    from workbench.results.marks import legend
    from workbench.results.summary import is_matrix, summary, trainings
    from workbench.results.wording import parts

    cells = summary(frame)
    if json:
        _show.as_json([{k: _plain(v) for k, v in row.items()} for row in cells.to_dict("records")])
        return
    tasks = sorted(set(cells["episodes"]))
    title = (
        f"accuracy in %, mean and 95% interval over {' or '.join(f'{n:,}' for n in tasks)} tasks"
    )
    if is_matrix(cells):
        _print_matrix(title, cells)
    else:
        _print_list(title, cells)
    for line in legend(cells):
        _show.out(line)
    if len(found := trainings(frame)):
        columns = {"algorithm": "left", "test data": "left", "ways": "right", "shots": "right"}
        columns |= {"trained on": "left", "rather than on": "left", "difference": "right"}
        names = ["method", "test_on", "ways", "shots", "train_on", "other"]
        by = [
            f"{100 * row['difference']:+.2f} ± {100 * row['interval']:.2f}"
            for row in found.to_dict("records")
        ]
        rows = [
            [*map(str, row), text] for row, text in zip(found[names].to_numpy(), by, strict=True)
        ]
        _show.table("what other training data do, in points, on the same tasks", columns, rows)
    if published:
        _print_published(cells)
    for part in parts(frame):
        _show.out(f"only a part of what is published: {part}")


def _print_list(title: str, cells: pd.DataFrame) -> None:
    """One row a cell, where all have one test data set."""
    several = [
        name
        for name in ("train_on", "test_on", "split", "protocol", "queries", "instance")
        if cells[name].nunique() > 1
    ]
    columns = {"algorithm": "left"} | (
        {"backbone": "left"} if cells["backbone"].nunique() > 1 else {}
    )
    columns |= dict.fromkeys(several, "left") | {
        "ways": "right",
        "shots": "right",
        "accuracy": "right",
    }
    columns |= {"difference to best": "right"}
    columns |= {"published": "right"} if cells["published"].notna().any() else {}
    columns |= {"seed sd": "right"} if cells["seed_sd"].notna().any() else {}
    columns |= {"training": "right"}
    _show.table(title, columns, [_row(cell, columns, several) for cell in cells.to_dict("records")])


def _print_matrix(title: str, cells: pd.DataFrame) -> None:
    """Methods by test data sets: accuracy, and below it the paired difference to the best of the column."""
    from workbench.results.marks import common_signs
    from workbench.results.summary import blocks, training_words
    from workbench.results.wording import broken

    shared = common_signs(cells)
    names = {
        method: broken(f"{method} {shared[method]}".rstrip(), 18 if _show.width() < 100 else 32)
        for method in shared
    }
    known = ", and in brackets the published number" if cells["published"].notna().any() else ""
    _show.out(f"{title}; below it the paired difference to the best of the column{known}")
    if trained := training_words(cells):
        _show.out(f"all {trained}")
    for block, part in blocks(cells):
        columns = {}
        for place, rows in part.groupby("test_on", sort=False):
            results = {
                cell["method"]: _result(cell, shared[cell["method"]])
                for cell in rows.to_dict("records")
            }
            columns[broken(str(place), 16)] = results
        for some in _abreast(columns, _width(names.values())):
            table = [
                [names[method], *(columns[each].get(method, "") for each in some)]
                for method in names
            ]
            justified = {"method": "left"} | dict.fromkeys(some, "right")
            _show.table(
                block.replace("\n", ", "), justified, [row for row in table if any(row[1:])]
            )


def _abreast(columns: dict[str, dict[str, str]], names: int) -> list[list[str]]:
    """The columns of a matrix for as many tables as the terminal's width needs, about as many in each."""
    widest = max(_width([heading, *results.values()]) for heading, results in columns.items())
    fitting = max(1, (_show.width() - names - 4) // (widest + 3))
    tables = math.ceil(len(columns) / fitting)
    each = math.ceil(len(columns) / tables)
    headings = list(columns)
    return [headings[start : start + each] for start in range(0, len(headings), each)]


def _width(texts: Iterable[str]) -> int:
    return max(len(line) for text in texts for line in text.split("\n"))


def _result(cell: dict[Any, Any], shared: str) -> str:
    """A cell of the matrix, a line each: accuracy, difference, and where known what is published and the seeds' sd."""
    from workbench.results.marks import signs

    own = "".join(sign for sign in signs(cell) if sign not in shared)
    lines = [f"{percent(cell['accuracy'], cell['interval'])} {own}".rstrip(), _difference(cell)]
    lines += [] if math.isnan(cell["published"]) else [f"({_published(cell)})"]
    lines += [] if math.isnan(cell["seed_sd"]) else [f"seed sd {100 * cell['seed_sd']:.2f}"]
    return "\n".join(lines)


def _print_published(cells: pd.DataFrame) -> None:
    """Where the published numbers come from, and in what their protocol differs."""

    known = cells[cells["published"].notna()]
    if known.empty:
        _show.out(
            "no number is published, that we know of, for these data, ways, shots and backbones; see: mlw info"
        )
    for cell in known.drop_duplicates(["method", "test_on", "ways", "shots"]).to_dict("records"):
        place = f"{cell['method']}, {cell['test_on']} {ways_and_shots(cell['ways'], cell['shots'])}"
        gap = 100 * cell["accuracy"] - cell["published"]
        _show.out(
            f"{place}: measured {gap:+.2f} to {_published(cell)} of {cell['published_source']}"
        )


def _row(cell: dict[Any, Any], columns: dict[str, str], several: list[str]) -> list[str]:
    from workbench.results.marks import signs

    options = f":{cell['options']}" if cell["options"] else ""
    values = {
        "algorithm": f"{cell['algorithm']}{options} {signs(cell)}".rstrip(),
        "backbone": cell["backbone"],
        **{name: str(cell[name]) for name in several},
        "ways": str(cell["ways"] or "vary"),
        "shots": str(cell["shots"] or "vary"),
        "accuracy": percent(cell["accuracy"], cell["interval"]),
        "difference to best": _difference(cell),
        "published": "" if math.isnan(cell["published"]) else _published(cell),
        "seed sd": "" if math.isnan(cell["seed_sd"]) else f"{100 * cell['seed_sd']:.2f}",
        "training": _show.duration(cell["train_seconds"]),
    }
    return [values[name] for name in columns]


def percent(value: float, interval: float) -> str:
    """A share and its interval as `98.12 ± 0.21`."""
    return f"{100 * value:.2f} ± {100 * interval:.2f}"


def _difference(cell: dict[Any, Any]) -> str:
    if math.isnan(cell["difference_interval"]):
        return "best"
    return f"{100 * cell['difference']:+.2f} ± {100 * cell['difference_interval']:.2f}"


def _published(cell: dict[Any, Any]) -> str:
    interval = cell["published_interval"]
    return f"{cell['published']:g}" + ("" if math.isnan(interval) else f" ± {interval:g}")


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's, and no NaN: JSON has none."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
