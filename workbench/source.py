"""One split of a data set, and the tasks and batches drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.drawing import BLOCK, Classes, Numbers, Rows, TaskProtocol
from workbench.errors import DataError
from workbench.tasks import Examples, Task

_BATCHES = 1  # Philox counter, so that batches and the tasks of one seed are unrelated
RESIDENT_BYTES = 16 * 2**30  # a larger split stays memory-mapped, and what is drawn goes to the device


class Source:
    """One split: rows of images with an index by class, and an endless supply of tasks and batches.

    `stack` tasks come at once; `batch_size` images make a batch; without a protocol there are no
    tasks. What was consumed is counted, saved by `state_dict`, and gone on from.

    Args:
        augment: what is done to images `(n, channels, height, width)` in 0..1 on their way into tasks and batches.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        classes: Classes,
        protocol: TaskProtocol | None,
        *,
        name: str = "",
        seed: int = 0,
        stack: int = 1,
        batch_size: int = 64,
        device: torch.device | str = "cpu",
        augment: Callable[[Tensor], Tensor] | None = None,
    ):
        if protocol:
            protocol.check(classes, name or "the data")
        self.device = torch.device(device)
        self.images = torch.from_numpy(images)  # (rows, channels, height, width), uint8
        if images.nbytes <= RESIDENT_BYTES:
            self.images = self.images.to(self.device)
        self.drawn_from = classes
        self.protocol = protocol
        self.domains = (name,)
        self.classes = (len(classes.counts),)  # aligned with domains
        self.seed = seed
        self.stack = stack
        self.batch_size = batch_size
        self.augment = augment
        self.tasks_drawn = 0
        self.batches_drawn = 0
        self._block: tuple[int, list[Rows]] | None = None

    def stacks(self, first: int, count: int, stack: int | None = None) -> Iterator[Rows]:
        """Tasks `first` to `first + count - 1`, up to `stack` of one form at once."""
        size = stack or self.stack
        for block in range(first // BLOCK, (first + count - 1) // BLOCK + 1):
            for rows in self._drawn(block):
                wanted = rows.part((rows.task >= first) & (rows.task < first + count))
                for start in range(0, len(wanted.task), size):
                    yield wanted.part(slice(start, start + size))

    def gather(self, index: Numbers) -> Tensor:
        """Images by row number, `(n, channels, height, width)` uint8, on the device."""
        return self.images[torch.from_numpy(index).to(self.images.device)].to(self.device)

    def task(self, table: Tensor, rows: Rows) -> Task:
        """A stack of tasks from a table with one row an image: `(rows, *shape)` to x `(tasks, n, *shape)`."""

        def examples(index: Numbers, y: Numbers) -> Examples:
            x = as_floats(table[torch.from_numpy(index.ravel()).to(table.device)].to(self.device))
            if self.augment and table is self.images:
                x = self.augment(x)
            return Examples(x.unflatten(0, index.shape), torch.from_numpy(y).to(self.device), rows.ways)

        return Task(examples(rows.support, rows.support_y), examples(rows.query, rows.query_y), self.domains[0])

    def tasks(self) -> Iterator[Task]:
        """Stacks of tasks without end, from where the source stands."""
        while True:
            rows = Rows.join(list(self.stacks(self.tasks_drawn, self.stack)))
            self.tasks_drawn += self.stack  # before the yield: code after it may never run
            yield self.task(self.images, rows)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end: images `(batch, channels, height, width)`, y `(batch,)` in 0 .. sum(classes) - 1.

        Every image comes once an epoch, in an order of its own each epoch; an incomplete last batch
        is left out.
        """
        rows = len(self.images)
        size = min(self.batch_size, rows)
        labels = torch.from_numpy(np.repeat(np.arange(self.classes[0]), self.drawn_from.counts))
        order, order_epoch = np.empty(0, np.int64), -1
        while True:
            epoch, batch = divmod(self.batches_drawn, rows // size)
            if epoch != order_epoch:
                words = np.random.Philox(key=[self.seed, epoch], counter=[0, 0, 0, _BATCHES]).random_raw(rows)
                order, order_epoch = np.argsort(words, kind="stable"), epoch
            self.batches_drawn += 1
            index = order[batch * size : (batch + 1) * size]
            x = as_floats(self.gather(index))
            yield self.augment(x) if self.augment else x, labels[torch.from_numpy(index)].to(self.device)

    def state_dict(self) -> dict[str, int]:
        """What was consumed."""
        return {"tasks_drawn": self.tasks_drawn, "batches_drawn": self.batches_drawn}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what was consumed; iterators made before are to be made afresh."""
        self.tasks_drawn, self.batches_drawn = state["tasks_drawn"], state["batches_drawn"]

    def _drawn(self, block: int) -> list[Rows]:
        if self.protocol is None:
            raise DataError(f"{self.domains[0]} has no protocol to draw tasks by: the learner says episodic = False")
        if self._block is None or self._block[0] != block:
            self._block = (block, self.protocol.draw(self.drawn_from, self.seed, block))
        return self._block[1]


def as_floats(images: Tensor) -> Tensor:
    """Images as learners meet them: uint8 becomes floats in 0..1, floats stay."""
    return images.to(torch.get_default_dtype()).div_(255) if images.dtype == torch.uint8 else images
