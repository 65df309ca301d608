"""The tasks that a data set lists itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.errors import DataError
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    need_groups,
    need_images,
)


@dataclass(frozen=True)
class Listed:
    """The tasks that a data set itself lists: group i is task i; a class's first images are its support.

    For tests with files of their own, such as the 20 runs of Lake et al.
    """

    ways: int
    shots: int
    queries: int = 1

    def check(self, classes: ClassIndex, where: str) -> None:
        """Refuse what the groups cannot give."""
        need_groups(classes, where)
        if wrong := {len(group) for group in classes.groups} - {self.ways}:
            raise DataError(f"The tasks listed in {where} have {wrong.pop()} ways, not {self.ways}")
        need_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:  # noqa: ARG002 - nothing is left to chance
        """The listed tasks, in their order; further blocks are empty."""
        groups = classes.groups[block * BLOCK : (block + 1) * BLOCK]
        if not groups:
            return []
        first = classes.starts[np.stack(groups)][..., None]  # (tasks, ways, 1)
        support, query = first + np.arange(self.shots), first + self.shots + np.arange(self.queries)
        return [Rows.of(support, query, block * BLOCK)]
