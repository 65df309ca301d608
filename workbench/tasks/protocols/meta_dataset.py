"""Meta-Dataset's tasks: of any number of classes, with any number of examples, and not balanced.

Triantafillou et al.: Meta-Dataset: A Dataset of Datasets for Learning to Learn from Few Examples, ICLR
2020, arXiv 1903.03096, section 3.2 and appendix A.3. Letters: |c| images of class c, q queries a class,
S images in the support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from workbench.errors import DataError
from workbench.tasks.sampling import BLOCK, ClassIndex, Numbers, Rows, Words, need_classes


@dataclass(frozen=True, kw_only=True)
class MetaDataset:
    """Ways, shots and imbalance as Meta-Dataset draws them, within its hierarchies where there are any."""

    min_ways: Annotated[int, "classes of a task, at least"] = 5
    max_ways: Annotated[int, "classes of a task, at most"] = 50
    max_queries: Annotated[int, "queries a class, at most"] = 10
    max_support: Annotated[int, "support images of a task, at most"] = 500
    max_shots: Annotated[int, "images that a class adds to the support's size, at most"] = 100

    @property
    def ways(self) -> int:
        """They vary."""
        return 0

    def check(self, classes: ClassIndex, where: str) -> None:
        """Refuse what the classes cannot give."""
        need_classes(
            self.min_ways, max(map(len, classes.groups), default=len(classes.counts)), where
        )
        if (least := int(classes.counts.min())) < 2:
            raise DataError(
                f"{where} has a class of {least} image; a task needs one to learn from and one to ask"
            )

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """A stack for each task: hardly two have one form."""
        words = Words(seed, block)
        return [self._task(classes, words, block * BLOCK + number) for number in range(BLOCK)]

    def _task(self, classes: ClassIndex, words: Words, number: int) -> Rows:
        chosen = self.draw_classes(classes, words)
        counts = classes.counts[chosen]  # (ways,), |c|
        queries = min(self.max_queries, int(counts.min()) // 2)
        shots = self.draw_shots(counts, queries, words)  # (ways,)
        support, query = [], []
        for c, k in zip(chosen, shots, strict=True):
            images = classes.starts[c] + words.sample(int(classes.counts[c]), int(k) + queries)
            support.append(images[:k])
            query.append(images[k:])
        y = np.arange(len(chosen))
        return Rows(
            np.concatenate(support)[None],
            np.concatenate(query)[None],
            np.repeat(y, shots)[None],
            np.repeat(y, queries)[None],
            len(chosen),
            np.array([number]),
            np.array([0]),
        )

    def draw_classes(self, classes: ClassIndex, words: Words) -> Numbers:
        """Classes of any kind; those below one node of WordNet; or some of one alphabet."""
        among = np.arange(len(classes.counts))
        if classes.groups:
            groups = [group for group in classes.groups if len(group) >= self.min_ways]
            among = groups[words.integer(0, len(groups) - 1)]
        most = min(self.max_ways, len(among))
        ways = most if classes.groups and classes.whole else words.integer(self.min_ways, most)
        return among[words.sample(len(among), ways)]

    def draw_shots(self, counts: Numbers, queries: int, words: Words) -> Numbers:
        """Support images of each class: a total S, shared out by class size and chance."""
        ways, left = len(counts), counts - queries
        beta = words.uniform(1)[0]
        total = min(
            self.max_support, int(np.floor(beta * np.minimum(self.max_shots, left) + 1).sum())
        )
        alpha = np.log(0.5) + words.uniform(ways) * (np.log(2) - np.log(0.5))
        share = np.exp(alpha) * counts
        share = share / share.sum()
        shots: Numbers = np.minimum(np.floor(share * (total - ways)).astype(np.int64) + 1, left)
        return shots
