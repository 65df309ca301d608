"""What protocols share: the classes of a split, stacks of tasks as row numbers, and random words.

Tasks are drawn in blocks of 256. A block is drawn from the raw 64-bit words of Philox with the key
(seed, block), because numpy does not promise the same distributions in all versions. A sample
without replacement is the first entries of an argsort of words, one for each candidate. From many
candidates, numbers are drawn instead until enough are distinct: memory does not grow with the
largest class.

The images of a task come in random order, so that the place of a query says nothing about its
label. The order is drawn from words of its own: it changes no set of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.plugin.registry import DEFAULT_PROTOCOL

BLOCK = 256  # tasks that are drawn at once; another number gives other tasks
# From more candidates than this, no word is laid out for each; other numbers give other tasks.
MOST_IMAGES = 1024  # of a class
MOST_CLASSES = 8192  # of a split
LARGEST_WORD = np.iinfo(np.uint64).max
# counters of Philox, so that which images a task has does not depend on their order
_IMAGES = 0
_ORDER = 1

Numbers = NDArray[np.int64]


class ClassIndex(NamedTuple):
    """The classes of a split as rows, and how they are grouped."""

    starts: Numbers  # (classes + 1,): class c has the rows starts[c] to starts[c + 1] - 1
    groups: tuple[Numbers, ...] = ()  # the classes of each group: an alphabet, a node of WordNet
    whole: bool = False  # whether a task of a group takes all its classes

    @property
    def counts(self) -> Numbers:
        """Images of each class, `(classes,)`."""
        return np.diff(self.starts)


class Domain(NamedTuple):
    """One split of one data set."""

    name: str
    images: NDArray[np.uint8]  # (rows, channels, height, width)
    classes: ClassIndex


class TaskShape(NamedTuple):
    """How large the tasks are."""

    ways: int
    shots: int  # support images per class
    queries: int  # query images per class


class Rows(NamedTuple):
    """A stack of tasks of the same shape, as row numbers and labels.

    If a protocol asks several times within a task, a stack has one question of each task, and
    `instance` distinguishes the questions.
    """

    support: Numbers  # (tasks, n)
    query: Numbers  # (tasks, m)
    support_y: Numbers  # (tasks, n), labels in 0 .. ways - 1
    query_y: Numbers  # (tasks, m)
    ways: int
    task: Numbers  # (tasks,), the number of each task
    instance: Numbers  # (tasks,), 0 if a task asks once
    domain: int = 0  # which of several data sets the tasks come from

    @classmethod
    def by_class(cls, support: Numbers, query: Numbers, first: int) -> Rows:
        """Return tasks in which the images of a class follow one another, until `shuffled`.

        Args:
            support: rows, `(tasks, ways, shots)`.
            query: rows, `(tasks, ways, queries)`.
            first: the number of the first task.
        """
        tasks, ways, _ = support.shape
        y = np.arange(ways)[:, None]
        return cls(
            support=support.reshape(tasks, -1),
            query=query.reshape(tasks, -1),
            support_y=np.broadcast_to(y, support.shape).reshape(tasks, -1),
            query_y=np.broadcast_to(y, query.shape).reshape(tasks, -1),
            ways=ways,
            task=first + np.arange(tasks),
            instance=np.zeros(tasks, np.int64),
        )

    @classmethod
    def join(cls, stacks: Sequence[Rows]) -> Rows:
        """Return stacks of the same shape as one stack."""
        if len(stacks) == 1:
            return stacks[0]

        def joined(name: str) -> Numbers:
            return np.concatenate([getattr(stack, name) for stack in stacks])

        return stacks[0]._replace(
            support=joined("support"),
            query=joined("query"),
            support_y=joined("support_y"),
            query_y=joined("query_y"),
            task=joined("task"),
            instance=joined("instance"),
        )

    def shuffled(self, words: Words, *, support: bool = True) -> Rows:
        """Return the tasks with their images in random order.

        Args:
            words: from `Words.of_order`.
            support: shuffle the support too; False if the protocol defines its order.
        """
        query, query_y = _in_random_order(self.query, self.query_y, words)
        rows = self._replace(query=query, query_y=query_y)
        if not support:
            return rows
        images, labels = _in_random_order(self.support, self.support_y, words)
        return rows._replace(support=images, support_y=labels)

    def part(self, chosen: NDArray[np.bool_] | slice) -> Rows:
        """Return some of the tasks."""
        return Rows(
            self.support[chosen],
            self.query[chosen],
            self.support_y[chosen],
            self.query_y[chosen],
            self.ways,
            self.task[chosen],
            self.instance[chosen],
            self.domain,
        )


class TaskProtocol(Protocol):
    """How tasks are drawn from the classes of a split."""

    @property
    def ways(self) -> int | None:
        """Classes of a task; None if they vary."""

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError`, with the numbers involved, if the classes cannot give such tasks.

        Args:
            where: what the classes are called in the message.
        """

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Return tasks 256 * block to 256 * block + 255, in stacks."""


class Words:
    """Random numbers from the raw words of Philox."""

    def __init__(self, seed: int, block: int, purpose: int = _IMAGES):
        self.raw = np.random.Philox(key=[seed, block], counter=[0, 0, purpose, 0]).random_raw

    @classmethod
    def of_order(cls, seed: int, block: int) -> Words:
        """Return the words that order the images of the tasks of a block."""
        return cls(seed, block, _ORDER)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Return numbers in 0..1, without 1."""
        return (self.raw(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, inclusive."""
        return low + int(self.uniform(1)[0] * (high - low + 1))

    def sample(self, n: int, size: int) -> Numbers:
        """Return `size` of the numbers below n in random order, without replacement."""
        if n <= MOST_IMAGES:
            return smallest(self.raw(n), size)
        found: dict[int, None] = {}  # in the order in which they were drawn
        while len(found) < size:
            drawn = (self.uniform(size - len(found)) * n).astype(np.int64)
            found |= dict.fromkeys(drawn.tolist())
        return np.array(list(found), np.int64)


def _in_random_order(images: Numbers, labels: Numbers, words: Words) -> tuple[Numbers, Numbers]:
    """Return row numbers and labels, `(tasks, n)` each, in an order drawn for each task."""
    keys = words.raw(images.size).reshape(images.shape)
    order = smallest(keys, images.shape[1])
    return np.take_along_axis(images, order, 1), np.take_along_axis(labels, order, 1)


def smallest(words: NDArray[np.uint64], size: int) -> Numbers:
    """Return the positions of the `size` smallest words on the last axis, smallest first."""
    if size >= words.shape[-1] // 4:
        return np.argsort(words, axis=-1, kind="stable")[..., :size]
    # the same result, faster than to sort all words
    candidates = np.argpartition(words, size, axis=-1)[..., :size]
    order = np.argsort(np.take_along_axis(words, candidates, -1), axis=-1, kind="stable")
    return np.take_along_axis(candidates, order, -1)


def draw_classes(classes: ClassIndex, ways: int, words: Words) -> Numbers:
    """Draw the classes of a block of tasks, `(256, ways)`, without replacement within a task."""
    number = len(classes.counts)
    if number > MOST_CLASSES:
        return np.stack([words.sample(number, ways) for _ in range(BLOCK)])
    keys = words.raw(BLOCK * number).reshape(BLOCK, -1)
    return smallest(keys, ways)


def draw_images(classes: ClassIndex, chosen: Numbers, size: int, words: Words) -> Numbers:
    """Draw `size` images of each chosen class `(256, ways)`, without replacement.

    Of a class with fewer images, those after its last one may not be used.

    Returns:
        Row numbers, `(256, ways, size)`.
    """
    counts = classes.counts
    most = int(counts.max())
    if most > MOST_IMAGES:
        return _draw_one_by_one(classes, chosen, size, words)
    keys = words.raw(BLOCK * chosen.shape[1] * most).reshape(BLOCK, -1, most)
    missing = np.arange(most) >= counts[chosen][..., None]  # a smaller class has no such image
    keys[missing] = LARGEST_WORD
    return smallest(keys, size) + classes.starts[chosen][..., None]


def _draw_one_by_one(classes: ClassIndex, chosen: Numbers, size: int, words: Words) -> Numbers:
    """Do the same as `draw_images` with little memory, class by class."""
    samples = []
    for count in classes.counts[chosen].ravel():
        sample = words.sample(int(count), min(size, int(count)))
        samples.append(np.resize(sample, size))  # repeats images, after the last one
    return np.reshape(samples, (*chosen.shape, size)) + classes.starts[chosen][..., None]


def draw_examples(
    classes: ClassIndex, chosen: Numbers, shots: int, queries: int, words: Words, block: int
) -> Rows:
    """Draw `shots` and `queries` images of each chosen class `(256, ways)`: a block of tasks.

    The images of a class follow one another, until `Rows.shuffled`.
    """
    images = draw_images(classes, chosen, shots + queries, words)  # (256, ways, shots + queries)
    return Rows.by_class(images[..., :shots], images[..., shots:], block * BLOCK)


def apportion(weights: NDArray[np.float64], total: int, limits: Numbers) -> Numbers:
    """Distribute `total` in integers in proportion to weights, by largest remainders.

    Args:
        weights: `(n,)`, positive.
        limits: `(n,)`, the most that each may get. What is above goes to the others.
    """
    given = np.zeros(len(weights), np.int64)
    left = total
    while left > 0:
        has_room = given < limits
        wanted = left * weights * has_room / (weights * has_room).sum()
        more = np.floor(wanted).astype(np.int64)
        order = np.argsort(more - wanted, kind="stable")[: left - int(more.sum())]
        more[order] += 1
        given = np.minimum(given + more * has_room, limits)
        left = total - int(given.sum())
    return given


def require_classes(ways: int, available: int, where: str) -> None:
    """Raise `DataError` if there are fewer classes than ways."""
    if ways > available:
        raise DataError(
            f"{ways} ways are more than the {available} classes of {where}; use at most {available}"
        )


def require_images(ways: int, shots: int, queries: int, smallest_class: int, where: str) -> None:
    """Raise `DataError` if a number is below 1, or a class has fewer images than a task needs.

    Args:
        smallest_class: images of the smallest class.
    """
    if min(ways, shots, queries) < 1:
        raise DataError(
            f"There is no task of {ways} ways, {shots} shots and {queries} queries; "
            "use at least 1 of each"
        )
    if smallest_class <= shots:
        raise DataError(
            f"{shots} shots leave no query in {where}, where a class has {smallest_class} images; "
            f"try --shots {max(smallest_class - 1, 1)}"
        )
    if smallest_class < shots + queries:
        raise DataError(
            f"{shots} shots + {queries} queries need {shots + queries} images per class, and "
            f"the smallest class of {where} has {smallest_class}; "
            f"try --queries {smallest_class - shots}"
        )


def require_way_shot(classes: ClassIndex, ways: int, shots: int, queries: int, where: str) -> None:
    """Raise `DataError` if the classes cannot give such tasks."""
    require_classes(ways, len(classes.counts), where)
    require_images(ways, shots, queries, int(classes.counts.min()), where)


def require_groups(classes: ClassIndex, where: str) -> None:
    """Raise `DataError` if the classes have no groups."""
    if not classes.groups:
        raise DataError(f"The classes of {where} have no groups; use --protocol {DEFAULT_PROTOCOL}")
