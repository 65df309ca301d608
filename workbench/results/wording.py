"""How numbers, methods and conditions are written for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from workbench.tasks.protocols.build import DEFAULT_PROTOCOL

NONE = "–"  # noqa: RUF001 - an en dash is meant: no value


HOW = (
    "An accuracy is the mean over the test tasks ± 1.96 standard errors over tasks; a difference is paired, that is, "
    "taken task by task over the tasks that all methods share, ± 1.96 standard errors of those differences; "
    "training seeds are averaged within each task first, and nothing is corrected for the number of comparisons."
)


def condition_title(condition: Mapping[Any, Any], varying: Sequence[str] = ()) -> str:
    """A condition in words; what never varies within a report need not be said each time."""
    data = str(condition["test_on"])
    if condition["train_on"] != condition["test_on"]:
        data = f"{condition['train_on']} → {data}"
    form = "" if condition["protocol"] == DEFAULT_PROTOCOL else f" {condition['protocol']}"
    if condition["ways"]:  # 0: they vary
        form += f" {condition['ways']}-way"
        form += f" {condition['shots']}-shot" if "shots" in condition else ""
    return ", ".join([f"{data},{form}", *_rarer(condition, varying)])


def _rarer(condition: Mapping[Any, Any], varying: Sequence[str]) -> list[str]:
    """What is said only where it varies."""
    texts = {
        "split": "split {}",
        "queries": "{} queries",
        "instance": "instance {}",
        "task_seed": "task seed {}",
    }
    return [
        texts[name].format(condition[name])
        for name in texts
        if name in varying and name in condition
    ]


def broken(name: str, width: int) -> str:
    """A name over several lines, broken between its options if it can be, else behind other punctuation."""
    pieces = re.split(r"(?<=[:,+ ])", name)
    lines = [""]
    for piece in (part for whole in pieces for part in _parts(whole, width)):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(part for line in lines for part in wrap(line, width, break_on_hyphens=False))


def _parts(word: str, width: int) -> list[str]:
    return [word] if len(word.rstrip()) <= width else re.split(r"(?<=[_/-])", word)


def plus_minus(value: float, spread: float, sign: bool = False) -> str:
    """`97.83 ± 0.21`, with a true minus sign; one decimal where no spread is known."""
    if np.isnan(value):
        return NONE
    digits = 1 if np.isnan(spread) else 2
    text = format(value, f"{'+' if sign else ''}.{digits}f").replace("-", "−")  # noqa: RUF001
    return text if np.isnan(spread) else f"{text} ± {spread:.{digits}f}"


def parts(frame: pd.DataFrame) -> list[str]:
    """The data sets of which only a part of the published images was there, "eurosat: 4,000 of 27,000 images"."""
    if "part" not in frame:
        return []
    return sorted(
        {part for text in frame["part"].dropna().unique() for part in text.split("; ") if part}
    )
