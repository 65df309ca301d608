"""Sequences in which each example is predicted before its label is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from workbench.errors import DataError
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Rows,
    Words,
    draw_classes,
    draw_images,
    require_classes,
    require_images,
    smallest,
)


@final
@dataclass(frozen=True)
class Prequential:
    """Predict each example of a sequence before its label is shown.

    Santoro, Bartunov, Botvinick, Wierstra, Lillicrap: Meta-learning with memory-augmented neural
    networks, ICML 2016. A sequence has `shots` examples of each class in random order. Example t is
    predicted from examples 1 to t - 1. `instance` is its number within its class, 1 to shots. The
    first example of a task has no support, so every method guesses.
    """

    ways: int
    shots: int

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the classes cannot give such tasks."""
        require_classes(self.ways, len(classes.counts), where)
        if self.shots < 2:
            raise DataError(
                "In a sequence with one image of each class, none can be predicted from those "
                "before it; use --shots 2 or more"
            )
        require_images(self.ways, self.shots - 1, 1, int(classes.counts.min()), where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return a stack for each position in the sequence."""
        words = Words(seed, block)
        chosen = draw_classes(classes, self.ways, words)  # (256, ways)
        images = draw_images(classes, chosen, self.shots, words).reshape(BLOCK, -1)
        length = images.shape[1]  # ways * shots
        order = smallest(words.raw(BLOCK * length).reshape(BLOCK, length), length)
        x = np.take_along_axis(images, order, 1)  # (256, length)
        y = order // self.shots  # (256, length)
        # (256, t, earlier): whether an example up to t is of the class of example t
        same = (y[:, :, None] == y[:, None, :]) & np.tri(length, dtype=bool)
        instance = same.sum(-1)  # (256, t): 1 for the first of its class, 2 for the second
        task = block * BLOCK + np.arange(BLOCK)
        stacks = []
        for t in range(length):
            rows = Rows(
                support=x[:, :t],
                query=x[:, t : t + 1],
                support_y=y[:, :t],
                query_y=y[:, t : t + 1],
                ways=self.ways,
                task=task,
                instance=instance[:, t],
            )
            stacks.append(rows)
        return stacks
