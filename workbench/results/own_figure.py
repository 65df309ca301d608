"""Figures with a style of their own, whatever a user's matplotlibrc says.

A user's style may write all text with TeX, or in a colour that no page shows. Names may hold a
dollar sign, which matplotlib takes for mathematics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure


@contextmanager
def own_style() -> Iterator[None]:
    """Set matplotlib's defaults for a while, with a dollar sign as a dollar sign."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["text.parse_math"] = False
        yield


class OwnFigure(Figure):
    """A figure that is drawn and saved in our own style: some of its parts are made only then."""

    def draw(self, renderer: Any) -> None:
        """Draw the figure."""
        with own_style():
            super().draw(renderer)

    def savefig(self, fname: Any, **given: Any) -> None:
        """Save the figure to a file."""
        with own_style():
            super().savefig(fname, **given)
