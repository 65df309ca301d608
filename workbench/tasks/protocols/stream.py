"""Classes that are met one after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
)


@dataclass(frozen=True)
class Stream(WayShot):
    """Classes met one after another, each with all its shots; asked again and again while they come.

    The continual protocol: after 1, 2, 4, ... and all classes of a stream, the queries of the classes
    met so far are asked. `instance` is the number of classes met.
    """

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """A stack for each number of classes met."""
        (whole,) = super().draw(classes, seed, block)
        met = sorted(
            {*(2**k for k in range(self.ways.bit_length()) if 2**k <= self.ways), self.ways}
        )
        return [
            whole._replace(
                support=whole.support[:, : k * self.shots],
                support_y=whole.support_y[:, : k * self.shots],
                query=whole.query[:, : k * self.queries],
                query_y=whole.query_y[:, : k * self.queries],
                instance=np.full(BLOCK, k),
            )
            for k in met
        ]
