"""Tasks whose queries fall on the classes unevenly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from workbench.errors import DataError
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    Words,
    draw_images,
    shared_out,
    smallest,
)


@dataclass(frozen=True)
class Unbalanced(WayShot):
    """Way and shot as ever, but the queries fall on the classes unevenly.

    Veilleux, Boudiaf, Piantanida, Ben Ayed: Realistic evaluation of transductive few-shot learning,
    NeurIPS 2021, arXiv 2204.11181. The shares of the classes come from a Dirichlet distribution with
    all parameters alpha; ways * queries queries are given out by largest remainders, and what a class
    has too few images for goes to the others.
    """

    alpha: Annotated[
        int, "of the Dirichlet distribution of the classes' shares; larger: more even"
    ] = field(default=2, kw_only=True)

    def check(self, classes: ClassIndex, where: str) -> None:
        """Refuse what the classes cannot give."""
        super().check(classes, where)
        if self.alpha < 1:
            raise DataError(f"unbalanced:alpha={self.alpha} cannot be: it must be at least 1")

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """A block in one stack: the number of queries is the same in all tasks, their labels are not."""
        words, total = Words(seed, block), self.ways * self.queries
        chosen = smallest(words.raw(BLOCK * len(classes.counts)).reshape(BLOCK, -1), self.ways)
        # a gamma variable with a whole parameter is a sum of exponential ones
        exponential = -np.log1p(-words.uniform(BLOCK * self.ways * self.alpha))
        weights = exponential.reshape(BLOCK, self.ways, self.alpha).sum(-1)
        room = classes.counts[chosen] - self.shots  # (256, ways)
        counts = np.stack([shared_out(w, total, r) for w, r in zip(weights, room, strict=True)])
        images = draw_images(classes, chosen, self.shots + int(counts.max()), words)
        taken = np.arange(images.shape[-1] - self.shots) < counts[..., None]  # (256, ways, largest)
        every = Rows.of(images[..., : self.shots], images[..., self.shots :], block * BLOCK)
        flat = taken.reshape(BLOCK, -1)
        query, query_y = (
            every.query[flat].reshape(BLOCK, total),
            every.query_y[flat].reshape(BLOCK, total),
        )
        return [every._replace(query=query, query_y=query_y)]
