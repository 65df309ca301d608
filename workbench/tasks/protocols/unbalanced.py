"""Tasks with different numbers of queries per class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, final

import numpy as np
from numpy.typing import NDArray

from workbench.plugin.options import AtLeast
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Numbers,
    Rows,
    Words,
    apportion,
    draw_classes,
    draw_images,
    require_way_shot,
)


@final
@dataclass(frozen=True)
class Unbalanced:
    """N ways, K shots, with queries that are distributed unevenly over the classes.

    Veilleux, Boudiaf, Piantanida, Ben Ayed: Realistic evaluation of transductive few-shot learning,
    NeurIPS 2021, arXiv 2204.11181. The shares of the classes come from a Dirichlet distribution
    with all parameters alpha. ways * queries queries are distributed by largest remainders. If a
    class has too few images for its share, the other classes get the rest.
    """

    ways: int
    shots: int
    queries: int = 15  # per class on average
    alpha: Annotated[
        int, "parameter of the Dirichlet distribution; larger: more even", AtLeast(1)
    ] = field(default=2, kw_only=True)

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the classes cannot give such tasks."""
        require_way_shot(classes, self.ways, self.shots, self.queries, where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return a block of tasks in one stack: all have the same total number of queries."""
        words = Words(seed, block)
        chosen = draw_classes(classes, self.ways, words)  # (256, ways)
        counts = self._query_counts(classes.counts[chosen] - self.shots, words)
        images = draw_images(classes, chosen, self.shots + int(counts.max()), words)
        support, candidates = images[..., : self.shots], images[..., self.shots :]
        rows = Rows.by_class(support, candidates, block * BLOCK)
        taken = np.arange(candidates.shape[-1]) < counts[..., None]  # (256, ways, candidates)
        flat = taken.reshape(BLOCK, -1)
        query = rows.query[flat].reshape(BLOCK, -1)  # (256, ways * queries)
        query_y = rows.query_y[flat].reshape(BLOCK, -1)
        rows = rows._replace(query=query, query_y=query_y)
        return [rows.shuffled(Words.of_order(seed, block))]

    def _query_counts(self, limits: Numbers, words: Words) -> Numbers:
        """Draw the queries of each class, `(256, ways)`, at most the images that are left."""
        total = self.ways * self.queries
        counts = []
        for weights, limit in zip(self._weights(words), limits, strict=True):
            counts.append(apportion(weights, total, limit))
        return np.stack(counts)

    def _weights(self, words: Words) -> NDArray[np.float64]:
        """Draw weights of the classes, `(256, ways)`, whose shares are Dirichlet-distributed."""
        # a gamma variable with an integer parameter is a sum of exponential variables
        exponential = -np.log1p(-words.uniform(BLOCK * self.ways * self.alpha))
        weights: NDArray[np.float64] = exponential.reshape(BLOCK, self.ways, self.alpha).sum(-1)
        return weights
