"""N-way K-shot tasks."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Numbers,
    Rows,
    Words,
    draw_images,
    need_classes,
    need_images,
    smallest,
)


@dataclass(frozen=True)
class WayShot:
    """N ways, K shots: classes and images uniform, without replacement."""

    ways: int
    shots: int
    queries: int = 15

    def check(self, classes: ClassIndex, where: str) -> None:
        """Refuse what the classes cannot give."""
        need_classes(self.ways, len(classes.counts), where)
        need_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """A block in one stack."""
        words = Words(seed, block)
        chosen = smallest(
            words.raw(BLOCK * len(classes.counts)).reshape(BLOCK, -1), self.ways
        )  # (256, ways)
        return [self.rows(classes, chosen, words, block)]

    def rows(self, classes: ClassIndex, chosen: Numbers, words: Words, block: int) -> Rows:
        """Draw images of the chosen classes `(256, ways)`."""
        images = draw_images(
            classes, chosen, self.shots + self.queries, words
        )  # (256, ways, shots + queries)
        return Rows.of(images[..., : self.shots], images[..., self.shots :], block * BLOCK)
