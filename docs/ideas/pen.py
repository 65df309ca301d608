"""What the pictures are drawn with: a field of 16 x 9 units, dots, stars, arrows and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Rectangle

GREY = "#848b98"
BLUE, ORANGE, GREEN = CLASSES = ("#3f8ede", "#e07b39", "#2fa36b")
VIOLET = "#a66be0"  # what is learned across tasks, or what the picture is about
SIZE = (3.2, 1.8)  # inches
TEXT = 9.5  # points

Point = tuple[float, float]


class Pen:
    """A picture in the making."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=SIZE)
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set(xlim=(0, 16), ylim=(0, 9))
        self.axes.axis("off")

    def dots(self, points: Sequence[Point], colour: str, size: float = 34) -> None:
        """Draw support images."""
        x, y = zip(*points, strict=True)
        self.axes.scatter(x, y, s=size, color=colour, linewidths=0, zorder=4)

    def query(self, point: Point, colour: str = VIOLET) -> None:
        """Draw a query."""
        self.axes.scatter(
            *point,
            s=110,
            marker="*",
            facecolors="none",
            edgecolors=colour,
            linewidths=1.4,
            zorder=6,
        )

    def mean(self, point: Point, colour: str) -> None:
        """Draw the mean of a class."""
        self.axes.scatter(*point, s=70, marker="X", color=colour, linewidths=0, zorder=5)

    def line(
        self, points: Sequence[Point], colour: str = GREY, width: float = 1.3, style: str = "-"
    ) -> None:
        x, y = zip(*points, strict=True)
        self.axes.plot(x, y, color=colour, lw=width, ls=style, zorder=3, solid_capstyle="round")

    def arrow(
        self,
        start: Point,
        end: Point,
        colour: str = GREY,
        width: float = 1.4,
        *,
        bend: float = 0.0,
        style: str = "-",
        head: str = "-|>",
    ) -> None:
        patch = FancyArrowPatch(
            start,
            end,
            arrowstyle=head,
            mutation_scale=9,
            color=colour,
            lw=width,
            ls=style,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
            zorder=4,
        )
        self.axes.add_patch(patch)

    def box(
        self,
        corner: Point,
        width: float,
        height: float,
        text: str = "",
        colour: str = GREY,
        fill: float = 0.16,
    ) -> None:
        """Draw a box with rounded corners; `fill` is how opaque it is."""
        inside = FancyBboxPatch(
            corner,
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.35",
            facecolor=(colour, fill),
            edgecolor=colour,
            lw=1.3,
            zorder=2,
        )
        self.axes.add_patch(inside)
        middle = (corner[0] + width / 2, corner[1] + height / 2)
        self.text(middle, text, colour)

    def cell(self, corner: Point, width: float, height: float, colour: str, fill: float) -> None:
        """Draw a plain rectangle: a row of a memory, a bar, a layer."""
        self.axes.add_patch(
            Rectangle(
                corner, width, height, facecolor=(colour, fill), edgecolor=colour, lw=1.0, zorder=3
            )
        )

    def oval(
        self,
        middle: Point,
        width: float,
        height: float,
        colour: str = GREY,
        *,
        angle: float = 0.0,
        fill: float = 0.0,
        style: str = "-",
    ) -> None:
        self.axes.add_patch(
            Ellipse(
                middle,
                width,
                height,
                angle=angle,
                facecolor=(colour, fill),
                edgecolor=colour,
                lw=1.1,
                ls=style,
                zorder=1,
            )
        )

    def text(self, place: Point, words: str, colour: str = GREY, size: float = TEXT) -> None:
        self.axes.text(*place, words, color=colour, size=size, ha="center", va="center", zorder=7)

    def network(self, corner: Point, colours: Sequence[str], height: float = 4.4) -> float:
        """Draw layers side by side, from left to right; return the right end."""
        x, bottom = corner
        for number, colour in enumerate(colours):
            shorter = height * (1 - 0.14 * number)
            y = bottom + (height - shorter) / 2
            self.cell((x, y), 0.62, shorter, colour, 0.14 if colour == GREY else 0.45)
            x += 0.95
        return x - 0.33

    def bars(
        self, corner: Point, heights: Sequence[float], colours: Sequence[str], width: float = 0.7
    ) -> None:
        """Draw scores, one bar for each class."""
        x, bottom = corner
        self.line([(x - 0.2, bottom), (x + len(heights) * (width + 0.25), bottom)], width=1.0)
        for height, colour in zip(heights, colours, strict=True):
            self.cell((x, bottom), width, height, colour, 0.75)
            x += width + 0.25

    def bowl(
        self, middle: Point, colour: str, sizes: Sequence[float] = (1.0, 2.0), angle: float = 0
    ) -> None:
        """Draw the levels of a loss around its minimum."""
        for size in sizes:
            self.oval(middle, 2.1 * size, 1.35 * size, colour, angle=angle)

    def save(self, path: Path) -> None:
        with mpl.rc_context({"svg.hashsalt": "ideas", "svg.fonttype": "path"}):
            self.figure.savefig(path, transparent=True, metadata={"Date": None})


def cloud(middle: Point, spread: float, count: int, seed: int) -> list[Point]:
    """Return points around a middle, the same each time."""
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + random.uniform(0, 1)
    radii = spread * random.uniform(0.55, 1.0, count)
    x, y = middle
    return [(x + r * np.cos(a), y + r * np.sin(a)) for a, r in zip(angles, radii, strict=True)]


def around(middle: Point, radius: float, angle: float) -> Point:
    """Return a point of a circle."""
    return middle[0] + radius * float(np.cos(angle)), middle[1] + radius * float(np.sin(angle))
