"""Which test tasks a method is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.data.opening import OpenDataset
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.protocols.names import OWN_QUERIES
from workbench.tasks.sampling import ClassIndex, TaskProtocol, TaskShape
from workbench.tasks.splits import USUAL_QUERIES, class_index, usual_queries

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
    calibrate: str = "none"  # or "temperature": also the scores divided by one

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
    departures: tuple[str, ...] = ()  # what is not as usual in the literature, and why

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
    departures = []
    if protocol.ways is not None:
        departures += _fewer_ways(dataset, settings, shape, usual_ways)
        departures += _same_classes(dataset, settings, protocol.ways)
    if parse_spec(settings.protocol).name not in OWN_QUERIES:
        departures += _fewer_queries(dataset, settings, shape)
    return EvaluationTasks(dataset, settings, shape, protocol, tuple(departures))


def _fewer_ways(
    dataset: OpenDataset, settings: EvaluationSettings, shape: TaskShape, usual_ways: int
) -> list[str]:
    """Say where tasks have fewer classes than usual, and why."""
    if settings.ways is not None or shape.ways >= usual_ways:
        return []
    classes = f"{len(dataset.table(settings.split).names)} {settings.split} classes"
    return [f"{dataset.label}: {shape.ways} ways instead of {usual_ways}, because it has {classes}"]


def _same_classes(dataset: OpenDataset, settings: EvaluationSettings, ways: int) -> list[str]:
    """Say where all tasks have the same classes, so that an interval over tasks misleads."""
    table = dataset.table(settings.split)
    if len(table.names) > ways:
        return []
    return [
        f"{dataset.label}: all tasks have the same {ways} classes and share "
        f"{len(table.images):,} images, so ± says how much the choice of support images matters, "
        "not how it is on other classes or new images"
    ]


def _fewer_queries(
    dataset: OpenDataset, settings: EvaluationSettings, shape: TaskShape
) -> list[str]:
    """Say where a class has fewer queries than usual, and which class is the reason."""
    if settings.queries is not None or shape.queries >= USUAL_QUERIES:
        return []
    table = dataset.table(settings.split)
    counts = class_index(dataset, settings.split).counts
    fewest = int(counts.argmin())
    reason = f"class {table.names[fewest]} has {counts[fewest]} images"
    too_small = int((counts < settings.shots + USUAL_QUERIES).sum())
    if too_small > 1:
        reason += f", and {too_small:,} classes have too few"
    queries = "1 query" if shape.queries == 1 else f"{shape.queries} queries"
    return [
        f"{dataset.label} at {settings.shots}-shot: {queries} per class instead of "
        f"{USUAL_QUERIES}, because {reason}"
    ]
