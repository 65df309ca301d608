"""One split of one or several data sets, and the tasks and batches drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from workbench.errors import DataError
from workbench.tasks.sampling import (
    BLOCK,
    ClassIndex,
    Domain,
    Numbers,
    Rows,
    TaskProtocol,
    require_classes,
    smallest,
)
from workbench.tasks.task import Examples, Task

# counters of Philox, so that draws of different kinds with one seed are independent
_BATCHES = 1
_DOMAINS = 2
_DOMAIN_BATCHES = 3  # of the first domain; 4 is for the second, and so on
_STREAMS = 2**32  # above those of any number of domains

RESIDENT_BYTES = 16 * 2**30  # larger splits stay memory-mapped; only drawn images go to the device


class Source:
    """Rows of images with an index by class, and an endless supply of tasks and batches.

    The source counts the tasks and batches that it yields, and the images in them. `state_dict`
    saves the counts, and `load_state_dict` continues from them.

    With several domains, each task comes from one of them, drawn uniformly. The rows of all domains
    are numbered consecutively, and so are their classes.

    Args:
        protocol: how tasks are drawn; None if only batches are needed.
        stack: tasks per stack; 1 if there are several domains.
        batch_size: images per batch.
        augment: a random change of training images `(n, channels, height, width)` in 0..1.

    Raises:
        DataError: the classes cannot give the protocol's tasks.
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
            raise ValueError("tasks of several domains come one by one: stack must be 1")
        if protocol:
            for domain in domains:
                protocol.check(domain.classes, domain.name or "the data")
        self.device = torch.device(device)
        sizes = [len(domain.images) for domain in domains]
        self.offsets = np.cumsum([0, *sizes])  # (domains + 1,), the first row of each domain
        self.parts: list[Tensor] = []  # (rows, channels, height, width) of each domain, uint8
        self.drawn_from: list[ClassIndex] = []  # of each domain, with row numbers of the source
        resident = sum(domain.images.nbytes for domain in domains) <= RESIDENT_BYTES
        for domain, offset in zip(domains, self.offsets, strict=False):
            images = torch.from_numpy(domain.images)
            self.parts.append(images.to(self.device) if resident else images)
            self.drawn_from.append(domain.classes._replace(starts=domain.classes.starts + offset))
        self.protocol = protocol
        self.domains = tuple(domain.name for domain in domains)
        self.classes = tuple(len(domain.classes.counts) for domain in domains)
        self.seed = seed
        self.stack = stack
        self.batch_size = batch_size
        self.augment = augment
        self.tasks_drawn = 0
        self.batches_drawn = 0
        self.images_drawn = 0  # in those tasks and batches, with repetition
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def stacks(self, first: int, count: int, stack: int | None = None) -> Iterator[Rows]:
        """Yield tasks `first` to `first + count - 1`, up to `stack` of the same shape at once."""
        size = stack or self.stack
        for block in range(first // BLOCK, (first + count - 1) // BLOCK + 1):
            for rows in self._drawn(block):
                if rows.task[-1] < first or rows.task[0] >= first + count:
                    continue
                wanted = rows.part((rows.task >= first) & (rows.task < first + count))
                for start in range(0, len(wanted.task), size):
                    yield wanted.part(slice(start, start + size))

    def gather(self, index: Numbers) -> Tensor:
        """Return images by row number, `(n, channels, height, width)` uint8, on the device."""
        if len(self.parts) == 1:
            return _rows_of(self.parts[0], index).to(self.device)
        shape = (len(index), *self.parts[0].shape[1:])
        images = torch.empty(shape, dtype=torch.uint8, device=self.device)
        domain = np.searchsorted(self.offsets, index, side="right") - 1
        for number in np.unique(domain):
            here = np.flatnonzero(domain == number)
            rows = _rows_of(self.parts[number], index[here] - self.offsets[number])
            images[torch.from_numpy(here).to(self.device)] = rows.to(self.device)
        return images

    def task(self, rows: Rows, table: Tensor | None = None) -> Task:
        """Return a stack of tasks, with x `(tasks, n, *shape)` and y `(tasks, n)`.

        Args:
            table: what x is taken from, one row per image; None: the images.
        """
        support = self._examples(rows.support, rows.support_y, rows.ways, table)
        query = self._examples(rows.query, rows.query_y, rows.ways, table)
        return Task(support, query, self.domains[rows.domain])

    def tasks(self) -> Iterator[Task]:
        """Yield stacks of tasks without end, from the current count on."""
        while True:
            rows = Rows.join(list(self.stacks(self.tasks_drawn, self.stack)))
            # counted before the yield: the caller may not come back
            self.tasks_drawn += self.stack
            self.images_drawn += rows.support.size + rows.query.size
            yield self.task(rows)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches without end, from the current count on.

        Each epoch has every image once, in a new order. An incomplete last batch is dropped.

        Yields:
            Images `(batch, channels, height, width)` in 0..1, and y `(batch,)` in 0 ..
            sum(classes) - 1.
        """
        rows, labels = int(self.offsets[-1]), self._labels()
        size = min(self.batch_size, rows)
        order_of = self._epochs(rows, _BATCHES)
        while True:
            index = _batch(order_of, self.batches_drawn, size, rows)
            self.batches_drawn += 1
            self.images_drawn += len(index)
            yield self._images(index), labels[torch.from_numpy(index)].to(self.device)

    def domain_batches(self) -> Iterator[list[Examples]]:
        """Yield lists without end, with a batch of each domain, from the current count on.

        A batch has labels from 0, and the number of classes of its domain as ways. `batch_size` is
        divided equally. Each epoch of a domain has every image of it once, in a new order.
        """
        labels, domain_rows = self._labels(), [int(rows) for rows in np.diff(self.offsets)]
        share = max(self.batch_size // len(domain_rows), 1)
        first_class = np.cumsum([0, *self.classes])
        orders = []
        for number, rows in enumerate(domain_rows):
            orders.append(self._epochs(rows, _DOMAIN_BATCHES + number))
        while True:
            batch = self.batches_drawn
            self.batches_drawn += 1
            examples = []
            for number, rows in enumerate(domain_rows):
                within = _batch(orders[number], batch, min(share, rows), rows)
                index = within + self.offsets[number]
                self.images_drawn += len(index)
                y = labels[torch.from_numpy(index)].to(self.device) - int(first_class[number])
                examples.append(Examples(self._images(index), y, self.classes[number]))
            yield examples

    def streams(self, classes: int, shots: int, others: int) -> Iterator[Task]:
        """Yield streams without end, from the current count on, for methods that learn online.

        The support is the stream: `classes` of all classes, drawn at random, arrive one after
        another with `shots` images each. The queries are `others` images of any class, drawn
        uniformly. Labels number the classes of all data sets, as in `batches`.

        Yields:
            A task, not a stack: x `(n, channels, height, width)` in 0..1, y `(n,)`.

        Raises:
            DataError: there are fewer classes, or a class has fewer images.
        """
        counts = np.concatenate([domain.counts for domain in self.drawn_from])
        where = " + ".join(self.domains) or "the data"
        require_classes(classes, len(counts), where)
        if shots > counts.min():
            raise DataError(
                f"{shots} images per class are more than the smallest class of {where} has, "
                f"{counts.min()}; use at most that many"
            )
        first_rows, labels = np.cumsum([0, *counts]), self._labels()
        while True:
            key = [self.seed, self.batches_drawn]
            words = np.random.Philox(key=key, counter=[0, 0, 0, _STREAMS]).random_raw
            arriving = []
            for number in smallest(words(len(counts)), classes):
                arriving.append(first_rows[number] + smallest(words(counts[number]), shots))
            stream = np.concatenate(arriving)
            elsewhere = (words(others) % np.uint64(len(labels))).astype(np.int64)
            self.batches_drawn += 1
            self.images_drawn += len(stream) + others
            yield Task(self._labelled(stream, labels), self._labelled(elsewhere, labels), where)

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images once, in order, without augmentation and without counting.

        For statistics of a whole data set.

        Yields:
            Images `(b, channels, height, width)` in 0..1, and y `(b,)`.
        """
        labels, rows = self._labels(), self.offsets[-1]
        batches = -(-rows // self.batch_size)  # rounded up
        for index in np.array_split(np.arange(rows), batches):
            yield as_floats(self.gather(index)), labels[torch.from_numpy(index)].to(self.device)

    def state_dict(self) -> dict[str, int]:
        """Return the numbers of tasks and batches that were yielded, and of images in them."""
        return {
            "tasks_drawn": self.tasks_drawn,
            "batches_drawn": self.batches_drawn,
            "images_drawn": self.images_drawn,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from saved numbers. Iterators made before must be made again."""
        self.tasks_drawn = state["tasks_drawn"]
        self.batches_drawn = state["batches_drawn"]
        self.images_drawn = state["images_drawn"]

    def _examples(self, index: Numbers, y: Numbers, ways: int, table: Tensor | None) -> Examples:
        """Return the examples of a stack from row numbers and labels, `(tasks, n)` each."""
        flat = index.ravel()
        x = self._images(flat) if table is None else as_floats(_rows_of(table, flat))
        return Examples(x.unflatten(0, index.shape), torch.from_numpy(y).to(self.device), ways)

    def _labelled(self, index: Numbers, labels: Tensor) -> Examples:
        """Return images by row number, with their classes over all domains."""
        y = labels[torch.from_numpy(index)].to(self.device)
        return Examples(self._images(index), y, sum(self.classes))

    def _images(self, index: Numbers) -> Tensor:
        """Return augmented images by row number, `(n, channels, height, width)` in 0..1."""
        x = as_floats(self.gather(index))
        return self.augment(x) if self.augment else x

    def _labels(self) -> Tensor:
        """Return the class of each row, `(rows,)`, numbered consecutively over the domains."""
        counts = np.concatenate([classes.counts for classes in self.drawn_from])
        return torch.from_numpy(np.repeat(np.arange(len(counts)), counts))

    def _epochs(self, rows: int, counter: int) -> Callable[[int], Numbers]:
        """Return a function from an epoch to the order of its rows, which keeps the last order."""

        @lru_cache(maxsize=1)
        def order_of(epoch: int) -> Numbers:
            generator = np.random.Philox(key=[self.seed, epoch], counter=[0, 0, 0, counter])
            return np.argsort(generator.random_raw(rows), kind="stable")

        return order_of

    def _draw(self, block: int) -> list[Rows]:
        """Return the stacks of a block; with several domains, one stack per task."""
        if self.protocol is None:
            raise DataError(
                f"{self.domains[0]} has no protocol to draw tasks, "
                "because the learner says episodic = False"
            )
        if len(self.domains) == 1:
            return self.protocol.draw(self.drawn_from[0], self.seed, block)
        generator = np.random.Philox(key=[self.seed, block], counter=[0, 0, 0, _DOMAINS])
        owner = generator.random_raw(BLOCK) % np.uint64(len(self.domains))  # the domain of a task
        single = []
        for domain, classes in enumerate(self.drawn_from):
            for rows in self.protocol.draw(classes, self.seed, block):
                for place in np.flatnonzero(owner[rows.task - BLOCK * block] == domain):
                    one = rows.part(slice(place, place + 1))
                    single.append(one._replace(domain=domain))
        return sorted(single, key=lambda rows: int(rows.task[0]))


def _batch(order_of: Callable[[int], Numbers], number: int, size: int, rows: int) -> Numbers:
    """Return the rows of batch `number`, counted over all epochs without incomplete batches."""
    epoch, place = divmod(number, rows // size)
    return order_of(epoch)[place * size : (place + 1) * size]


def _rows_of(table: Tensor, index: Numbers) -> Tensor:
    return table[torch.from_numpy(index).to(table.device)]


def as_floats(images: Tensor) -> Tensor:
    """Return images as learners get them: uint8 becomes floats in 0..1, floats stay."""
    if images.dtype != torch.uint8:
        return images
    return images.to(torch.get_default_dtype()).div_(255)
