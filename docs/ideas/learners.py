"""Learned optimisers, memories, networks that make weights, posteriors, and streams."""

from __future__ import annotations

import numpy as np

from ideas.pen import BLUE, CLASSES, GREY, ORANGE, VIOLET, Pen


def l2l(pen: Pen) -> None:
    """A small network turns gradients into steps, and is trained so that losses fall fast."""
    pen.box((0.6, 3.4), 3.6, 2.6, "optimiser\nnetwork", VIOLET)
    pen.arrow((2.4, 8.2), (2.4, 6.3), ORANGE, 1.6)
    pen.text((4.2, 7.6), "gradient", ORANGE)
    pen.arrow((2.4, 3.1), (2.4, 1.0), VIOLET, 1.6)
    pen.text((3.6, 1.8), "step", VIOLET)
    pen.arrow((7.0, 1.2), (15.6, 1.2), width=1.0)
    pen.arrow((7.0, 1.2), (7.0, 8.4), width=1.0)
    x = np.linspace(0, 8, 60)
    for rate, colour, width in ((0.25, GREY, 1.4), (0.8, VIOLET, 2.2)):
        y = 1.7 + 5.6 * np.exp(-rate * x)
        pen.line(list(zip(7.2 + x, y, strict=True)), colour, width)
    pen.text((12.9, 5.2), "by hand")
    pen.text((8.45, 1.8), "learned", VIOLET, 8)
    pen.text((9.0, 8.3), "loss")


def mann(pen: Pen) -> None:
    """A network writes what it has seen into a memory, and reads it back."""
    pen.arrow((0.3, 4.6), (1.7, 4.6))
    pen.box((1.9, 3.3), 3.9, 2.6, "controller", VIOLET)
    strengths = np.random.default_rng(5).uniform(0.08, 0.5, (7, 4))
    for row in range(7):
        for column in range(4):
            held = row in (1, 4)
            pen.cell(
                (10.6 + 0.95 * column, 1.0 + 1.0 * row),
                0.95,
                1.0,
                (BLUE if row == 4 else ORANGE) if held else GREY,
                0.75 if held else float(strengths[row, column]) * 0.6,
            )
    pen.arrow((6.0, 5.2), (10.4, 5.6), BLUE, 1.8)
    pen.arrow((10.4, 2.4), (6.0, 3.9), ORANGE, 1.8)
    pen.text((8.2, 6.4), "write", BLUE)
    pen.text((7.6, 2.1), "read", ORANGE)
    pen.text((12.5, 8.5), "memory")
    pen.arrow((3.85, 6.1), (3.85, 7.7))
    pen.text((3.85, 8.3), "answer")


def hypernet(pen: Pen) -> None:
    """One network reads the support and makes the weights of another."""
    pen.dots([(1.0, 6.9), (1.6, 7.9), (2.3, 6.7)], BLUE)
    pen.dots([(1.2, 5.2), (2.1, 5.5)], ORANGE)
    pen.text((1.7, 3.9), "support")
    pen.arrow((3.2, 6.5), (4.4, 6.5))
    pen.box((4.6, 5.2), 4.2, 2.6, "network", VIOLET)
    pen.arrow((9.0, 6.5), (12.3, 6.5), VIOLET, 1.8, bend=0.0)
    pen.arrow((12.3, 6.5), (12.3, 4.2), VIOLET, 1.8)
    pen.text((11.0, 7.5), "weights", VIOLET)
    pen.query((6.2, 2.3))
    pen.arrow((7.0, 2.3), (10.2, 2.3))
    pen.box((10.4, 1.0), 3.8, 2.8, "classifier", BLUE)
    pen.arrow((14.4, 2.3), (15.6, 2.3))


def dkt(pen: Pen) -> None:
    """A Gaussian process in the space of features: it is unsure where it has seen nothing."""
    x = np.linspace(0.5, 15.5, 200)
    seen = np.array((2.0, 3.6, 5.4, 11.6, 13.2))
    values = np.array((3.2, 4.4, 6.2, 5.0, 3.4))

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-((a[:, None] - b[None]) ** 2) / (2 * 1.9**2))

    gain = kernel(x, seen) @ np.linalg.inv(kernel(seen, seen) + 0.01 * np.eye(5))
    mean = 4.6 + gain @ (values - 4.6)
    spread = np.sqrt(np.clip(1 - (gain * kernel(x, seen)).sum(1), 0.004, None))
    pen.axes.fill_between(
        x, mean - 2.2 * spread, mean + 2.2 * spread, color=VIOLET, alpha=0.2, lw=0
    )
    pen.line(list(zip(x, mean, strict=True)), VIOLET, 1.9)
    pen.dots(list(zip(seen, values, strict=True)), BLUE, 40)
    pen.text((8.5, 1.2), "unsure here")
    pen.arrow((8.5, 1.8), (8.5, 2.8), width=1.0)


