"""Methods that learn from where, in what or by which steps a task is learned."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ideas.pen import BLUE, CLASSES, GREY, ORANGE, VIOLET, Pen, Point


def _optima(pen: Pen, places: tuple[Point, ...], names: tuple[str, ...]) -> None:
    for place, name, colour in zip(places, names, CLASSES, strict=False):
        pen.bowl(place, colour, (0.8, 1.6))
        pen.dots([place], colour, 20)
        if name:
            pen.text((place[0] + 1.1, place[1] - 1.65), name, colour)


def maml(pen: Pen) -> None:
    """From the learned start, one step solves each task."""
    start = (7.4, 3.6)
    pen.arrow((0.8, 1.0), start, VIOLET, 2.4, bend=-0.25)
    places = ((6.6, 7.3), (12.0, 6.3), (12.6, 1.9))
    _optima(pen, places, ("", "", ""))
    for place, colour in zip(places, CLASSES, strict=True):
        way = np.array(place) - start
        pen.arrow(start, tuple(np.array(start) + 0.83 * way), colour, 1.8)
    pen.dots([start], VIOLET, 60)
    pen.text((6.9, 2.3), "θ", VIOLET, 13)
    pen.text((2.7, 5.2), "meta-\nlearning", VIOLET)


def reptile(pen: Pen) -> None:
    """Go some steps on a task, then move a part of the way there."""
    start, end = (2.6, 2.2), (12.4, 6.4)
    pen.bowl(end, BLUE, (0.8, 1.6))
    path = [start, (5.0, 5.4), (7.8, 5.0), (9.7, 6.9), end]
    for before, after in pairwise(path):
        pen.arrow(before, after, BLUE, 1.5)
    pen.line([start, end], GREY, 1.0, ":")
    part = (start[0] + 0.42 * (end[0] - start[0]), start[1] + 0.42 * (end[1] - start[1]))
    pen.arrow(start, part, VIOLET, 2.6)
    pen.dots([start], VIOLET, 60)
    pen.text((2.0, 1.0), "θ", VIOLET, 13)
    pen.text((8.6, 2.2), "θ moves a part\nof the way", VIOLET)
    pen.text((4.4, 7.0), "steps on a task", BLUE)


def imaml(pen: Pen) -> None:
    """The solution of a task stays near θ; its gradient needs no path."""
    start, end = (3.4, 3.0), (11.2, 6.0)
    pen.bowl((12.6, 6.5), BLUE, (0.9, 1.8))
    pen.oval(start, 5.2, 4.2, VIOLET, fill=0.10, style=":")
    x = np.linspace(0.0, 1.0, 120)
    way = np.array(end) - start
    side = np.array((-way[1], way[0])) / np.hypot(*way)
    wave = np.where((x > 0.12) & (x < 0.88), 0.45 * np.sin(2 * np.pi * 9 * (x - 0.12) / 0.76), 0.0)
    pen.line([tuple(start + t * way + w * side) for t, w in zip(x, wave, strict=True)], GREY, 1.3)
    pen.arrow((11.0, 4.9), (4.5, 2.2), VIOLET, 1.8, bend=-0.25)
    pen.dots([start], VIOLET, 60)
    pen.dots([end], BLUE, 50)
    pen.text((2.6, 1.9), "θ", VIOLET, 13)
    pen.text((9.6, 1.5), "implicit gradient", VIOLET)
    pen.text((5.8, 7.3), "pull towards θ")


def anil(pen: Pen) -> None:
    """Only the last layer adapts to a task."""
    end = pen.network((1.6, 1.9), [GREY] * 4, 5.4)
    pen.arrow((0.3, 4.6), (1.4, 4.6))
    pen.text((3.4, 8.1), "same for all tasks")
    for y, colour in zip((6.5, 4.6, 2.7), CLASSES, strict=True):
        pen.arrow((end + 0.3, 4.6), (9.1, y), bend=0.0)
        pen.box((9.3, y - 0.75), 2.5, 1.5, "head", colour, 0.3)
    pen.text((14.0, 4.6), "one for\neach task")


def metasgd(pen: Pen) -> None:
    """Each weight has a learned rate: a step has another length and direction."""
    start = (3.4, 2.0)
    pen.bowl((12.4, 6.4), BLUE, (0.9, 1.8))
    pen.arrow(start, (5.8, 7.2), GREY, 2.0)
    pen.text((4.6, 8.1), "gradient g")
    pen.arrow(start, (11.6, 6.0), VIOLET, 2.4)
    pen.text((10.2, 3.1), "α ⊙ g", VIOLET, 12)
    pen.line([(5.8, 7.2), (5.8, 2.0)], GREY, 0.9, ":")
    pen.line([(11.6, 6.0), (11.6, 2.0)], VIOLET, 0.9, ":")
    pen.arrow((5.8, 1.3), (11.6, 1.3), VIOLET, 1.2)
    pen.dots([start], VIOLET, 60)
    pen.text((2.4, 1.4), "θ", VIOLET, 13)


def cavia(pen: Pen) -> None:
    """Only a small context vector adapts, which a shared network reads as another input."""
    pen.text((1.6, 6.3), "image")
    end = pen.network((5.2, 1.9), [GREY] * 4, 5.4)
    pen.arrow((0.5, 5.4), (5.0, 5.4))
    for number in range(4):
        pen.cell((1.2 + 0.7 * number, 1.8), 0.7, 0.9, VIOLET, (0.85, 0.35, 0.6, 0.2)[number])
    pen.arrow((4.2, 2.3), (5.0, 3.2), VIOLET, 1.8)
    pen.text((3.4, 0.8), "context φ adapts", VIOLET)
    pen.arrow((end + 0.3, 4.6), (10.6, 4.6))
    pen.bars((11.2, 2.6), (1.2, 4.2, 0.9), CLASSES, 0.85)
    pen.text((7.0, 8.2), "weights θ stay")


def metaoptnet(pen: Pen) -> None:
    """A linear classifier with a wide margin is found exactly, and gradients pass through it."""
    pen.network((0.6, 2.3), [VIOLET] * 3, 4.6)
    pen.arrow((3.7, 5.4), (5.6, 5.4))
    pen.arrow((5.6, 3.6), (3.7, 3.6), VIOLET, 1.8)
    pen.text((4.7, 2.5), "gradient", VIOLET, 8.5)
    left = [(7.4, 6.9), (7.0, 4.8), (8.6, 7.6), (8.0, 3.4), (9.1, 5.9)]
    right = [(12.4, 3.4), (13.6, 5.6), (14.3, 3.0), (11.7, 1.5), (13.9, 1.4)]
    pen.dots(left, BLUE)
    pen.dots(right, ORANGE)
    for shift, style, width in ((-1.25, ":", 1.1), (0.0, "-", 2.0), (1.25, ":", 1.1)):
        pen.line([(9.0 + shift, 1.0), (12.2 + shift, 8.0)], GREY, width, style)
    pen.arrow((10.0, 6.0), (11.9, 5.2), GREY, 1.1, head="<|-|>")
    pen.text((14.5, 6.5), "margin")


def leo(pen: Pen) -> None:
    """Steps in a small latent space; a decoder makes the weights of the classifier."""
    pen.oval((3.6, 4.8), 6.2, 5.6, VIOLET, fill=0.12)
    path = [(1.8, 3.3), (2.9, 4.7), (4.3, 5.0), (5.2, 6.0)]
    for before, after in pairwise(path):
        pen.arrow(before, after, VIOLET, 1.7)
    pen.dots([path[0]], VIOLET, 45)
    pen.text((3.6, 0.9), "latent z", VIOLET)
    pen.arrow((7.0, 4.8), (10.4, 4.8), GREY, 1.8)
    pen.text((8.7, 5.8), "decode")
    random = np.random.default_rng(3)
    for row in range(6):
        for column in range(4):
            pen.cell(
                (11.2 + 0.9 * column, 1.9 + 0.95 * row), 0.9, 0.95, BLUE, random.uniform(0.05, 0.9)
            )
    pen.text((13.0, 0.9), "weights", BLUE)


def metalstm(pen: Pen) -> None:
    """The cell of an LSTM is the weights: gates say what is kept and what a gradient adds."""
    for number in range(3):
        x = 2.0 + 4.6 * number
        pen.box((x, 3.4), 2.4, 2.6, "LSTM", VIOLET)
        pen.arrow((x - 1.9, 4.7), (x - 0.2, 4.7), BLUE, 1.8)
        pen.arrow((x + 1.2, 1.5), (x + 1.2, 3.2), ORANGE, 1.5)
        pen.text((x + 1.2, 0.8), "−∇L", ORANGE)
        pen.text((x - 1.1, 5.6), f"θ{'₀₁₂'[number]}", BLUE, 11)
    pen.arrow((13.8, 4.7), (15.6, 4.7), BLUE, 1.8)
    pen.text((8.0, 7.7), "θₜ = f θₜ₋₁ − i ∇L", GREY, 11)
