"""Tasks within one group of related classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    Words,
    draw_examples,
    require_classes,
    require_groups,
    require_images,
)


@final
@dataclass(frozen=True)
class WithinGroup:
    """N ways, K shots, with all classes of a task from one group: characters of one alphabet."""

    ways: int
    shots: int
    queries: int = 15

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the groups cannot give such tasks."""
        require_groups(classes, where)
        largest = max(len(group) for group in classes.groups)
        require_classes(self.ways, largest, f"the largest group of {where}")
        smallest_class = int(classes.counts.min())
        require_images(self.ways, self.shots, self.queries, smallest_class, where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return a block of tasks in one stack. Groups with too few classes are not drawn."""
        words = Words(seed, block)
        groups = [group for group in classes.groups if len(group) >= self.ways]
        chosen = []
        for _ in range(BLOCK):
            group = groups[words.integer(0, len(groups) - 1)]
            chosen.append(group[words.sample(len(group), self.ways)])
        stacked = np.stack(chosen)  # (256, ways)
        rows = draw_examples(classes, stacked, self.shots, self.queries, words, block)
        return [rows.shuffled(Words.of_order(seed, block))]
