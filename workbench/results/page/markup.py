"""Pieces of HTML: everything that comes from results is escaped here."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.results.wording import NO_VALUE, plus_minus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In a script, these could end it, open a comment, or break a line.
_UNSAFE = {each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def heading(text: str, anchor: str) -> str:
    """Return a heading that the contents of the page link to."""
    return f"<h2 id={anchor}>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def note(text: str) -> str:
    return f"<p class=note>{escape(text)}</p>"


def text_list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>"


def percent(fraction: float, spread: float) -> str:
    return plus_minus(100 * fraction, 100 * spread)


def duration(seconds: float) -> str:
    """Return seconds in a unit that suits their size, with three figures."""
    if pd.isna(seconds) or seconds == 0:
        return NO_VALUE  # of a method that trains nothing, there is no time
    # the limits are where three figures would round up to the next unit
    for limit, factor, unit in ((9.995e-4, 1e6, "µs"), (0.9995, 1e3, "ms"), (99.95, 1, "s")):
        if seconds < limit:
            return f"{seconds * factor:#.3g}".removesuffix(".") + f" {unit}"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def figure_image(figure: Figure, text: str) -> str:
    """Return a static figure as an element, described by a text."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150)
    width = round(96 * figure.get_figwidth())  # CSS pixels
    # on a narrow screen it shrinks a little, then scrolls
    style = f"width: {width}px; min-width: {0.7 * width:.0f}px"
    source = _png_address(stream.getvalue())
    return f'<div class=wide><img alt="{escape(text)}" style="{style}" src="{source}"></div>'


def picture(image: NDArray[np.uint8], text: str) -> str:
    """Return an image `(channels, height, width)` as an element, described by a text."""
    from PIL import Image

    shown = image[:3] if image.shape[0] >= 3 else image[:1]  # other channels are no colours
    pixels = shown[0] if len(shown) == 1 else shown.transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="png", optimize=True)
    address = _png_address(stream.getvalue())
    return f'<img loading=lazy alt="{escape(text)}" title="{escape(text)}" src="{address}">'


def _png_address(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def data_block(name: str, value: Any) -> str:
    """Return values for scripts as an element that is no script: nothing in it is executed."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, safe in _UNSAFE.items():
        text = text.replace(character, safe)
    return f'<script type="application/json" id={name}>{text}</script>'


def plain_number(value: float, digits: int = 6) -> float | None:
    """Return a number for `data_block`; None for one that JSON lacks."""
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), digits)
