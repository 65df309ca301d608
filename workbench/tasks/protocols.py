"""How the tasks of an evaluation or a training are drawn from the images of a split.

A protocol is a small frozen object with `ways` (0: they vary), `check` and `draw`
(`workbench.drawing.TaskProtocol`). What stands before `*` in its constructor is asked for everywhere;
what stands behind is an option of its own, typed as for any other thing: `--protocol unbalanced:alpha=5`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from workbench.errors import DataError, UnknownName, UsageError
from workbench.plugin import options as specs
from workbench.tasks.meta_dataset import MetaDataset
from workbench.tasks.sampling import (
    BLOCK,
    Classes,
    Numbers,
    Rows,
    TaskProtocol,
    Words,
    draw_images,
    need_classes,
    need_groups,
    need_images,
    shared_out,
    smallest,
)


@dataclass(frozen=True)
class WayShot:
    """N ways, K shots: classes and images uniform, without replacement."""

    ways: int
    shots: int
    queries: int = 15

    def check(self, classes: Classes, where: str) -> None:
        """Refuse what the classes cannot give."""
        need_classes(self.ways, len(classes.counts), where)
        need_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: Classes, seed: int, block: int) -> list[Rows]:
        """A block in one stack."""
        words = Words(seed, block)
        chosen = smallest(words.raw(BLOCK * len(classes.counts)).reshape(BLOCK, -1), self.ways)  # (256, ways)
        return [self.rows(classes, chosen, words, block)]

    def rows(self, classes: Classes, chosen: Numbers, words: Words, block: int) -> Rows:
        """Draw images of the chosen classes `(256, ways)`."""
        images = draw_images(classes, chosen, self.shots + self.queries, words)  # (256, ways, shots + queries)
        return Rows.of(images[..., : self.shots], images[..., self.shots :], block * BLOCK)


@dataclass(frozen=True)
class WithinGroup(WayShot):
    """Way and shot as ever, but all classes of a task belong together: characters of one alphabet."""

    def check(self, classes: Classes, where: str) -> None:
        """Refuse what the groups cannot give."""
        need_groups(classes, where)
        need_classes(self.ways, max(map(len, classes.groups)), f"the largest group of {where}")
        need_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: Classes, seed: int, block: int) -> list[Rows]:
        """A block in one stack; a group that is too small is never drawn."""
        words = Words(seed, block)
        groups = [group for group in classes.groups if len(group) >= self.ways]
        chosen = []
        for _ in range(BLOCK):
            group = groups[words.integer(0, len(groups) - 1)]
            chosen.append(group[words.sample(len(group), self.ways)])
        return [self.rows(classes, np.stack(chosen), words, block)]


@dataclass(frozen=True)
class Unbalanced(WayShot):
    """Way and shot as ever, but the queries fall on the classes unevenly.

    Veilleux, Boudiaf, Piantanida, Ben Ayed: Realistic evaluation of transductive few-shot learning,
    NeurIPS 2021, arXiv 2204.11181. The shares of the classes come from a Dirichlet distribution with
    all parameters alpha; ways * queries queries are given out by largest remainders, and what a class
    has too few images for goes to the others.
    """

    alpha: Annotated[int, "of the Dirichlet distribution of the classes' shares; larger: more even"] = field(
        default=2, kw_only=True
    )

    def check(self, classes: Classes, where: str) -> None:
        """Refuse what the classes cannot give."""
        super().check(classes, where)
        if self.alpha < 1:
            raise DataError(f"unbalanced:alpha={self.alpha} cannot be: it must be at least 1")

    def draw(self, classes: Classes, seed: int, block: int) -> list[Rows]:
        """A block in one stack: the number of queries is the same in all tasks, their labels are not."""
        words, total = Words(seed, block), self.ways * self.queries
        chosen = smallest(words.raw(BLOCK * len(classes.counts)).reshape(BLOCK, -1), self.ways)
        # a gamma variable with a whole parameter is a sum of exponential ones
        exponential = -np.log1p(-words.uniform(BLOCK * self.ways * self.alpha))
        weights = exponential.reshape(BLOCK, self.ways, self.alpha).sum(-1)
        room = classes.counts[chosen] - self.shots  # (256, ways)
        counts = np.stack([shared_out(w, total, r) for w, r in zip(weights, room, strict=True)])
        images = draw_images(classes, chosen, self.shots + int(counts.max()), words)
        taken = np.arange(images.shape[-1] - self.shots) < counts[..., None]  # (256, ways, largest)
        every = Rows.of(images[..., : self.shots], images[..., self.shots :], block * BLOCK)
        flat = taken.reshape(BLOCK, -1)
        query, query_y = every.query[flat].reshape(BLOCK, total), every.query_y[flat].reshape(BLOCK, total)
        return [every._replace(query=query, query_y=query_y)]


@dataclass(frozen=True)
class Stream(WayShot):
    """Classes met one after another, each with all its shots; asked again and again while they come.

    The continual protocol: after 1, 2, 4, ... and all classes of a stream, the queries of the classes
    met so far are asked. `instance` is the number of classes met.
    """

    def draw(self, classes: Classes, seed: int, block: int) -> list[Rows]:
        """A stack for each number of classes met."""
        (whole,) = super().draw(classes, seed, block)
        met = sorted({*(2**k for k in range(self.ways.bit_length()) if 2**k <= self.ways), self.ways})
        return [
            whole._replace(
                support=whole.support[:, : k * self.shots],
                support_y=whole.support_y[:, : k * self.shots],
                query=whole.query[:, : k * self.queries],
                query_y=whole.query_y[:, : k * self.queries],
                instance=np.full(BLOCK, k),
            )
            for k in met
        ]


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

    def check(self, classes: Classes, where: str) -> None:
        """Refuse what the classes cannot give."""
        need_classes(self.ways, len(classes.counts), where)
        need_images(self.ways, self.shots - 1, 1, int(classes.counts.min()), where)

    def draw(self, classes: Classes, seed: int, block: int) -> list[Rows]:
        """A stack for each place in the sequence."""
        words = Words(seed, block)
        chosen = smallest(words.raw(BLOCK * len(classes.counts)).reshape(BLOCK, -1), self.ways)
        images = draw_images(classes, chosen, self.shots, words).reshape(BLOCK, -1)  # (256, ways * shots)
        length = images.shape[1]
        order = smallest(words.raw(BLOCK * length).reshape(BLOCK, length), length)
        x = np.take_along_axis(images, order, 1)
        y = order // self.shots
        seen = (y[:, :, None] == y[:, None, :]) & np.tri(length, dtype=bool)  # (256, t, earlier)
        instance = seen.sum(-1)  # (256, t): 1 for the first of its class, 2 for the second
        task = block * BLOCK + np.arange(BLOCK)
        return [
            Rows(x[:, :t], x[:, t : t + 1], y[:, :t], y[:, t : t + 1], self.ways, task, instance[:, t])
            for t in range(1, length)
        ]


@dataclass(frozen=True)
class Listed:
    """The tasks that a data set itself lists: group i is task i; a class's first images are its support.

    For tests with files of their own, such as the 20 runs of Lake et al.
    """

    ways: int
    shots: int
    queries: int = 1

    def check(self, classes: Classes, where: str) -> None:
        """Refuse what the groups cannot give."""
        need_groups(classes, where)
        if wrong := {len(group) for group in classes.groups} - {self.ways}:
            raise DataError(f"The tasks listed in {where} have {wrong.pop()} ways, not {self.ways}")
        need_images(self.ways, self.shots, self.queries, int(classes.counts.min()), where)

    def draw(self, classes: Classes, seed: int, block: int) -> list[Rows]:  # noqa: ARG002 - nothing is left to chance
        """The listed tasks, in their order; further blocks are empty."""
        groups = classes.groups[block * BLOCK : (block + 1) * BLOCK]
        if not groups:
            return []
        first = classes.starts[np.stack(groups)][..., None]  # (tasks, ways, 1)
        support, query = first + np.arange(self.shots), first + self.shots + np.arange(self.queries)
        return [Rows.of(support, query, block * BLOCK)]


DEFAULT = "way-shot"
PROTOCOLS: dict[str, Any] = {
    DEFAULT: WayShot,
    "within-group": WithinGroup,
    "unbalanced": Unbalanced,
    "meta-dataset": MetaDataset,
    "prequential": Prequential,
    "stream": Stream,
    "listed": Listed,
}
TRAINING = (DEFAULT, "within-group", "unbalanced", "meta-dataset")  # those that ask once a task


def choose(text: str, ways: int, shots: int, queries: int) -> TaskProtocol:
    """The protocol of a spec, `unbalanced:alpha=5`.

    Raises:
        UnknownName, UsageError: no such protocol or option.
    """
    if ways == 1:
        raise UsageError("A task of 1 way has one answer, which is always right; type --ways 2 or more")
    spec = specs.parse(text)
    if spec.name not in PROTOCOLS:
        raise UnknownName("protocol", spec.name, PROTOCOLS)
    target = PROTOCOLS[spec.name]
    filled = {"ways": ways, "shots": shots, "queries": queries}
    arguments: Mapping[str, Any] = {name: filled[name] for name in specs.filled_of(target)}
    protocol: TaskProtocol = target(**arguments, **specs.resolve(spec.name, spec.options, specs.options_of(target)))
    return protocol
