"""What protocols draw with: classes to draw from, stacks of tasks as rows, and random words.

Tasks are drawn in blocks of 256 from Philox keyed by (seed, block), as raw 64-bit words, because numpy
does not promise its distributions across versions; a sample without replacement is the first entries
of an argsort of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

BLOCK = 256  # tasks drawn at once; part of what task i is
MOST = np.iinfo(np.uint64).max

Numbers = NDArray[np.int64]


class ClassIndex(NamedTuple):
    """What is drawn from: the classes of a split, as rows, and how they are related."""

    starts: Numbers  # (classes + 1,): class c is rows starts[c] to starts[c + 1]
    groups: tuple[
        Numbers, ...
    ] = ()  # numbers of classes that belong together: an alphabet, a node of WordNet
    whole: bool = False  # whether a task takes all classes of a group, or some

    @property
    def counts(self) -> Numbers:
        """Images of each class."""
        return np.diff(self.starts)


class Rows(NamedTuple):
    """A stack of tasks of one form, as row numbers and labels.

    Where a protocol asks several times within a task, the stack holds one question of each task, and
    `instance` tells the questions apart.
    """

    support: Numbers  # (tasks, n)
    query: Numbers  # (tasks, m)
    support_y: Numbers  # (tasks, n), labels in 0 .. ways - 1
    query_y: Numbers  # (tasks, m)
    ways: int
    task: Numbers  # (tasks,), the number of each task
    instance: Numbers  # (tasks,), 0 where a task asks once
    domain: int = 0  # which of several data sets they come from

    @classmethod
    def of(cls, support: Numbers, query: Numbers, first: int) -> Rows:
        """Tasks from number `first` on, from rows by class: `(tasks, ways, shots)` and `(tasks, ways, queries)`."""
        tasks, ways, _ = support.shape
        y = np.arange(ways)[:, None]
        return cls(
            support.reshape(tasks, -1),
            query.reshape(tasks, -1),
            np.broadcast_to(y, support.shape).reshape(tasks, -1),
            np.broadcast_to(y, query.shape).reshape(tasks, -1),
            ways,
            first + np.arange(tasks),
            np.zeros(tasks, np.int64),
        )

    @classmethod
    def join(cls, stacks: Sequence[Rows]) -> Rows:
        """One stack of several of the same form."""
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

    def part(self, chosen: NDArray[np.bool_] | slice) -> Rows:
        """Some of the tasks."""
        s, q, sy, qy, ways, task, instance, domain = self
        return Rows(
            s[chosen],
            q[chosen],
            sy[chosen],
            qy[chosen],
            ways,
            task[chosen],
            instance[chosen],
            domain,
        )


class TaskProtocol(Protocol):
    """What every protocol has."""

    @property
    def ways(self) -> int:
        """Classes of a task; 0 where they vary."""

    def check(self, classes: ClassIndex, where: str) -> None:
        """Raise `DataError`, with the numbers involved, where the classes cannot give such tasks."""

    def draw(self, classes: ClassIndex, seed: int, block: int) -> list[Rows]:
        """Tasks 256 * block to 256 * block + 255, in stacks."""


class Words:
    """Draws from the raw words of Philox."""

    def __init__(self, seed: int, block: int):
        self.raw = np.random.Philox(key=[seed, block], counter=[0, 0, 0, 0]).random_raw

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Numbers in 0..1, 1 left out."""
        return (self.raw(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both among them."""
        return low + int(self.uniform(1)[0] * (high - low + 1))

    def sample(self, n: int, size: int) -> Numbers:
        """`size` of the numbers below n, in random order, none twice."""
        return smallest(self.raw(n), size)


def smallest(words: NDArray[np.uint64], size: int) -> Numbers:
    """The positions of the `size` smallest words along the last axis, smallest first."""
    if size < words.shape[-1] // 4:  # the same answer as a whole argsort, sooner
        some = np.argpartition(words, size, axis=-1)[..., :size]
        order = np.argsort(np.take_along_axis(words, some, -1), axis=-1, kind="stable")
        return np.take_along_axis(some, order, -1)
    return np.argsort(words, axis=-1, kind="stable")[..., :size]


def draw_images(classes: ClassIndex, chosen: Numbers, size: int, words: Words) -> Numbers:
    """`size` images of each chosen class `(256, ways)`, as rows `(256, ways, size)`, none twice."""
    counts = classes.counts
    most = int(counts.max())
    keys = words.raw(BLOCK * chosen.shape[1] * most).reshape(BLOCK, -1, most)
    keys[np.arange(most) >= counts[chosen][..., None]] = (
        MOST  # an image that a smaller class does not have
    )
    return smallest(keys, size) + classes.starts[chosen][..., None]


def shared_out(weights: NDArray[np.float64], total: int, room: Numbers) -> Numbers:
    """Give out `total` in whole numbers by weight, by largest remainders, no more than there is room for."""
    given = np.zeros(len(weights), np.int64)
    while (left := total - int(given.sum())) > 0:
        open_ = given < room
        wanted = left * weights * open_ / (weights * open_).sum()
        more = np.floor(wanted).astype(np.int64)
        order = np.argsort(more - wanted, kind="stable")[: left - int(more.sum())]
        more[order] += 1
        given = np.minimum(given + more * open_, room)
    return given


def need_classes(ways: int, there: int, where: str) -> None:
    """Refuse more ways than classes."""
    if ways > there:
        raise DataError(
            f"{ways} ways are more than the {there} classes of {where}; take at most {there}"
        )


def need_images(ways: int, shots: int, queries: int, least: int, where: str) -> None:
    """Refuse more images a class than the smallest class has, and numbers below 1."""
    if min(ways, shots, queries) < 1:
        raise DataError(
            f"There is no task of {ways} ways, {shots} shots and {queries} queries; take at least 1 of each"
        )
    if shots + queries > least:
        raise DataError(
            f"{shots} shots + {queries} queries need {shots + queries} images a class, and {where} has a class "
            f"of {least}; try --queries {least - shots}"
            if least > shots
            else f"{shots} shots leave no query in {where}, where a class has {least} images; "
            f"try --shots {max(least - 1, 1)}"
        )


def need_groups(classes: ClassIndex, where: str) -> None:
    """Refuse data without a hierarchy."""
    if not classes.groups:
        raise DataError(f"The classes of {where} come in no groups; use --protocol way-shot")
