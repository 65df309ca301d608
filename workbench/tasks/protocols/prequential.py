"""Each example is predicted before its label is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    Words,
    draw_images,
    need_classes,
    need_images,
    smallest,
)


@dataclass(frozen=True)
class Prequential:
    """Predict each example before its label is shown; `shots` examples a class in random order.

    Santoro, Bartunov, Botvinick, Wierstra, Lillicrap: Meta-learning with memory-augmented neural
    networks, ICML 2016. Example t is predicted by what was learnt from examples 1 to t - 1. `instance`
    says which example of its class it is, 1 to shots. The first example of a task is not asked: nothing
    was seen before it.
    """

    ways: int
    shots: int
    queries: int = 0  # none: each example is a query once

    def check(self, classes: ClassIndex, where: str) -> None:
        """Refuse what the classes cannot give."""
        need_classes(self.ways, len(classes.counts), where)
        need_images(self.ways, self.shots - 1, 1, int(classes.counts.min()), where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """A stack for each place in the sequence."""
        words = Words(seed, block)
        chosen = smallest(words.raw(BLOCK * len(classes.counts)).reshape(BLOCK, -1), self.ways)
        images = draw_images(classes, chosen, self.shots, words).reshape(
            BLOCK, -1
        )  # (256, ways * shots)
        length = images.shape[1]
        order = smallest(words.raw(BLOCK * length).reshape(BLOCK, length), length)
        x = np.take_along_axis(images, order, 1)
        y = order // self.shots
        seen = (y[:, :, None] == y[:, None, :]) & np.tri(length, dtype=bool)  # (256, t, earlier)
        instance = seen.sum(-1)  # (256, t): 1 for the first of its class, 2 for the second
        task = block * BLOCK + np.arange(BLOCK)
        return [
            Rows(
                x[:, :t],
                x[:, t : t + 1],
                y[:, :t],
                y[:, t : t + 1],
                self.ways,
                task,
                instance[:, t],
            )
            for t in range(1, length)
        ]
