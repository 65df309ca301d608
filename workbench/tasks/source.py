"""One split of one or several data sets, and the tasks and batches drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import DataError
from workbench.tasks.sampling import BLOCK, ClassIndex, Numbers, Rows, TaskProtocol
from workbench.tasks.task import Examples, Task

_BATCHES, _DOMAINS, _DOMAIN_BATCHES = (
    1,
    2,
    3,
)  # Philox counters, so that what is drawn by one seed is unrelated
RESIDENT_BYTES = (
    16 * 2**30
)  # a larger split stays memory-mapped, and what is drawn goes to the device


class Domain(NamedTuple):
    """One split of one data set."""

    name: str
    images: NDArray[np.uint8]  # (rows, channels, height, width)
    classes: ClassIndex


class Source:
    """Rows of images with an index by class, and an endless supply of tasks and batches.

    `stack` tasks come at once; `batch_size` images make a batch; without a protocol there are no
    tasks. What was consumed is counted, saved by `state_dict`, and gone on from. Of several domains,
    each task comes from one, drawn uniformly, and tasks come one by one (`stack=1`); rows and classes are
    numbered through, a domain after another.

    Args:
        augment: what is done to images `(n, channels, height, width)` in 0..1 on their way into tasks and batches.
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        protocol: TaskProtocol | None,
        *,
        seed: int = 0,
        stack: int = 1,
        batch_size: int = 64,
        device: torch.device | str = "cpu",
        augment: Callable[[Tensor], Tensor] | None = None,
    ):
        if protocol and len(domains) > 1 and stack > 1:
            raise ValueError("tasks of several domains come one by one: stack=1")
        if protocol:
            for name, _, classes in domains:
                protocol.check(classes, name or "the data")
        self.device = torch.device(device)
        self.offsets = np.cumsum(
            [0, *(len(domain.images) for domain in domains)]
        )  # rows before each domain
        self.parts = [
            torch.from_numpy(domain.images) for domain in domains
        ]  # (rows, channels, height, width), uint8
        if sum(domain.images.nbytes for domain in domains) <= RESIDENT_BYTES:
            self.parts = [part.to(self.device) for part in self.parts]
        self.drawn_from = [
            d.classes._replace(starts=d.classes.starts + o)
            for d, o in zip(domains, self.offsets, strict=False)
        ]
        self.protocol = protocol
        self.domains = tuple(domain.name for domain in domains)
        self.classes = tuple(
            len(domain.classes.counts) for domain in domains
        )  # aligned with domains
        self.seed = seed
        self.stack = stack
        self.batch_size = batch_size
        self.augment = augment
        self.tasks_drawn = 0
        self.batches_drawn = 0
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def stacks(self, first: int, count: int, stack: int | None = None) -> Iterator[Rows]:
        """Tasks `first` to `first + count - 1`, up to `stack` of one form at once."""
        size = stack or self.stack
        for block in range(first // BLOCK, (first + count - 1) // BLOCK + 1):
            for rows in self._drawn(block):
                if rows.task[-1] < first or rows.task[0] >= first + count:
                    continue
                wanted = rows.part((rows.task >= first) & (rows.task < first + count))
                for start in range(0, len(wanted.task), size):
                    yield wanted.part(slice(start, start + size))

    def gather(self, index: Numbers) -> Tensor:
        """Images by row number, `(n, channels, height, width)` uint8, on the device."""
        if len(self.parts) == 1:
            return _rows_of(self.parts[0], index).to(self.device)
        images = torch.empty(
            len(index), *self.parts[0].shape[1:], dtype=torch.uint8, device=self.device
        )
        domain = np.searchsorted(self.offsets, index, side="right") - 1
        for number in np.unique(domain):
            here = np.flatnonzero(domain == number)
            rows = _rows_of(self.parts[number], index[here] - self.offsets[number])
            images[torch.from_numpy(here).to(self.device)] = rows.to(self.device)
        return images

    def task(self, rows: Rows, table: Tensor | None = None) -> Task:
        """A stack of tasks, x `(tasks, n, *shape)`: of the images, or of a table with one row an image."""

        def examples(index: Numbers, y: Numbers) -> Examples:
            flat = index.ravel()
            x = self._images(flat) if table is None else as_floats(_rows_of(table, flat))
            return Examples(
                x.unflatten(0, index.shape), torch.from_numpy(y).to(self.device), rows.ways
            )

        support, query = examples(rows.support, rows.support_y), examples(rows.query, rows.query_y)
        return Task(support, query, self.domains[rows.domain])

    def tasks(self) -> Iterator[Task]:
        """Stacks of tasks without end, from where the source stands."""
        while True:
            rows = Rows.join(list(self.stacks(self.tasks_drawn, self.stack)))
            self.tasks_drawn += self.stack  # before the yield: code after it may never run
            yield self.task(rows)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end: images `(batch, channels, height, width)`, y `(batch,)` in 0 .. sum(classes) - 1.

        Every image comes once an epoch, in an order of its own each epoch; an incomplete last batch
        is left out.
        """
        rows, labels = int(self.offsets[-1]), self._labels()
        epoch_of = lru_cache(maxsize=1)(partial(self._order, rows, _BATCHES))
        while True:
            index = _batch(epoch_of, self.batches_drawn, min(self.batch_size, rows), rows)
            self.batches_drawn += 1
            yield self._images(index), labels[torch.from_numpy(index)].to(self.device)

    def domain_batches(self) -> Iterator[list[Examples]]:
        """Batches without end of each domain, aligned with `domains`: its own labels, its number of classes as ways.

        `batch_size` is shared out equally. Every image of a domain comes once in an epoch of that domain.
        """
        labels, sizes = self._labels(), np.diff(self.offsets)
        size = max(self.batch_size // len(sizes), 1)
        epoch_of = [
            lru_cache(maxsize=1)(partial(self._order, int(rows), _DOMAIN_BATCHES + number))
            for number, rows in enumerate(sizes)
        ]
        first_class = np.cumsum([0, *self.classes])
        while True:
            self.batches_drawn += 1
            examples = []
            for number, rows in enumerate(sizes):
                within = _batch(
                    epoch_of[number], self.batches_drawn - 1, min(size, int(rows)), int(rows)
                )
                index = within + self.offsets[number]
                y = labels[torch.from_numpy(index)].to(self.device) - int(first_class[number])
                examples.append(Examples(self._images(index), y, self.classes[number]))
            yield examples

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All images once, in their order and as they are: images `(b, channels, height, width)`, y `(b,)`.

        For what is computed from a data set as a whole; nothing is counted.
        """
        labels = self._labels()
        for index in np.array_split(
            np.arange(self.offsets[-1]), -(-self.offsets[-1] // self.batch_size)
        ):
            yield as_floats(self.gather(index)), labels[torch.from_numpy(index)].to(self.device)

    def state_dict(self) -> dict[str, int]:
        """What was consumed."""
        return {"tasks_drawn": self.tasks_drawn, "batches_drawn": self.batches_drawn}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what was consumed; iterators made before are to be made afresh."""
        self.tasks_drawn, self.batches_drawn = state["tasks_drawn"], state["batches_drawn"]

    def _images(self, index: Numbers) -> Tensor:
        """Images by row number on their way into training, `(n, channels, height, width)`."""
        x = as_floats(self.gather(index))
        return self.augment(x) if self.augment else x

    def _labels(self) -> Tensor:
        """The class of each row, numbered through."""
        counts = np.concatenate([classes.counts for classes in self.drawn_from])
        return torch.from_numpy(np.repeat(np.arange(len(counts)), counts))

    def _order(self, rows: int, counter: int, epoch: int) -> Numbers:
        """The order of rows in an epoch."""
        words = np.random.Philox(key=[self.seed, epoch], counter=[0, 0, 0, counter]).random_raw(
            rows
        )
        return np.argsort(words, kind="stable")

    def _draw(self, block: int) -> list[Rows]:
        """The stacks of a block; of several domains, of each task the stacks of its domain, one by one."""
        if self.protocol is None:
            raise DataError(
                f"{self.domains[0]} has no protocol to draw tasks by: the learner says episodic = False"
            )
        if len(self.domains) == 1:
            return self.protocol.draw(self.drawn_from[0], self.seed, block)
        words = np.random.Philox(key=[self.seed, block], counter=[0, 0, 0, _DOMAINS]).random_raw(
            BLOCK
        )
        owner = words % np.uint64(len(self.domains))
        single = [
            rows.part(slice(place, place + 1))._replace(domain=domain)
            for domain, classes in enumerate(self.drawn_from)
            for rows in self.protocol.draw(classes, self.seed, block)
            for place in np.flatnonzero(owner[rows.task - BLOCK * block] == domain)
        ]
        return sorted(single, key=lambda rows: int(rows.task[0]))


def _batch(epoch_of: Callable[[int], Numbers], number: int, size: int, rows: int) -> Numbers:
    """Batch `number` of those that the epochs are cut into, an incomplete last one left out."""
    epoch, place = divmod(number, rows // size)
    return epoch_of(epoch)[place * size : (place + 1) * size]


def _rows_of(table: Tensor, index: Numbers) -> Tensor:
    return table[torch.from_numpy(index).to(table.device)]


def as_floats(images: Tensor) -> Tensor:
    """Images as learners meet them: uint8 becomes floats in 0..1, floats stay."""
    return images.to(torch.get_default_dtype()).div_(255) if images.dtype == torch.uint8 else images
