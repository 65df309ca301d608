"""What all figures share: a style, colours, panels, and the legend below them.

Figures are made without pyplot, so they have no global state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec

import numpy as np

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

P = ParamSpec("P")

# Okabe and Ito's colours, which colour-blind readers tell apart. Brown replaces their yellow,
# which is too pale on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C6D31"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<"]
DASHES = ["-", "--", ":", "-."]
INK, PALE, SOFT, FAINT = "#333333", "#DDDDDD", "#EEEEEE", "#F6F6F6"


def in_own_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function make its figure in our own style, whatever a user's matplotlibrc says."""

    @wraps(draw)
    def make(*given: P.args, **named: P.kwargs) -> Figure:
        from workbench.results.own_figure import own_style

        with own_style():
            return draw(*given, **named)

    return make


class Look(NamedTuple):
    """How a method is drawn, in all figures."""

    colour: str
    marker: str
    dash: str


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """Return a look for each name, in order of appearance.

    From the ninth name on, the colours repeat with other markers and line styles.
    """
    looks = {}
    for number, name in enumerate(dict.fromkeys(names)):
        turn = number // len(COLOURS)
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[(number + turn) % len(MARKERS)]
        looks[name] = Look(colour, marker, DASHES[turn % len(DASHES)])
    return looks


def panel_grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels of `width` x `height` inches, row by row."""
    from workbench.results.own_figure import OwnFigure

    columns = min(columns, count)
    rows = -(-count // columns)
    size = (max(5.0, columns * width), rows * height)
    figure = OwnFigure(figsize=size, layout="constrained", facecolor="white")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in panels[count:]:
        spare.remove()
    for axis in panels[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.tick_params(colors=INK, labelsize=9)
    return figure, panels[:count]


def label_panel(
    axis: Axes, title: str, x: str, y: str = "", *, grid: Literal["x", "y", "both"] = "both"
) -> None:
    """Set a panel's title and axis labels; long titles are broken into lines."""
    axis.set_title(_broken_title(title), fontsize=10)
    axis.set_xlabel(x, fontsize=9.5)
    axis.set_ylabel(y, fontsize=9.5)
    axis.grid(axis=grid, color=PALE)


def _broken_title(title: str) -> str:
    """Return a title in lines that fit a panel; "5-way 1-shot" stays on one."""
    unbreakable = title.replace("-way ", "-way\N{NO-BREAK SPACE}")
    lines = fill(unbreakable, 50, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def side_by_side(count: int) -> list[float]:
    """Return offsets of `count` neighbours around 0, at most 0.3 to either side.

    They are as small as keeps one interval beside the other, within their category.
    """
    if count < 2:
        return [0.0] * count
    half = min(0.3, 0.03 * (count - 1))
    return [float(offset) for offset in np.linspace(-half, half, count)]


def one_scale(axes: Iterable[Axes], name: Literal["x", "y"]) -> None:
    """Give panels the same limits in x or y, so that they can be compared by eye."""
    axes = list(axes)
    limits = [axis.get_xlim() if name == "x" else axis.get_ylim() for axis in axes]
    common = (min(low for low, _ in limits), max(high for _, high in limits))
    for axis in axes:
        axis.set(**{f"{name}lim": common})


def shade_categories(axis: Axes, count: int) -> None:
    """Shade every second category of the x axis: what stands side by side belongs together."""
    for place in range(1, count, 2):
        axis.axvspan(place - 0.5, place + 0.5, color=FAINT, linewidth=0, zorder=0)


def add_legend(
    figure: Figure,
    looks: Mapping[str, Look],
    *,
    published: bool = False,
    remarks: Mapping[str, str] | None = None,
) -> None:
    """Add one legend below all panels, where it covers no data and narrows no panel.

    Args:
        figure: the figure.
        looks: colour, marker and dash of each method.
        published: whether hollow markers are explained.
        remarks: what is written behind the names of some methods.
    """
    handles = _legend_handles(looks, published)
    for handle in handles:
        remark = (remarks or {}).get(str(handle.get_label()))
        if remark:
            handle.set_label(f"{handle.get_label()} ({remark})")
    if not handles:
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    fitting = int(figure.get_figwidth() / (0.7 + 0.07 * longest))
    columns = max(1, min(len(handles), fitting))
    rows = -(-len(handles) // columns)
    figure.set_figheight(figure.get_figheight() + 0.2 * rows)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=3,
    )


def _legend_handles(looks: Mapping[str, Look], published: bool) -> list[Line2D]:
    from matplotlib.lines import Line2D

    handles = []
    for name, look in looks.items():
        style: dict[str, Any] = {
            "color": look.colour,
            "marker": look.marker,
            "linestyle": look.dash,
        }
        handles.append(Line2D([], [], label=name, **style))
    if published:
        hollow: dict[str, Any] = {
            "marker": "o",
            "markersize": 8,
            "markerfacecolor": "none",
            "linestyle": "none",
        }
        handles.append(Line2D([], [], color=INK, label="hollow: published", **hollow))
    return handles
