"""Glyphs: characters of an invented alphabet, drawn by code from a seed; nothing to download.

A character is a few strokes, each a cubic Bézier curve. Each drawing of it is by another hand, which
moves the control points, stretches, slants and turns the whole, and holds a pen of its own.

The same seed gives the same bytes on every machine and with every numpy: random numbers are made from
raw Philox words (numpy does not promise its distributions), and the arithmetic is `+ - * /` and square
roots, element by element, which IEEE 754 rounds in one way only (no sine, no matrix product, no sum).

Letters: d drawings, s strokes, p points along a stroke; the last axis of points is (x, y), y downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from workbench import Dataset, ImageClass
from workbench.errors import UsageError

SPLIT_NUMBERS = {
    "train": range(400),
    "val": range(400, 480),
    "test": range(480, 640),
}  # of the characters
DRAWINGS = 20  # of each character
POINTS = 64  # along each stroke, near enough to each other for the finest pen

Floats = NDArray[np.float64]


class Glyphs(Dataset):
    """Characters of an invented alphabet: 400 to train on, 80 to validate, 160 to test, 20 drawings each.

    5-way 1-shot: nearest neighbour on raw pixels 53%, a prototypical network after 1,400 tasks 94%.
    """

    def __init__(
        self,
        *,
        seed: Annotated[int, "another seed, another alphabet"] = 0,
        size: Annotated[int, "width and height in pixels"] = 28,
        jitter: Annotated[float, "how far a hand strays from the character"] = 1.0,
    ) -> None:
        if not 0 <= seed < 2**64 or size < 1 or not 0.0 <= jitter <= 10.0:
            given = f"seed={seed}, size={size}, jitter={jitter}"
            raise UsageError(
                f"Glyphs take a seed of 0 to 2**64 - 1, a size from 1, a jitter of 0 to 10; not {given}."
            )
        self.seed = seed
        self.size = size
        self.jitter = jitter

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:  # noqa: ARG002
        for number in SPLIT_NUMBERS[split]:
            random = Random(self.seed, number)
            strokes, pens = draw(character(random), random, self.jitter)
            yield ImageClass(f"glyph{number:03d}", rasterise(strokes, pens, self.size))


class Random:
    """The random numbers of one character: character n is the same whichever others are drawn."""

    def __init__(self, seed: int, number: int) -> None:
        self.bits = np.random.Philox(key=seed, counter=[0, 0, 0, number])

    def uniform(self, *shape: int) -> Floats:
        """In -1 .. 1: the upper 53 bits of a word each."""
        return (self.bits.random_raw(shape) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0

    def normal(self, *shape: int) -> Floats:
        """Mean 0 and deviation 1: four uniforms added up, near enough to a Gaussian and never beyond 3.5."""
        a, b, c, d = self.uniform(4, *shape)
        bell: Floats = (a + b + c + d) * sqrt(0.75)
        return bell


def character(random: Random) -> Floats:
    """Control points (s, 4, 2) of two to four strokes, most of them joined to the stroke before."""
    strokes: list[Floats] = []
    for _ in range(3 + int(np.rint(1.5 * random.uniform(1)[0]))):
        start, end = random.uniform(2, 2)
        if strokes and random.uniform(1)[0] < 0.4:
            start = bezier(strokes[-1], np.rint(1.0 + random.uniform(1)) / 2.0)[
                0
            ]  # at its start, middle or end
        while abs(end - start).max() < 0.7:
            end = random.uniform(2)
        third = (end - start) / 3.0
        bend, twist = 0.5 * random.normal(2), 0.25 * random.normal(2)  # an arc, and an S
        strokes.append(
            np.stack([start, start + third + bend + twist, end - third + bend - twist, end])
        )
    return np.stack(strokes)


def bezier(control: Floats, t: Floats) -> Floats:
    """Points (..., p, 2) at t (p,), from 0 to 1, of the cubic curves with these control points (..., 4, 2)."""
    a, b, c, d = np.moveaxis(control[..., None, :], -3, 0)  # (..., 1, 2) each
    t, u = t[:, None], 1.0 - t[:, None]
    curve: Floats = (
        a * (u * u * u) + b * (3.0 * u * u * t) + c * (3.0 * u * t * t) + d * (t * t * t)
    )
    return curve


def draw(control: Floats, random: Random, jitter: float) -> tuple[Floats, Floats]:
    """Points (d, s, p, 2) of the strokes, in a square of side 1, and the radius (d,) of the pen, by d hands."""
    moved = control + 0.11 * jitter * random.normal(DRAWINGS, *control.shape)  # (d, s, 4, 2)
    x, y = np.moveaxis(bezier(moved, np.arange(POINTS) / (POINTS - 1.0)), -1, 0)  # (d, s, p) each
    wide, tall, slant, turn = 0.1 * jitter * random.normal(4, DRAWINGS, 1, 1)
    x, y = x * (1.0 + wide) + 1.5 * slant * y, y * (1.0 + tall)
    x, y = (
        x - turn * (2.0 * y + turn * x),
        y + turn * (2.0 * x - turn * y),
    )  # turn: tangent of half the angle
    points = np.stack([x, y], axis=-1)  # the size that turning gave them is lost in the scale
    low, high = points.min(axis=(1, 2), keepdims=True), points.max(axis=(1, 2), keepdims=True)
    scale = (0.75 + 0.1 * random.uniform(DRAWINGS, 1, 1, 1)) / (high - low).max(
        axis=-1, keepdims=True
    )
    centre = 0.5 + 0.25 * random.uniform(DRAWINGS, 1, 1, 2) * (0.9 - (high - low) * scale)
    return centre + (points - (low + high) / 2.0) * scale, 0.034 + 0.01 * random.uniform(DRAWINGS)


def rasterise(strokes: Floats, pens: Floats, size: int) -> NDArray[np.uint8]:
    """White strokes on black (d, 1, size, size), antialiased: ink fades out over one pixel at a stroke's edge."""
    points = (strokes.reshape(len(strokes), -1, 1, 2) * size).astype(np.float32)
    pixels = np.arange(size, dtype=np.float32)[:, None] + np.float32(0.5)
    nearest = np.full((len(strokes), size, size), np.inf, dtype=np.float32)  # squared distances
    for x, y in np.moveaxis((points - pixels) ** 2, (1, 3), (0, 1)):  # (d, size) each
        np.minimum(nearest, y[:, :, None] + x[:, None, :], out=nearest)
    ink = (pens * size + 0.5).astype(np.float32)[:, None, None] - np.sqrt(nearest)
    return np.rint(ink.clip(0.0, 1.0) * np.float32(255.0)).astype(np.uint8)[:, None]
