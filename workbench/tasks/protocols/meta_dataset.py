"""Meta-Dataset's tasks, with varying ways and shots and different numbers of images per class.

Triantafillou et al.: Meta-Dataset: A Dataset of Datasets for Learning to Learn from Few Examples,
ICLR 2020, arXiv 1903.03096, section 3.2 and appendix A.3. Letters: |c| is the number of images of
class c, q the number of queries per class, S the number of images in the support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np

from workbench.errors import DataError, UsageError
from workbench.plugin.options import AtLeast
from workbench.tasks.sampling import BLOCK, ClassIndex, Numbers, Rows, Words, require_classes


@final
@dataclass(frozen=True, kw_only=True)
class MetaDataset:
    """Ways, shots and imbalance as in Meta-Dataset, within a hierarchy of classes if it exists."""

    min_ways: Annotated[int, "minimum number of classes per task", AtLeast(2)] = 5
    max_ways: Annotated[int, "maximum number of classes per task", AtLeast(2)] = 50
    max_queries: Annotated[int, "maximum number of queries per class", AtLeast(1)] = 10
    max_support: Annotated[int, "maximum number of support images per task", AtLeast(2)] = 500
    max_shots: Annotated[
        int, "maximum contribution of a class to the size of the support", AtLeast(1)
    ] = 100

    def __post_init__(self) -> None:
        if self.max_ways < self.min_ways:
            raise UsageError(
                f"meta-dataset cannot draw at least min_ways={self.min_ways} and at most "
                f"max_ways={self.max_ways} classes; set max_ways to {self.min_ways} or more"
            )
        if self.max_support < self.max_ways:
            raise UsageError(
                f"meta-dataset cannot put an image of each of max_ways={self.max_ways} classes "
                f"into a support of max_support={self.max_support}; set max_ways to "
                f"{self.max_support} or less"
            )

    @property
    def ways(self) -> None:
        """None: the number of classes varies."""

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the classes cannot give such tasks."""
        largest = max((len(group) for group in classes.groups), default=len(classes.counts))
        require_classes(self.min_ways, largest, where)
        fewest = int(classes.counts.min())
        if fewest < 2:
            raise DataError(
                f"{where} has a class of {fewest} image; a task needs at least 2 images per class, "
                "one for the support and one for the query"
            )

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return a stack for each task, because hardly two tasks have the same shape."""
        words, order = Words(seed, block), Words.of_order(seed, block)
        tasks = []
        for number in range(BLOCK):
            rows = self._task(classes, words, block * BLOCK + number)
            tasks.append(rows.shuffled(order))
        return tasks

    def _task(self, classes: ClassIndex, words: Words, number: int) -> Rows:
        chosen = self._draw_classes(classes, words)
        counts = classes.counts[chosen]  # (ways,), |c|
        queries = min(self.max_queries, int(counts.min()) // 2)  # q
        shots = self._draw_shots(counts, queries, words)  # (ways,)
        support, query = [], []
        for c, count, k in zip(chosen, counts, shots, strict=True):
            images = classes.starts[c] + words.sample(int(count), int(k) + queries)
            support.append(images[:k])
            query.append(images[k:])
        y = np.arange(len(chosen))
        return Rows(
            support=np.concatenate(support)[None],
            query=np.concatenate(query)[None],
            support_y=np.repeat(y, shots)[None],
            query_y=np.repeat(y, queries)[None],
            ways=len(chosen),
            task=np.array([number]),
            instance=np.array([0]),
        )

    def _draw_classes(self, classes: ClassIndex, words: Words) -> Numbers:
        """Draw any classes, all classes below a node of WordNet, or some of one alphabet."""
        if not classes.groups:
            return self._some_of(np.arange(len(classes.counts)), words)
        groups = [group for group in classes.groups if len(group) >= self.min_ways]
        group = groups[words.integer(0, len(groups) - 1)]
        if not classes.whole:
            return self._some_of(group, words)
        ways = min(self.max_ways, len(group))
        return group[words.sample(len(group), ways)]

    def _some_of(self, candidates: Numbers, words: Words) -> Numbers:
        """Draw the number of ways, then the classes."""
        ways = words.integer(self.min_ways, min(self.max_ways, len(candidates)))
        return candidates[words.sample(len(candidates), ways)]

    def _draw_shots(self, counts: Numbers, queries: int, words: Words) -> Numbers:
        """Draw the support images of each class, `(ways,)`: S in random proportions to |c|."""
        ways, left = len(counts), counts - queries
        beta = words.uniform(1)[0]
        contributions = np.floor(beta * np.minimum(self.max_shots, left) + 1)
        total = min(self.max_support, int(contributions.sum()))  # S
        alpha = np.log(0.5) + words.uniform(ways) * (np.log(2) - np.log(0.5))
        share = np.exp(alpha) * counts
        share = share / share.sum()
        shots: Numbers = np.minimum(np.floor(share * (total - ways)).astype(np.int64) + 1, left)
        return shots
