"""Methods that reuse trained features, in the same or in another domain."""

from __future__ import annotations

import numpy as np

from ideas.pen import BLUE, CLASSES, GREY, ORANGE, VIOLET, Pen, around, cloud


def baseline(pen: Pen) -> None:
    """Train a network on all classes; freeze it, and fit a new linear layer to each task."""
    pen.arrow((0.3, 4.6), (1.2, 4.6))
    end = pen.network((1.4, 1.9), [GREY] * 4, 5.4)
    pen.text((3.1, 8.1), "frozen")
    pen.arrow((end + 0.3, 4.6), (6.4, 4.6))
    pen.box((6.6, 3.4), 3.8, 2.4, "new layer", ORANGE, 0.3)
    pen.arrow((10.7, 4.6), (11.7, 4.6))
    pen.bars((12.1, 2.6), (1.1, 4.3, 0.8), CLASSES, 0.85)
    pen.text((8.5, 2.3), "fitted to the support", ORANGE, 8.5)


def baselinepp(pen: Pen) -> None:
    """The new layer compares directions: the cosine to a vector for each class."""
    middle = (7.6, 1.3)
    for angle, colour in zip((2.45, 1.45, 0.55), CLASSES, strict=True):
        pen.arrow(middle, around(middle, 6.6, angle), colour, 2.0)
        for turn, length in ((-0.12, 4.65), (0.1, 5.6), (0.04, 3.7)):
            pen.dots([around(middle, length, angle + turn)], colour, 24)
    query = around(middle, 5.2, 1.05)
    pen.line([middle, query], VIOLET, 1.4, ":")
    pen.query(query)
    arc = [around(middle, 3.4, angle) for angle in np.linspace(1.05, 1.45, 20)]
    pen.line(arc, VIOLET, 1.8)
    pen.text((5.9, 3.9), "angle", VIOLET, 9)
    pen.line([(6.9, 4.1), around(middle, 3.1, 1.3)], VIOLET, 0.9)


def linear_probe(pen: Pen) -> None:
    """Logistic regression on frozen features."""
    x, y = np.meshgrid(np.linspace(0, 16, 160), np.linspace(0, 9, 90))
    side = 1 / (1 + np.exp(-1.1 * ((x - 8.0) - 0.75 * (y - 4.5))))
    colours = np.zeros((*side.shape, 4))
    for part, colour in ((side < 0.5, BLUE), (side >= 0.5, ORANGE)):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        colours[part, :3] = channels
    colours[..., 3] = 0.55 * np.abs(side - 0.5)
    pen.axes.imshow(colours, extent=(0, 16, 0, 9), origin="lower", aspect="auto", zorder=0)
    pen.axes.set(xlim=(0, 16), ylim=(0, 9))
    pen.line([(4.9, 0.4), (11.1, 8.6)], GREY, 2.0)
    pen.dots(cloud((4.0, 5.4), 2.0, 6, 3), BLUE)
    pen.dots(cloud((12.0, 3.6), 2.0, 6, 4), ORANGE)
    pen.query((7.2, 4.6))
    pen.text((3.2, 8.2), "p = 0.9", BLUE)
    pen.text((13.0, 0.9), "p = 0.9", ORANGE)


def finetune(pen: Pen) -> None:
    """All weights go on learning, on changed copies of the support images."""
    for number, shift in enumerate((0.0, 0.55, 1.1)):
        pen.cell((0.6 + shift, 4.9 - shift), 1.9, 2.2, BLUE, 0.25 + 0.15 * number)
    pen.text((2.0, 2.3), "augmented\nsupport")
    pen.arrow((4.3, 4.9), (5.6, 4.9))
    end = pen.network((5.9, 2.2), [ORANGE] * 5, 5.4)
    pen.arrow((end + 0.3, 4.9), (11.9, 4.9))
    pen.bars((12.3, 2.9), (1.1, 4.1, 0.8), CLASSES, 0.85)
    pen.arrow((12.4, 1.8), (6.2, 1.8), ORANGE, 1.8)
    pen.text((8.9, 0.8), "gradient through all layers", ORANGE)


