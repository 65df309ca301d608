"""Which test tasks a method is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.data.opening import OpenDataset
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.sampling import ClassIndex, TaskProtocol
from workbench.tasks.splits import class_index

USUAL_WAYS = 5
USUAL_QUERIES = 15


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

    def fitted(self, classes: ClassIndex, usual_ways: int = USUAL_WAYS) -> EvaluationSettings:
        """Return the settings with ways and queries filled in, as many as the classes give."""
        counts = classes.counts
        ways = self.ways
        if ways is None:
            ways = min(usual_ways, len(counts))
        queries = self.queries
        if queries is None:
            queries = max(min(USUAL_QUERIES, int(counts.min()) - self.shots), 1)
        return replace(self, ways=ways, queries=queries)


@dataclass(frozen=True)
class EvaluationTasks:
    """Tasks 0 to `settings.episodes` - 1 of one split of a data set, the same for every method."""

    dataset: OpenDataset
    settings: EvaluationSettings  # fitted to the data set
    protocol: TaskProtocol

    @property
    def asked_ways(self) -> int:
        """The ways that a learner with a fixed number is trained for."""
        assert self.settings.ways is not None  # the settings are fitted
        return self.settings.ways

    @property
    def ways(self) -> int | None:
        """Classes per task; None where they vary."""
        return self.protocol.ways

    @property
    def shots(self) -> int | None:
        """Support images per class; None where they vary."""
        return None if self.protocol.ways is None else self.settings.shots

    @property
    def queries(self) -> int | None:
        """Query images per class; None where they vary."""
        return None if self.protocol.ways is None else self.settings.queries


def evaluation_tasks(
    dataset: OpenDataset, settings: EvaluationSettings, usual_ways: int = USUAL_WAYS
) -> EvaluationTasks:
    """Return the test tasks that a data set gives.

    Raises:
        UsageError: an unknown protocol or option.
        DataError: the classes cannot give such tasks; the message has the numbers.
    """
    classes = class_index(dataset, settings.split)
    fitted = settings.fitted(classes, usual_ways)
    assert fitted.ways is not None
    assert fitted.queries is not None
    protocol = build_protocol(fitted.protocol, fitted.ways, fitted.shots, fitted.queries)
    protocol.check(classes, f"the {settings.split} classes of {dataset.label}")
    return EvaluationTasks(dataset, fitted, protocol)
