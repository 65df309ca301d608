"""What a reader must know about a result, as a sign behind it and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.results.frame import records
from workbench.results.wording import enumerated

Cell = Mapping[Any, Any]  # a row of the summary

NEAR = 0.1  # of the loss of guessing: nothing was learned if a training ends within this share


def _transductive(cell: Cell) -> str:
    if not cell["transductive"]:
        return ""
    return "transductive: classifies the queries of a task together"


def _oracle(cell: Cell) -> str:
    if not cell["oracle"]:
        return ""
    return "oracle: uses what only the test data reveal"


def _selected(cell: Cell) -> str:
    if not cell["selected"]:
        return ""
    words = f"test-time options: {' or '.join(cell['selected'])}"
    if len(cell["selected"]) > 1:
        words += ", depending on the training seed"
    if len(cell["selected_on"]):
        return f"{words}, chosen on the validation classes of {enumerated(cell['selected_on'])}"
    return f"{words}, the defaults because there are no validation classes"


def _tuned(cell: Cell) -> str:
    if not cell["tuned"]:
        return ""
    return f"tuned on {cell['tuned']}"


def _pretrained(cell: Cell) -> str:
    if not cell["pretrained_on"]:
        return ""
    return f"pre-trained on {enumerated(cell['pretrained_on'])}"


def _overlap(cell: Cell) -> str:
    verbs = {"yes": "overlap", "unknown": "may overlap"}
    if cell["overlap"] not in verbs:
        return ""
    return f"the test data {verbs[cell['overlap']]} with the pre-training data"


def _broken(cell: Cell) -> str:
    if not cell["broken"]:
        return ""
    return (
        f"broke down in {cell['broken']:,} of {cell['episodes']:,} tasks: "
        "queries whose scores are not finite count as wrong"
    )


def _short(cell: Cell) -> str:
    if cell["recipe_steps"] is None or cell["steps"] >= cell["recipe_steps"]:
        return ""
    steps = "1 step" if cell["steps"] == 1 else f"{cell['steps']:,} steps"
    return f"trained for {steps}, and the {cell['recipe']} recipe says {cell['recipe_steps']:,}"


def _learned_nothing(cell: Cell) -> str:
    loss, chance = cell["train_loss"], cell["chance_loss"]
    if not abs(loss - chance) <= NEAR * chance:  # so where one is unknown
        return ""
    return f"training loss {loss:.2f} at the end, and guessing has {chance:.2f}"


# By sign, the words for a cell; empty where the sign does not apply.
MARKS: dict[str, Callable[[Cell], str]] = {
    "*": _transductive,
    "‡": _oracle,
    "†": _selected,
    "^": _tuned,
    "°": _pretrained,
    "!": _overlap,
    "#": _broken,
    "§": _short,
    "¶": _learned_nothing,
}


def signs(cell: Cell) -> str:
    """Return the signs of a row of the summary: "*†"."""
    return "".join(sign for sign, words_of in MARKS.items() if words_of(cell))


def remarks(cell: Cell) -> list[str]:
    """Return the same in words."""
    found = [words_of(cell) for words_of in MARKS.values()]
    return [words for words in found if words]


def common_signs(table: pd.DataFrame) -> dict[str, str]:
    """Return by method the signs that all its rows share.

    They stand behind the method's name, all others behind single results.
    """
    shared: dict[str, str] = {}
    for cell in records(table):
        method, own = cell["method"], signs(cell)
        before = shared.get(method, own)
        shared[method] = "".join(sign for sign in before if sign in own)
    return shared


def own_signs(cell: Cell, shared: str) -> str:
    """Return the signs of a row that do not stand behind its method's name already."""
    return "".join(sign for sign in signs(cell) if sign not in shared)


def legend(table: pd.DataFrame) -> list[str]:
    """Return what the signs in a table mean and whom they concern: "° pre-trained on x (maml)".

    Where a sign does not mean the same for all cells of a method, the cells are named too: "(url
    at 1-shot)".
    """
    lines = []
    for sign, words_of in MARKS.items():
        concerned: dict[str, list[str]] = {}  # by words, methods and their cells
        for method, cells in _cells_by_method(table).items():
            by_words = _cells_by_words(cells, words_of)
            for words, some in by_words.items():
                where = _where(some, list(by_words.values()))
                concerned.setdefault(words, []).append(f"{method} {where}".rstrip())
        concerned.pop("", None)  # the sign does not apply
        for words, names in concerned.items():
            lines.append(f"{sign} {words} ({', '.join(names)})")
    return lines


def _cells_by_method(table: pd.DataFrame) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in records(table):
        found.setdefault(cell["method"], []).append(cell)
    return found


def _cells_by_words(
    cells: Sequence[Cell], words_of: Callable[[Cell], str]
) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(words_of(cell), []).append(cell)
    return found


def _at_shots(cell: Cell) -> str:
    return "at varying shots" if cell["shots"] is None else f"at {cell['shots']}-shot"


def _on_data(cell: Cell) -> str:
    return f"on {cell['test_on']}"


def _on_data_at_shots(cell: Cell) -> str:
    return f"{_on_data(cell)} {_at_shots(cell)}"


def _where(cells: Sequence[Cell], groups: Sequence[Sequence[Cell]]) -> str:
    """Return what tells some cells of a method from its others: "at 1-shot and at 5-shot".

    Empty if there are no others, or nothing tells them apart.

    Args:
        cells: the cells to describe, one of the groups.
        groups: all cells of the method, by what the sign means for them.
    """
    if len(groups) == 1:
        return ""
    for place_of in (_at_shots, _on_data, _on_data_at_shots):
        if _tells_apart(groups, place_of):
            return enumerated(dict.fromkeys(place_of(cell) for cell in cells))
    return ""


def _tells_apart(groups: Sequence[Sequence[Cell]], place_of: Callable[[Cell], str]) -> bool:
    """Return whether no place occurs in two groups."""
    seen: set[str] = set()
    for group in groups:
        places = {place_of(cell) for cell in group}
        if places & seen:
            return False
        seen |= places
    return True