def llama(pen: Pen) -> None:
    """Beside the adapted weights, how sure they are: a Gaussian from the curvature of the loss."""
    x = np.linspace(0.6, 15.4, 200)
    loss = 1.0 + 0.16 * (x - 9.0) ** 2 * np.where(x < 9.0, 0.75, 1.15)
    pen.line(list(zip(x, np.minimum(loss, 9.2), strict=True)), BLUE, 1.7)
    bell = 1.0 + 5.4 * np.exp(-((x - 9.0) ** 2) / (2 * 1.5**2))
    pen.axes.fill_between(x, 1.0, bell, color=VIOLET, alpha=0.22, lw=0)
    pen.line(list(zip(x, bell, strict=True)), VIOLET, 1.7)
    pen.line([(0.6, 1.0), (15.4, 1.0)], GREY, 1.0)
    pen.dots([(3.0, 1.0)], VIOLET, 55)
    pen.arrow((3.3, 1.0), (8.7, 1.0), VIOLET, 1.8)
    pen.dots([(9.0, 1.0)], BLUE, 45)
    pen.text((3.0, 2.2), "θ", VIOLET, 13)
    pen.text((9.0, 7.4), "posterior", VIOLET)
    pen.text((13.2, 2.6), "loss", BLUE)


STREAM = (0, 0, 0, 1, 1, 1, 2, 2, 2)


def _stream(pen: Pen, y: float, order: tuple[int, ...], x: float = 0.5) -> float:
    for number in order:
        pen.cell((x, y), 0.72, 1.1, CLASSES[number], 0.7)
        x += 0.86
    return x


def oml(pen: Pen) -> None:
    """A stream changes only the last layer, on features learned so that it forgets little."""
    end = _stream(pen, 4.0, (0, 0, 1, 1, 2))
    pen.arrow((end + 0.1, 4.55), (5.9, 4.55))
    right = pen.network((6.1, 2.0), [VIOLET] * 3, 5.0)
    pen.arrow((right + 0.3, 4.55), (10.2, 4.55))
    pen.box((10.4, 3.4), 3.0, 2.3, "head", ORANGE, 0.3)
    pen.text((7.4, 1.0), "features, meta-learned", VIOLET)
    pen.arrow((12.9, 6.0), (10.9, 6.0), ORANGE, 1.6, bend=0.9)
    pen.text((12.2, 8.2), "each image", ORANGE)
    pen.arrow((13.6, 4.55), (15.4, 4.55))


def anml(pen: Pen) -> None:
    """A second network opens and closes the features of the first, image by image."""
    pen.arrow((0.4, 6.5), (1.8, 6.5))
    pen.network((2.0, 4.8), [GREY] * 3, 3.4)
    pen.arrow((0.4, 2.3), (1.8, 2.3))
    pen.network((2.0, 0.9), [VIOLET] * 3, 2.8)
    opened = (0.9, 0.1, 0.8, 0.1, 0.1, 0.9)
    for number, gate in enumerate(opened):
        x = 6.4 + 0.95 * number
        pen.cell((x, 5.9), 0.8, 1.2, GREY, 0.45)
        pen.cell((x, 1.7), 0.8, 1.2, VIOLET, gate)
        pen.cell((x, 3.8), 0.8, 1.2, BLUE, 0.8 * gate)
    pen.text((5.6, 4.4), "×", GREY, 14)
    pen.text((9.0, 0.8), "gates", VIOLET)
    pen.text((9.0, 8.0), "features")
    pen.arrow((12.3, 4.4), (13.0, 4.4))
    pen.box((13.2, 3.4), 2.5, 2.0, "head", ORANGE, 0.3)


def pretrain(pen: Pen) -> None:
    """What methods for streams are compared with."""
    pen.text((12.6, 7.0), "in order")
    _stream(pen, 6.4, STREAM)
    pen.text((12.6, 4.4), "and a memory")
    end = _stream(pen, 3.8, STREAM[:6])
    pen.line([(end + 0.15, 3.5), (end + 0.15, 5.2)], GREY, 1.0, ":")
    _stream(pen, 3.8, (1, 0), end + 0.45)
    pen.text((12.6, 1.8), "shuffled")
    _stream(pen, 1.2, (1, 0, 2, 2, 1, 0, 1, 2, 0))
