"""One split of a data set, and the tasks and batches drawn from it.

Task i is a pure function of (images by class, protocol, seed, i): the same for every algorithm,
machine and stack size. Tasks are drawn in blocks of 256 from Philox keyed by (seed, block), as raw
64-bit words, because numpy does not promise its distributions across versions; a sample without
replacement is the first entries of an argsort of words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import DataError
from workbench.tasks import Examples, Task

BLOCK = 256  # tasks drawn at once; part of what task i is
_TASKS, _BATCHES = 0, 1  # Philox counters, so that tasks and batches of one seed are unrelated


class Rows(NamedTuple):
    """Tasks as row numbers of a source: `(tasks, ways * shots)` and `(tasks, ways * queries)`, class by class."""

    support: NDArray[np.int64]
    query: NDArray[np.int64]


@dataclass(frozen=True)
class WayShot:
    """The fixed N-way K-shot protocol: classes and images uniform, without replacement."""

    ways: int
    shots: int
    queries: int = 15

    def check(self, counts: NDArray[np.int64], where: str) -> None:
        """Refuse what the classes cannot give.

        Raises:
            DataError: more ways than classes, a class with fewer images than shots + queries, or a number below 1.
        """
        if min(self.ways, self.shots, self.queries) < 1:
            raise DataError(
                f"There is no task of {self.ways} ways, {self.shots} shots and {self.queries} queries; "
                "take at least 1 of each"
            )
        if self.ways > len(counts):
            raise DataError(
                f"{self.ways} ways are more than the {len(counts)} classes of {where}; take at most {len(counts)}"
            )
        need, least = self.shots + self.queries, int(counts.min())
        if need > least:
            raise DataError(
                f"{self.shots} shots + {self.queries} queries need {need} images a class, and {where} has a class "
                f"of {least}; try --queries {least - self.shots}"
                if least > self.shots
                else f"{self.shots} shots leave no query in {where}, where a class has {least} images; "
                f"try --shots {max(least - 1, 1)}"
            )

    def draw(self, starts: NDArray[np.int64], seed: int, block: int) -> Rows:
        """Tasks 256 * block to 256 * block + 255, as row numbers."""
        counts = np.diff(starts)
        words = np.random.Philox(key=[seed, block], counter=[0, 0, 0, _TASKS])
        classes = _sample(words.random_raw(BLOCK * len(counts)).reshape(BLOCK, -1), self.ways)  # (256, ways)
        size = int(counts.max())
        keys = words.random_raw(BLOCK * self.ways * size).reshape(BLOCK, self.ways, size)
        # An image that a smaller class does not have must never come first.
        keys[np.arange(size) >= counts[classes][..., None]] = np.iinfo(np.uint64).max
        images = _sample(keys, self.shots + self.queries) + starts[classes][..., None]  # (256, ways, shots + queries)
        support, query = images[..., : self.shots], images[..., self.shots :]
        return Rows(support.reshape(BLOCK, -1), query.reshape(BLOCK, -1))


class Source:
    """One split: rows of images with an index by class, and an endless supply of tasks and batches.

    `stack` tasks come at once; `batch_size` images make a batch; without a protocol there are no
    tasks. What was consumed is counted, saved by `state_dict`, and gone on from.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        starts: NDArray[np.int64],
        protocol: WayShot | None,
        *,
        name: str = "",
        seed: int = 0,
        stack: int = 1,
        batch_size: int = 64,
        device: torch.device | str = "cpu",
    ):
        if protocol:
            protocol.check(np.diff(starts), name or "the data")
        self.images = torch.from_numpy(images).to(device)  # (rows, channels, height, width), uint8
        self.starts = starts
        self.protocol = protocol
        self.domains = (name,)
        self.classes = (len(starts) - 1,)  # aligned with domains
        self.seed = seed
        self.stack = stack
        self.batch_size = batch_size
        self.tasks_drawn = 0
        self.batches_drawn = 0
        self._block: tuple[int, Rows] | None = None

    def rows(self, first: int, count: int) -> Rows:
        """Tasks `first` to `first + count - 1` as row numbers."""
        pieces = []
        for block in range(first // BLOCK, (first + count - 1) // BLOCK + 1):
            drawn = self._drawn(block)
            part = slice(max(first - block * BLOCK, 0), min(first + count - block * BLOCK, BLOCK))
            pieces.append(Rows(drawn.support[part], drawn.query[part]))
        return Rows(np.concatenate([p.support for p in pieces]), np.concatenate([p.query for p in pieces]))

    def task(self, table: Tensor, rows: Rows) -> Task:
        """Stack tasks from a table with one row an image: `(rows, *shape)` to x `(tasks, n, *shape)`."""
        ways = self._tasks_drawn_by().ways

        def examples(index: NDArray[np.int64]) -> Examples:
            tasks, n = index.shape
            x = table[torch.from_numpy(index.ravel()).to(table.device)].unflatten(0, (tasks, n))
            y = torch.arange(ways, device=table.device).repeat_interleave(n // ways).expand(tasks, n)
            return Examples(as_floats(x), y, ways)

        return Task(examples(rows.support), examples(rows.query), self.domains[0])

    def tasks(self) -> Iterator[Task]:
        """Stacks of tasks without end, from where the source stands."""
        while True:
            first = self.tasks_drawn
            self.tasks_drawn += self.stack  # before the yield: code after it may never run
            yield self.task(self.images, self.rows(first, self.stack))

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end: images `(batch, channels, height, width)`, y `(batch,)` in 0 .. sum(classes) - 1.

        Every image comes once an epoch, in an order of its own each epoch; an incomplete last batch
        is left out.
        """
        rows = len(self.images)
        size = min(self.batch_size, rows)
        labels = torch.from_numpy(np.repeat(np.arange(self.classes[0]), np.diff(self.starts)))
        order, order_epoch = np.empty(0, np.int64), -1
        while True:
            epoch, batch = divmod(self.batches_drawn, rows // size)
            if epoch != order_epoch:
                words = np.random.Philox(key=[self.seed, epoch], counter=[0, 0, 0, _BATCHES]).random_raw(rows)
                order, order_epoch = np.argsort(words, kind="stable"), epoch
            self.batches_drawn += 1
            index = torch.from_numpy(order[batch * size : (batch + 1) * size])
            x = as_floats(self.images[index.to(self.images.device)])
            yield x, labels[index].to(self.images.device)

    def state_dict(self) -> dict[str, int]:
        """What was consumed."""
        return {"tasks_drawn": self.tasks_drawn, "batches_drawn": self.batches_drawn}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what was consumed; iterators made before are to be made afresh."""
        self.tasks_drawn, self.batches_drawn = state["tasks_drawn"], state["batches_drawn"]

    def _tasks_drawn_by(self) -> WayShot:
        if self.protocol is None:
            raise DataError(f"{self.domains[0]} has no protocol to draw tasks by: the learner says episodic = False")
        return self.protocol

    def _drawn(self, block: int) -> Rows:
        if self._block is None or self._block[0] != block:
            self._block = (block, self._tasks_drawn_by().draw(self.starts, self.seed, block))
        return self._block[1]


def as_floats(images: Tensor) -> Tensor:
    """Images as learners meet them: uint8 becomes floats in 0..1, floats stay."""
    return images.to(torch.get_default_dtype()).div_(255) if images.dtype == torch.uint8 else images


def _sample(words: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """The positions of the `size` smallest words along the last axis, smallest first."""
    if size < words.shape[-1] // 4:  # the same answer as a whole argsort, sooner
        some = np.argpartition(words, size, axis=-1)[..., :size]
        order = np.argsort(np.take_along_axis(words, some, -1), axis=-1, kind="stable")
        return np.take_along_axis(some, order, -1)
    return np.argsort(words, axis=-1, kind="stable")[..., :size]
