"""Which methods are baselines; each condition is compared with the best of them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.errors import UnknownName
from workbench.results.wording import enumerated


def baselines(frame: pd.DataFrame, named: Sequence[str] = ()) -> list[str]:
    """Return the labels of the baselines.

    By default, these are the methods that train without episodes, classify each query on its own
    and use no oracle; if there are none, all methods.

    Args:
        frame: a labelled tasks frame or a summary.
        named: the baselines, by algorithm or by label.

    Raises:
        UnknownName: the frame has no such method.
    """
    if named:
        return _named(frame, named)
    simple = list(frame.loc[_is_simple(frame), "method"].unique())
    return simple or list(frame["method"].unique())


def _named(frame: pd.DataFrame, named: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in named:
        matches = (frame["method"] == name) | (frame["algorithm"] == name)
        if not matches.any():
            raise UnknownName("method", name, {*frame["method"], *frame["algorithm"]})
        found += list(frame.loc[matches, "method"].unique())
    return list(dict.fromkeys(found))


def baseline_words(table: pd.DataFrame, named: Sequence[str] = ()) -> str:
    """Return what the columns of a matrix are compared with, in words."""
    if len(named) == 1:
        return named[0]
    if named:
        return f"the best of {enumerated(named)}"
    if _is_simple(table).any():
        return (
            "the best method that trains without episodes, classifies each query on its own "
            "and uses no oracle"
        )
    return "the best method, because all train on episodes, are transductive or use an oracle"


def _is_simple(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return the rows of methods that are baselines by default.

    A method that is episodic, transductive or an oracle in any row is more than a baseline.
    """
    advanced = frame["episodic"] | frame["transductive"] | frame["oracle"]
    return ~advanced.astype(bool).groupby(frame["method"]).transform("any")
