"""Tasks that a data set lists itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from workbench.errors import DataError
from workbench.tasks.sampling import BLOCK, ClassIndex, Rows, Words, require_groups, require_images


@final
@dataclass(frozen=True)
class Listed:
    """The tasks of a data set that lists them, such as the 20 runs of Lake et al.

    Group i is task i. The first images of a class are its support, in the order of the list. Only
    the order of the queries is random.
    """

    ways: int
    shots: int
    queries: int = 1

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the groups cannot give such tasks."""
        require_groups(classes, where)
        for group in classes.groups:
            if len(group) != self.ways:
                raise DataError(
                    f"The tasks listed in {where} have {len(group)} ways, not {self.ways}"
                )
        require_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return the listed tasks of a block, in order; nothing after the last task."""
        groups = classes.groups[block * BLOCK : (block + 1) * BLOCK]
        if not groups:
            return []
        first = classes.starts[np.stack(groups)][..., None]  # (tasks, ways, 1)
        support = first + np.arange(self.shots)
        query = first + self.shots + np.arange(self.queries)
        rows = Rows.by_class(support, query, block * BLOCK)
        return [rows.shuffled(Words.of_order(seed, block), support=False)]
