"""How numbers, methods and conditions are written for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from workbench.plugin.recipes import ways_and_shots
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.results.frame import CONDITION

NO_VALUE = "–"  # noqa: RUF001 - an en dash
MINUS = "−"  # noqa: RUF001 - the minus sign
# Behind the ± of a published number that is no interval.
SPREAD_MARKS = {"sd": "sd", "se": "se", "spread": "(?)"}

HOW = (
    "Accuracies are means over the test tasks, ± 1.96 standard errors over tasks. Differences are "
    "paired: they are taken task by task over the tasks that the methods share, ± 1.96 standard "
    "errors of these differences. Accuracies are first averaged over training seeds within each "
    "task. Nothing is corrected for multiple comparisons. Adaptation per task is timed after the "
    "images were embedded, once each; methods that adapt a network embed nothing beforehand."
)


def decimal(value: float, digits: int, *, signed: bool = False) -> str:
    """Return a number with a true minus sign, or an en dash for NaN.

    Args:
        signed: whether positive numbers have a plus sign.
    """
    if np.isnan(value):
        return NO_VALUE
    sign = "+" if signed else "-"
    return f"{value:{sign}.{digits}f}".replace("-", MINUS)


def three_figures(value: float) -> str:
    """Return a positive number with three significant figures, or an en dash for NaN."""
    return NO_VALUE if np.isnan(value) else f"{value:.3g}"


def before_and_after(before: float, after: float, digits: int) -> str:
    """Return "8.1 → 2.3"; only the first if the second is NaN."""
    if np.isnan(after):
        return decimal(before, digits)
    return f"{decimal(before, digits)} → {decimal(after, digits)}"


def plus_minus(value: float, spread: float, *, signed: bool = False) -> str:
    """Return "97.83 ± 0.21"; "97.8" if the spread is NaN; an en dash if the value is NaN.

    Args:
        value: in percent or percentage points.
        spread: half-width of its interval, in the same unit.
        signed: whether positive values have a plus sign, as differences do.
    """
    if np.isnan(value):
        return NO_VALUE
    if np.isnan(spread):
        return decimal(value, 1, signed=signed)
    return f"{decimal(value, 2, signed=signed)} ± {decimal(spread, 2)}"


def as_published(value: float, spread: float | None, kind: str) -> str:
    """Return a published number with its paper's decimals: "98.7 ± 0.4", "48.70 ± 1.84".

    Args:
        value: in percent; NaN gives an en dash.
        spread: the number behind ±; None or NaN if the paper prints none.
        kind: what it is; one that is no interval is named, because it cannot be compared with ours.
    """
    if np.isnan(value):
        return NO_VALUE
    if spread is None or np.isnan(spread):
        return f"{value:g}"
    decimals = max(_decimals(value), _decimals(spread))
    text = f"{value:.{decimals}f} ± {spread:.{decimals}f}"
    if kind == "interval":
        return text
    return f"{text} {SPREAD_MARKS[kind]}"


def _decimals(value: float) -> int:
    """Return how many decimals a number is written with, without zeros at its end."""
    return len(f"{value:g}".partition(".")[2])


def published_text(cell: Mapping[Any, Any]) -> str:
    """Return the published number of a row of a summary, as `as_published` does."""
    return as_published(cell["published"], cell["published_spread"], cell["published_spread_kind"])


def enumerated(names: Iterable[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    *others, last = names
    if not others:
        return last
    return f"{', '.join(others)} and {last}"


def task_shape_text(condition: Mapping[Any, Any]) -> str:
    """Return how tasks are drawn: "5-way 1-shot", or "meta-dataset, varying ways and shots".

    Args:
        condition: `protocol`, `ways` and `shots`. Without `shots`, only the ways are named.
    """
    ways = condition["ways"]
    if "shots" in condition:
        sizes = ways_and_shots(ways, condition["shots"])
    elif ways is None:
        sizes = "varying ways"
    else:
        sizes = f"{ways}-way"
    if condition["protocol"] == DEFAULT_PROTOCOL:
        return sizes
    return f"{condition['protocol']}, {sizes}"


_DETAILS = {
    "split": "split {}",
    "queries": "{} queries",
    "instance": "instance {}",
    "task_seed": "task seed {}",
    "results_version": "results version {}",
}


def details(condition: Mapping[Any, Any], varying: Sequence[str]) -> list[str]:
    """Return what is worth saying of a condition only where it varies within a report."""
    words = []
    for name, template in _DETAILS.items():
        if name in varying and name in condition:
            value = condition[name]
            text = template.format("varying" if value is None else value)
            words.append("1 query" if text == "1 queries" else text)
    return words


def data_words(train_on: str, test_on: str) -> str:
    """Return what was trained and tested on: "aircraft + dtd → omniglot", or "omniglot"."""
    if train_on == test_on:
        return test_on
    return f"{train_on} → {test_on}"


def condition_title(condition: Mapping[Any, Any], varying: Sequence[str] = ()) -> str:
    """Return a condition in words: "aircraft + dtd → omniglot, 5-way 1-shot".

    Args:
        condition: the columns of `CONDITION`, or some of them; None for what varies among tasks.
        varying: the columns that vary within the report; only these are named in detail.
    """
    data = data_words(str(condition["train_on"]), str(condition["test_on"]))
    return ", ".join([data, task_shape_text(condition), *details(condition, varying)])


def broken(name: str, width: int) -> str:
    """Return a name broken into lines, between its options if possible, otherwise within them."""
    lines = [""]
    for piece in _pieces(name, width):
        fits = len(lines[-1]) + len(piece.rstrip()) <= width
        if lines[-1] and not fits:
            lines.append("")
        lines[-1] += piece
    broken_lines = []
    for line in lines:
        broken_lines += wrap(line, width, break_on_hyphens=False)
    return "\n".join(broken_lines)


def _pieces(name: str, width: int) -> list[str]:
    """Split a name behind its punctuation; a long piece also behind "_", "/" and "-"."""
    pieces = []
    for piece in re.split(r"(?<=[:,+ ])", name):
        if len(piece.rstrip()) <= width:
            pieces.append(piece)
        else:
            pieces += re.split(r"(?<=[_/-])", piece)
    return pieces


def departures(frame: pd.DataFrame) -> list[str]:
    """Return what is not as asked or as usual in the tasks, each once, in order of appearance."""
    found: dict[str, None] = {}
    for texts in frame.drop_duplicates(["run", *CONDITION])["departures"]:
        found |= dict.fromkeys(texts)
    return list(found) + _mixed_code(frame)


def _mixed_code(frame: pd.DataFrame) -> list[str]:
    """Name the methods whose rows were computed by several versions of their code."""
    found: dict[str, None] = {}
    named = ["algorithm", "options", "backbone", "train_on"]
    for _, rows in frame.groupby(named, dropna=False, sort=False):
        if rows["code"].nunique() > 1:
            first = rows.iloc[0]
            label = ":".join(part for part in (first["algorithm"], first["options"]) if part)
            runs = enumerated(rows["run"].unique())
            found[f"{label} was evaluated by several versions of its code ({runs})"] = None
    return list(found)


def parts(frame: pd.DataFrame) -> list[str]:
    """Return the data sets whose files are not known to be the published ones, sorted.

    For example "eurosat: 4,000 of 27,000 images", or "content checked by count, not by checksum".
    """
    found: set[str] = set()
    for texts in frame.drop_duplicates(["run", "test_on"])["parts"]:
        found.update(texts)
    return sorted(found)
