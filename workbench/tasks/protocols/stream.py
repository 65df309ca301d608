"""Classes that arrive one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, final

import numpy as np

from workbench.plugin.options import AtLeast
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    Words,
    draw_classes,
    draw_examples,
    require_way_shot,
)


@final
@dataclass(frozen=True)
class Stream:
    """Classes arrive one after another, each with all its shots: the continual protocol.

    After 1, 2, 4, ... and all classes, the classes seen so far are asked, in random order: their
    queries, or the images of the support themselves. The support keeps the order in which the
    classes arrive. `instance` is the number of classes seen. No option changes the streams.
    """

    ways: int
    shots: int
    queries: int = 15
    asked: Annotated[
        Literal["new", "learnt"], "new: images held out; learnt: those of the stream itself"
    ] = field(default="new", kw_only=True)
    first: Annotated[
        int, "ask only this many of the classes, the first that came; 0: all seen", AtLeast(0)
    ] = field(default=0, kw_only=True)

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the classes cannot give such tasks."""
        require_way_shot(classes, self.ways, self.shots, self.queries, where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return a stack for each number of classes seen."""
        words = Words(seed, block)
        chosen = draw_classes(classes, self.ways, words)  # (256, ways)
        whole = draw_examples(classes, chosen, self.shots, self.queries, words, block)
        order = Words.of_order(seed, block)
        stacks = []
        for seen in self._numbers_of_classes():
            stacks.append(self._after(whole, seen).shuffled(order, support=False))
        return stacks

    def _numbers_of_classes(self) -> list[int]:
        """Return 1, 2, 4, ... below the number of ways, and the number of ways."""
        numbers = []
        seen = 1
        while seen < self.ways:
            numbers.append(seen)
            seen *= 2
        return [*numbers, self.ways]

    def _after(self, whole: Rows, seen: int) -> Rows:
        """Return the question that is asked after the first classes of each task."""
        met = seen * self.shots
        asked = min(seen, self.first) if self.first else seen
        images, labels, of_class = whole.query, whole.query_y, self.queries
        if self.asked == "learnt":
            images, labels, of_class = whole.support, whole.support_y, self.shots
        return whole._replace(
            support=whole.support[:, :met],
            support_y=whole.support_y[:, :met],
            query=images[:, : asked * of_class],
            query_y=labels[:, : asked * of_class],
            instance=np.full(BLOCK, seen),
        )