def tim(pen: Pen) -> None:
    """The queries decide too: each should be sure, and all together of every class."""
    for middle, colour, seed in (((3.8, 5.6), BLUE, 1), ((12.0, 3.8), ORANGE, 2)):
        for point in cloud(middle, 2.3, 8, seed):
            pen.query(point, colour)
    pen.dots([(4.9, 2.4)], BLUE, 60)
    pen.dots([(9.2, 2.0)], ORANGE, 60)
    pen.line([(6.2, 0.4), (8.0, 3.6), (10.2, 8.4)], GREY, 1.4, ":")
    pen.line([(7.2, 0.4), (7.9, 4.5), (8.6, 8.6)], VIOLET, 2.2)
    pen.arrow((9.6, 7.5), (8.5, 7.5), VIOLET, 1.3)
    pen.text((13.0, 7.3), "moves between\nthe queries", VIOLET, 8.5)


def film(pen: Pen) -> None:
    """One network for all data sets; each task scales and shifts its channels."""
    before = (1.6, 2.8, 1.0, 2.2, 1.8)
    after = (3.4, 1.2, 2.6, 0.7, 3.0)
    for number, (low, high) in enumerate(zip(before, after, strict=True)):
        pen.cell((0.8 + 0.95 * number, 2.6), 0.75, low, GREY, 0.4)
        pen.cell((10.6 + 0.95 * number, 2.6), 0.75, high, VIOLET, 0.7)
    pen.line([(0.5, 2.6), (5.6, 2.6)])
    pen.line([(10.3, 2.6), (15.4, 2.6)])
    pen.arrow((6.0, 4.0), (10.0, 4.0), VIOLET, 1.8)
    pen.text((8.0, 5.0), "γ x + β", VIOLET, 12)
    pen.text((8.0, 2.8), "of the task", VIOLET, 8.5)
    pen.text((3.0, 1.4), "channels")
    pen.text((12.9, 1.4), "for this task", VIOLET)
    pen.text((8.0, 7.9), "weights stay the same")


def url(pen: Pen) -> None:
    """A network for each data set teaches one network for all."""
    for y, colour in zip((6.4, 3.7, 1.0), CLASSES, strict=True):
        pen.network((0.8, y), [colour] * 3, 1.8)
        pen.arrow((4.0, y + 0.9), (7.2, 4.6 + 0.35 * (y - 3.7)), colour, 1.5)
    pen.text((5.7, 8.0), "teach")
    pen.network((7.6, 2.5), [VIOLET] * 4, 4.4)
    pen.text((9.4, 1.2), "one for all", VIOLET)
    pen.arrow((11.4, 4.7), (12.5, 4.7))
    pen.box((12.7, 3.6), 2.7, 2.2, "linear", ORANGE, 0.3)
    pen.text((14.0, 2.6), "for a task", ORANGE, 8.5)


def tsa(pen: Pen) -> None:
    """Beside each frozen layer a small one, which the support trains."""
    pen.arrow((0.3, 3.6), (1.2, 3.6))
    for number in range(3):
        x = 1.4 + 4.6 * number
        pen.box((x, 2.4), 2.6, 2.4, "frozen", GREY)
        pen.box((x + 0.55, 6.1), 1.5, 1.3, "", ORANGE, 0.55)
        pen.line([(x - 0.55, 3.6), (x - 0.55, 6.75), (x + 0.4, 6.75)], ORANGE, 1.3)
        pen.line([(x + 2.2, 6.75), (x + 3.2, 6.75)], ORANGE, 1.3)
        pen.arrow((x + 3.2, 6.75), (x + 3.2, 3.85), ORANGE, 1.3)
        pen.arrow((x + 2.7, 3.6), (x + 4.4, 3.6))
        pen.text((x + 3.2, 3.1), "+", ORANGE, 11)
    pen.text((7.4, 1.2), "small layers learn the task", ORANGE)
