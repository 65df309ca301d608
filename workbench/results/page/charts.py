"""Charts as plain values: what page.js draws, with the look of each method.

A chart has two axes and some series. A series names its method, which decides its colour and
whether a reader has chosen it, and a kind, which decides how page.js draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.results.page.markup import plain_number
from workbench.results.style import Look

Chart = dict[str, Any]
Series = dict[str, Any]

MOST_POINTS = 400  # of a curve: more cannot be told apart on a screen
MARKS = dict(zip("os^DvPX<", "●■▲◆▼✚✖◀", strict=True))
SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "<": "triangle-left",
}
# on dark paper, where the others are seen as well
DARK = {
    "#0072B2": "#4FA8E8",
    "#D55E00": "#FF8B3D",
    "#009E73": "#2CC79A",
    "#000000": "#F0F0F0",
    "#8C6D31": "#C8A45E",
}
LINES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}


def looks(methods: Mapping[str, Look]) -> list[dict[str, str]]:
    """Return the methods in order, with the look that the static figures give them."""
    return [
        {
            "name": name,
            "colour": look.colour,
            "dark": DARK.get(look.colour, look.colour),
            "mark": MARKS[look.marker],
            "symbol": SYMBOLS[look.marker],
            "dash": LINES[look.dash],
        }
        for name, look in methods.items()
    ]


def chart(
    title: str,
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    series: Sequence[Series],
    **more: Any,
) -> Chart:
    """Return a chart. `more` may give `height` in pixels, and `logs`: axes that may be log."""
    return {"title": title, "x": dict(x), "y": dict(y), "series": list(series), **more}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis. `more` may give `range` and `ticks`, a label by place."""
    return {"title": title, **more}


def series(kind: str, method: str | None, x: Iterable[Any], y: Iterable[Any]) -> Series:
    """Return numbers to draw; those that are not finite become gaps."""
    return {"kind": kind, "method": method, "x": numbers(x), "y": numbers(y)}


def numbers(values: Iterable[Any]) -> list[float | None]:
    return [plain_number(value) for value in values]


def reference(x: Sequence[float], y: Sequence[float]) -> Series:
    """Return a dotted line that belongs to no method."""
    return series("reference", None, x, y)


def common_range(charts: Sequence[Chart], name: str) -> None:
    """Give charts the same limits on the axis "x" or "y", so that they can be compared by eye."""
    found: list[float] = []
    for each in charts:
        for part in each["series"]:
            spread = part.get("error", [0] * len(part[name]))
            of_axis = spread if part.get("error_of", "y") == name else [0] * len(spread)
            for value, half in zip(part[name], of_axis, strict=True):
                if value is not None:
                    found += [value - (half or 0), value + (half or 0)]
    if not found:
        return
    margin = 0.06 * (max(found) - min(found)) or 1
    for each in charts:
        each[name]["range"] = [min(found) - margin, max(found) + margin]


def sampled(frame: pd.DataFrame, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return some rows of a curve, the first and the last too: dense enough for a log axis."""
    if len(frame) <= most:
        return frame
    even = np.linspace(0, len(frame) - 1, 3 * most // 4)
    early = np.geomspace(1, len(frame), most // 4) - 1
    return frame.iloc[np.unique(np.concatenate([even, early]).round().astype(int))]
