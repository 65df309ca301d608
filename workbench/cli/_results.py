"""The tables of results that `eval`, `compare` and `report` print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.cli import _show

if TYPE_CHECKING:
    import pandas as pd

Cell = Mapping[str, Any]  # a row of the summary

# columns of the list, where their values differ
IF_SEVERAL = {
    "backbone": "backbone",
    "trained on": "train_on",
    "test data": "test_on",
    "split": "split",
    "protocol": "protocol",
    "queries": "queries",
    "instance": "instance",
    "task seed": "task_seed",
    "results version": "results_version",
}
# columns of the list, where there is a value
IF_KNOWN = {
    "published": "published",
    "seed sd": "seed_sd",
    "temperature": "temperature",
    "loss": "temperature",
    "calibration error, %": "temperature",
}


def print_summary(
    frame: pd.DataFrame, *, baselines: Sequence[str] = (), json: bool, published: bool = False
) -> None:
    """Print the summary of a tasks frame, one row per cell.

    Args:
        baselines: by algorithm or label; empty for the usual ones.
        json: print JSON instead.
        published: say where published numbers come from.
    """
    from workbench.results.frame import for_json
    from workbench.results.grouping import separations
    from workbench.results.marks import legend
    from workbench.results.matrix import is_matrix
    from workbench.results.summary import summary
    from workbench.results.wording import departures, parts

    cells = summary(frame, baselines)
    if json:
        _show.as_json(for_json(cells))
        return
    if is_matrix(cells):
        _print_matrix(cells)
    else:
        _print_list(cells)
    for line in legend(cells):
        _show.out(line)
    for line in separations(frame):
        _show.out(f"not compared: {line}")
    _print_trainings(frame)
    if published:
        _print_published(cells)
    for departure in departures(frame):
        _show.out(f"not as usual: {departure}")
    for part in parts(frame):
        _show.out(f"not the published files: {part}")


def _is_narrow() -> bool:
    """Return whether the terminal has no room for long names and for all columns."""
    return _show.width() < 100


def _longest_name() -> int:
    """Return the width at which the name of a method or backbone is broken into lines."""
    if _is_narrow():
        return 16
    return 24 if _show.width() < 140 else 48


def _title(cells: pd.DataFrame) -> str:
    """Return what a table shows, with its data where all rows have the same."""
    from workbench.results.wording import data_words

    words = _measure(cells)
    pairs = cells[["train_on", "test_on"]].drop_duplicates()
    if len(pairs) > 1:
        return words
    train_on, test_on = pairs.iloc[0]
    return f"{data_words(train_on, test_on)}: {words}"


def _measure(cells: pd.DataFrame) -> str:
    episodes = sorted(set(cells["episodes"]))
    counts = " or ".join(f"{count:,}" for count in episodes)
    words = f"accuracy in %, mean and 95% interval over {counts} tasks"
    return ", ".join([words, *_unusual(cells)])


def _unusual(cells: pd.DataFrame) -> list[str]:
    """Return how the test tasks of all rows are drawn, where that is not as usual."""
    from workbench.plugin.registry import DEFAULT_PROTOCOL
    from workbench.tasks.splits import USUAL_QUERIES

    words = []
    for name, usual, template in (
        ("split", "test", "of {} classes"),
        ("protocol", DEFAULT_PROTOCOL, "drawn by {}"),
        ("queries", USUAL_QUERIES, "queries per class: {}"),
    ):
        values = cells[name].dropna().unique()
        if len(values) == 1 and values[0] != usual:
            words.append(template.format(values[0]))
    return words


# --- one row per cell


def _print_list(cells: pd.DataFrame) -> None:
    """Print one row per cell, where all have one test data set."""
    from workbench.results.frame import records

    several = []
    for heading, name in IF_SEVERAL.items():
        if cells[name].nunique(dropna=False) > 1:
            several.append(heading)
    known = [heading for heading, name in IF_KNOWN.items() if cells[name].notna().any()]
    columns = {"algorithm": "left", **dict.fromkeys(several, "left")}
    wide = () if _is_narrow() else ("steps", "images")
    for heading in ("ways", "shots", "accuracy", "difference to best", *known, "training", *wide):
        columns[heading] = "right"
    rows = []
    for cell in records(cells):
        texts = _texts(cell)
        rows.append([texts[heading] for heading in columns])
    _show.table(_title(cells), columns, rows)


def _texts(cell: Cell) -> dict[str, str]:
    """Return what is printed of a cell, by heading."""
    from workbench.results.marks import signs
    from workbench.results.wording import (
        before_and_after,
        broken,
        plus_minus,
        published_text,
        three_figures,
    )

    texts = {heading: str(cell[name]) for heading, name in IF_SEVERAL.items()}
    method = f"{cell['method']} {signs(cell)}".rstrip()
    texts["algorithm"] = broken(method, _longest_name())
    texts["backbone"] = broken(texts["backbone"], _longest_name())
    for name in ("ways", "shots", "queries"):
        texts[name] = "vary" if cell[name] is None else str(cell[name])
    texts["accuracy"] = plus_minus(100 * cell["accuracy"], 100 * cell["interval"])
    texts["difference to best"] = _difference(cell)
    texts["published"] = ""
    if not math.isnan(cell["published"]):
        texts["published"] = published_text(cell)
    texts["seed sd"] = _seed_sd(cell)
    texts["temperature"] = three_figures(cell["temperature"])
    texts["loss"] = before_and_after(cell["loss"], cell["calibrated_loss"], 3)
    errors = (100 * cell["calibration_error"], 100 * cell["calibrated_error"])
    texts["calibration error, %"] = before_and_after(*errors, 1)
    texts["training"] = _show.duration(cell["train_seconds"])
    texts["steps"] = f"{cell['steps']:,}"
    texts["images"] = f"{cell['images']:,}"
    return texts


def _difference(cell: Cell) -> str:
    from workbench.results.summary import is_best
    from workbench.results.wording import plus_minus

    if is_best(cell):
        return "best"
    difference = 100 * cell["difference"]
    return plus_minus(difference, 100 * cell["difference_interval"], signed=True)


def _seed_sd(cell: Cell) -> str:
    if math.isnan(cell["seed_sd"]):
        return ""
    return f"{100 * cell['seed_sd']:.2f}"


# --- methods by test data sets


def _print_matrix(cells: pd.DataFrame) -> None:
    """Print methods by test data sets: accuracy, and below it the difference to the best."""
    from workbench.results.marks import common_signs
    from workbench.results.matrix import blocks, training_words
    from workbench.results.wording import broken

    shared = common_signs(cells)
    names = {}
    for method, common in shared.items():
        names[method] = broken(f"{method} {common}".rstrip(), 18 if _is_narrow() else 32)
    title = f"{_title(cells)}; below it the paired difference to the best of the column"
    if cells["published"].notna().any():
        title += ", and in brackets the published number"
    _show.out(title)
    trained = training_words(cells)
    if trained:
        _show.out(f"all {trained}")
    for block, part in blocks(cells):
        _print_block(block.replace("\n", ", "), _columns(part, shared), names)


def _columns(part: pd.DataFrame, shared: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the columns of a block by heading, each with its results by method."""
    from workbench.results.frame import records
    from workbench.results.wording import broken

    columns = {}
    for place, rows in part.groupby("test_on", sort=False):
        results = {}
        for cell in records(rows):
            results[cell["method"]] = _result(cell, shared[cell["method"]])
        columns[broken(str(place), 16)] = results
    return columns


