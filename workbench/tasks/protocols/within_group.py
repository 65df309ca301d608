"""Tasks within one group of related classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    Words,
    need_classes,
    need_groups,
    need_images,
)


@dataclass(frozen=True)
class WithinGroup(WayShot):
    """Way and shot as ever, but all classes of a task belong together: characters of one alphabet."""

    def check(self, classes: ClassIndex, where: str) -> None:
        """Refuse what the groups cannot give."""
        need_groups(classes, where)
        need_classes(self.ways, max(map(len, classes.groups)), f"the largest group of {where}")
        need_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """A block in one stack; a group that is too small is never drawn."""
        words = Words(seed, block)
        groups = [group for group in classes.groups if len(group) >= self.ways]
        chosen = []
        for _ in range(BLOCK):
            group = groups[words.integer(0, len(groups) - 1)]
            chosen.append(group[words.sample(len(group), self.ways)])
        return [self.rows(classes, np.stack(chosen), words, block)]
