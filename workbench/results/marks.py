"""What a reader must know of a result, as a sign behind it and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

ORACLE = "oracle"  # in the text of a selection: something was chosen that only the test data tell


class Mark(NamedTuple):
    """What a reader must know of a row, as a sign behind it and in words."""

    sign: str
    holds: Callable[[Mapping[Any, Any]], bool]
    words: Callable[[Mapping[Any, Any]], str]


MARKS = [
    Mark(
        "*",
        lambda cell: cell["transductive"],
        lambda _: "transductive: it sees the other queries of a task",
    ),
    Mark(
        "‡",
        lambda cell: ORACLE in cell["selection"],
        lambda _: "oracle: it uses what only the test data tell",
    ),
    Mark(
        "†",
        lambda cell: cell["selection"] not in ("", ORACLE),
        lambda cell: f"test-time options: {cell['selection']}",
    ),
    Mark(
        "°",
        lambda cell: cell["pretrained_on"] != "",
        lambda cell: f"pre-trained on {cell['pretrained_on']}",
    ),
    Mark(
        "!",
        lambda cell: cell["overlap"] in ("yes", "unknown"),
        lambda cell: (
            f"{cell['test_on']} {'overlaps' if cell['overlap'] == 'yes' else 'may overlap'} with the pre-training"
        ),
    ),
]


def signs(cell: Mapping[Any, Any]) -> str:
    """The signs of a row of the summary, "*†"."""
    return "".join(mark.sign for mark in MARKS if mark.holds(cell))


def common_signs(table: pd.DataFrame) -> dict[str, str]:
    """The signs that all rows of a method share; they stand behind its name, the others behind single results."""
    shared: dict[str, str] = {}
    for cell in table.to_dict("records"):
        own = signs(cell)
        shared[cell["method"]] = "".join(
            sign for sign in shared.get(cell["method"], own) if sign in own
        )
    return shared


def remarks(cell: Mapping[Any, Any]) -> list[str]:
    """The same in words."""
    return [mark.words(cell) for mark in MARKS if mark.holds(cell)]


def legend(table: pd.DataFrame) -> list[str]:
    """What the signs in a table mean, and for which methods: "* transductive: it sees ... (maml)".

    Where one sign says several things of a method, also for which of its cells: "(url at 1-shot)".
    """
    lines: list[str] = []
    for mark in MARKS:
        said: dict[str, dict[str, list[Mapping[Any, Any]]]] = {}  # by words and method, the cells
        for cell in table.to_dict("records"):
            if mark.holds(cell):
                said.setdefault(mark.words(cell), {}).setdefault(cell["method"], []).append(cell)
        for words, methods in said.items():
            names = [
                _whose(name, cells, [of[name] for of in said.values() if name in of])
                for name, cells in methods.items()
            ]
            lines.append(f"{mark.sign} {words} ({', '.join(names)})")
    return lines


def _whose(
    method: str, cells: Sequence[Mapping[Any, Any]], told: Sequence[Sequence[Mapping[Any, Any]]]
) -> str:
    """A method, and where several things are told of it, what tells its cells from those of the others."""
    for form in (
        ("at {shots}-shot", "on {test_on}", "on {test_on} at {shots}-shot") if len(told) > 1 else ()
    ):
        places = [dict.fromkeys(form.format_map(cell) for cell in group) for group in told]
        if len(set().union(*places)) == sum(map(len, places)):  # none is in two groups
            return (
                f"{method} {' and '.join(dict.fromkeys(form.format_map(cell) for cell in cells))}"
            )
    return method
