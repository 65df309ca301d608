"""Methods that compare a query with the support in a space of features."""

from __future__ import annotations

import numpy as np

from ideas.pen import BLUE, CLASSES, GREEN, GREY, ORANGE, VIOLET, Pen, cloud

MIDDLES = ((3.2, 6.2), (8.6, 2.3), (13.0, 6.3))
QUERY = (6.6, 5.6)


def _three_clouds(pen: Pen) -> list[list[tuple[float, float]]]:
    clouds = [cloud(middle, 1.7, 5, seed) for seed, middle in enumerate(MIDDLES)]
    for points, colour in zip(clouds, CLASSES, strict=True):
        pen.dots(points, colour)
    return clouds


def protonet(pen: Pen) -> None:
    """The nearest class mean."""
    _three_clouds(pen)
    for middle, colour in zip(MIDDLES, CLASSES, strict=True):
        pen.oval(middle, 4.4, 4.0, colour, fill=0.12)
        pen.line([QUERY, middle], GREY, 1.0, ":")
        pen.mean(middle, colour)
    pen.line([QUERY, MIDDLES[0]], BLUE, 2.0)
    pen.query(QUERY, BLUE)
    pen.text((7.6, 8.2), "nearest mean")


def nearest_neighbor(pen: Pen) -> None:
    """The nearest support image."""
    clouds = _three_clouds(pen)
    nearest = min(clouds[0], key=lambda point: np.hypot(point[0] - QUERY[0], point[1] - QUERY[1]))
    pen.line([QUERY, nearest], BLUE, 2.0)
    radius = float(np.hypot(nearest[0] - QUERY[0], nearest[1] - QUERY[1]))
    pen.oval(QUERY, 2 * radius, 2 * radius, GREY, style=":")
    pen.query(QUERY, BLUE)
    pen.text((8.0, 8.4), "nearest image")


def matching(pen: Pen) -> None:
    """A vote of all support images, weighted by attention."""
    clouds = _three_clouds(pen)
    for points, colour in zip(clouds, CLASSES, strict=True):
        for point in points:
            distance = np.hypot(point[0] - QUERY[0], point[1] - QUERY[1])
            pen.line([QUERY, point], colour, max(0.35, 14.0 / distance**2))
    pen.query(QUERY)
    pen.text((8.9, 7.8), "attention")


def simpleshot(pen: Pen) -> None:
    """Subtract the mean of the training features and divide by the length: then class means."""
    for seed, middle in enumerate(((4.0, 6.9), (5.3, 5.6), (5.6, 7.6))):
        pen.dots(cloud(middle, 0.65, 4, seed), CLASSES[seed], 20)
    pen.arrow((0.7, 1.2), (6.6, 1.2), width=1.0)
    pen.arrow((0.7, 1.2), (0.7, 8.2), width=1.0)
    pen.text((3.2, 2.6), "features")
    pen.arrow((7.2, 5.0), (9.0, 5.0), VIOLET, 1.8)
    middle, radius = (12.6, 4.6), 3.1
    pen.oval(middle, 2 * radius, 2 * radius)
    for angle, colour in zip((2.2, 4.2, 0.5), CLASSES, strict=True):
        spots = [
            middle + radius * np.array((np.cos(a), np.sin(a)))
            for a in angle + np.array([-0.3, -0.1, 0.14, 0.3])
        ]
        pen.dots([tuple(spot) for spot in spots], colour, 20)
        pen.mean(tuple(middle + 0.9 * radius * np.array((np.cos(angle), np.sin(angle)))), colour)
    pen.text((12.6, 4.6), "centred,\nlength 1")


def siamese(pen: Pen) -> None:
    """One network for two images; their difference says whether they are of one class."""
    for y, colour in ((6.0, BLUE), (1.1, BLUE)):
        pen.box((0.5, y), 1.9, 1.9, "", colour)
        pen.arrow((2.7, y + 0.95), (3.9, y + 0.95))
        end = pen.network((4.1, y - 0.35), [VIOLET] * 3, 2.6)
        pen.arrow((end + 0.3, y + 0.95), (9.3, 4.5 + (0.7 if y > 4 else -0.7)), bend=0.0)
    pen.dots([(1.45, 6.95)], BLUE, 60)
    pen.query((1.45, 2.05), BLUE)
    pen.line([(5.3, 3.6), (5.3, 5.5)], VIOLET, 1.2, ":")
    pen.text((2.9, 4.55), "same weights", VIOLET, 8.5)
    pen.box((9.4, 3.5), 2.6, 2.0, "|a − b|")
    pen.arrow((12.2, 4.5), (13.2, 4.5))
    pen.text((14.5, 4.5), "same?", VIOLET, 10.5)


def relation(pen: Pen) -> None:
    """A network looks at a query beside each class, and learns how alike they are."""
    for y, colour in zip((6.5, 3.7, 0.9), CLASSES, strict=True):
        pen.cell((0.6, y), 1.5, 1.6, colour, 0.6)
        pen.cell((2.1, y), 1.5, 1.6, VIOLET, 0.25)
        pen.query((2.85, y + 0.8))
        pen.arrow((4.0, y + 0.8), (5.8, 4.5 + 0.28 * (y - 3.7)))
    pen.box((6.0, 2.6), 4.0, 3.8, "relation\nnetwork", VIOLET)
    pen.arrow((10.3, 4.5), (11.5, 4.5))
    pen.bars((12.0, 2.5), (4.0, 0.9, 1.4), (BLUE, ORANGE, GREEN), 0.85)
    pen.text((13.6, 1.5), "scores")
