"""N-way K-shot tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from workbench.tasks.sampling import (
    ClassIndex,
    Rows,
    Words,
    draw_classes,
    draw_examples,
    require_way_shot,
)


@final
@dataclass(frozen=True)
class WayShot:
    """N ways, K shots: classes and images are drawn uniformly, without replacement."""

    ways: int
    shots: int
    queries: int = 15

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError` if the classes cannot give such tasks."""
        require_way_shot(classes, self.ways, self.shots, self.queries, where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return a block of tasks in one stack."""
        words = Words(seed, block)
        chosen = draw_classes(classes, self.ways, words)  # (256, ways)
        rows = draw_examples(classes, chosen, self.shots, self.queries, words, block)
        return [rows.shuffled(Words.of_order(seed, block))]
