"""Which test tasks a method is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.data.opening import OpenDataset
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.sampling import ClassIndex, TaskProtocol, TaskShape
from workbench.tasks.splits import class_index, usual_queries

USUAL_WAYS = 5


@dataclass(frozen=True)
class EvaluationSettings:
    """What a user asks of the test tasks. None: as usual in the literature, if the data allow."""

    ways: int | None = None
    shots: int = 1
    queries: int | None = None  # per class
    protocol: str = DEFAULT_PROTOCOL  # a spec: "unbalanced:alpha=5"
    episodes: int = 600  # test tasks
    task_seed: int = 0
    split: str = "test"

    def shape(self, classes: ClassIndex, usual_ways: int = USUAL_WAYS) -> TaskShape:
        """Return the shape of the tasks. What was not asked is as usual, if the classes allow."""
        counts = classes.counts
        ways = self.ways
        if ways is None:
            ways = min(usual_ways, len(counts))
        queries = self.queries
        if queries is None:
            queries = usual_queries(int(counts.min()), self.shots)
        return TaskShape(ways, self.shots, queries)


@dataclass(frozen=True)
class EvaluationTasks:
    """Tasks 0 to `settings.episodes` - 1 of one split of a data set, the same for every method."""

    dataset: OpenDataset
    settings: EvaluationSettings
    shape: TaskShape  # also for a protocol that varies it: learners are trained for this shape
    protocol: TaskProtocol

    @property
    def ways(self) -> int | None:
        """Classes per task; None where they vary."""
        return self.protocol.ways

    @property
    def shots(self) -> int | None:
        """Support images per class; None where they vary."""
        return None if self.protocol.ways is None else self.shape.shots

    @property
    def queries(self) -> int | None:
        """Query images per class; None where they vary."""
        return None if self.protocol.ways is None else self.shape.queries


def evaluation_tasks(
    dataset: OpenDataset, settings: EvaluationSettings, usual_ways: int = USUAL_WAYS
) -> EvaluationTasks:
    """Return the test tasks that a data set gives.

    Raises:
        UsageError: an unknown protocol or option.
        DataError: the classes cannot give such tasks; the message has the numbers.
    """
    classes = class_index(dataset, settings.split)
    shape = settings.shape(classes, usual_ways)
    protocol = build_protocol(settings.protocol, *shape)
    protocol.check(classes, f"the {settings.split} classes of {dataset.label}")
    return EvaluationTasks(dataset, settings, shape, protocol)