def _print_block(
    title: str, columns: Mapping[str, Mapping[str, str]], names: Mapping[str, str]
) -> None:
    """Print a block, as several tables where the terminal is too narrow for one."""
    for headings in _side_by_side(columns, _width(names.values())):
        rows = []
        for method, name in names.items():
            results = [columns[heading].get(method, "") for heading in headings]
            if any(results):
                rows.append([name, *results])
        justified = {"method": "left", **dict.fromkeys(headings, "right")}
        _show.table(title, justified, rows)


def _side_by_side(columns: Mapping[str, Mapping[str, str]], names: int) -> list[list[str]]:
    """Divide headings among as many tables as the terminal's width needs, evenly."""
    headings = list(columns)
    widest = max(_width([heading, *columns[heading].values()]) for heading in headings)
    fitting = max(1, (_show.width() - names - 4) // (widest + 3))
    tables = math.ceil(len(headings) / fitting)
    each = math.ceil(len(headings) / tables)
    return [headings[start : start + each] for start in range(0, len(headings), each)]


def _width(texts: Iterable[str]) -> int:
    """Return the length of the longest line."""
    return max(len(line) for text in texts for line in text.split("\n"))


def _result(cell: Cell, shared: str) -> str:
    """Return the lines of a matrix cell: accuracy, difference, published number, seeds' sd."""
    from workbench.results.marks import own_signs

    texts = _texts(cell)
    lines = [f"{texts['accuracy']} {own_signs(cell, shared)}".rstrip(), texts["difference to best"]]
    if texts["published"]:
        lines.append(f"({texts['published']})")
    if texts["seed sd"]:
        lines.append(f"seed sd {texts['seed sd']}")
    return "\n".join(lines)


# --- below the table


def _print_trainings(frame: pd.DataFrame) -> None:
    """Print the effect of other training data, where a method was trained on several."""
    from workbench.results.frame import records
    from workbench.results.summary import trainings
    from workbench.results.wording import plus_minus

    found = trainings(frame)
    if found.empty:
        return
    columns = {
        "algorithm": "left",
        "test data": "left",
        "ways": "right",
        "shots": "right",
        "trained on": "left",
        "rather than on": "left",
        "difference": "right",
    }
    rows = []
    for row in records(found):
        names = ("method", "test_on", "ways", "shots", "train_on", "other")
        texts = ["vary" if row[name] is None else str(row[name]) for name in names]
        texts.append(plus_minus(100 * row["difference"], 100 * row["interval"], signed=True))
        rows.append(texts)
    _show.table("effect of the training data, in points, on the same tasks", columns, rows)


def _print_published(cells: pd.DataFrame) -> None:
    """Print where published numbers come from, and how far the measured ones are from them."""
    from workbench.plugin.recipes import ways_and_shots
    from workbench.results.frame import records
    from workbench.results.wording import decimal, published_text

    known = cells[cells["published"].notna()]
    if known.empty:
        _show.out(
            "no published number is known for these data, ways, shots and backbones; "
            "see: mlw info NAME"
        )
    different: Sequence[str] = ["method", "test_on", "ways", "shots", "instance"]
    for cell in records(known.drop_duplicates(different)):
        shape = ways_and_shots(cell["ways"], cell["shots"], cell["instance"])
        place = f"{cell['method']}, {cell['test_on']} {shape}"
        gap = decimal(100 * cell["accuracy"] - cell["published"], 2, signed=True)
        number = published_text(cell)
        _show.out(f"{place}: measured {gap} to {number} of {cell['published_source']}")
