"""The conformance tests, for plugin authors and for our own plugins alike.

    from workbench.testing import check_learner

    def test_my_method():
        check_learner("my-method")

Each check raises `AssertionError` with one sentence on what the contract asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.data.dataset import SPLITS, Dataset
from workbench.data.opening import OpenDataset, open_dataset
from workbench.data.tables import Table
from workbench.experiments.build import build_backbone, build_learner
from workbench.experiments.plan import Plan, TrainingRequest, make_plan
from workbench.learning.learner import Learner, scores
from workbench.learning.settings import settings_options
from workbench.plugin.options import filled_parameters, option_text, options_of, parse_spec
from workbench.plugin.recipes import published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData
from workbench.tasks.task import Examples, Task

__all__ = [
    "check_backbone",
    "check_constructor",
    "check_dataset",
    "check_learner",
    "check_stored",
    "tiny_data",
    "tiny_source",
]

SHAPE = (1, 16, 16)
FILLED = {"backbone", "ways", "classes", "domains", "image_shape", "teachers", "seen"}


def tiny_data(
    shape: tuple[int, int, int] = SHAPE, *, classes: int = 8, images: int = 12
) -> TrainingData:
    """A data set of noise around a random picture for each class, with three splits."""
    random = np.random.default_rng(0)
    starts = np.arange(0, classes * images + 1, images)
    tables = {}
    for split in SPLITS:
        centres = random.integers(0, 200, (classes, 1, *shape))
        rows = (
            (centres + random.integers(0, 55, (classes, images, *shape)))
            .astype(np.uint8)
            .reshape(-1, *shape)
        )
        tables[split] = Table(
            rows, tuple(f"{split}{number}" for number in range(classes)), starts, "tiny"
        )
    return TrainingData((OpenDataset("tiny", "tiny", tables),))


def tiny_source(
    ways: int = 3, shots: int = 2, queries: int = 4, *, stack: int = 3, split: str = "train"
) -> Source:
    """Tasks of `tiny_data`."""
    return Source(
        tiny_data().domains(split), WayShot(ways, shots, queries), stack=stack, batch_size=16
    )


def check_learner(spec: str, *, backbone: str | None = None) -> None:
    """Check an algorithm against the whole contract of `Learner`, in float64.

    Args:
        spec: as on the command line: `maml:inner_steps=2`.
        backbone: a spec; the recipe's, if left out.
    """
    check_constructor("algorithms", parse_spec(spec).name)
    with _float64():
        data = tiny_data()
        plan = make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone=backbone))
        teachers = [
            build_learner(first, data).eval() for first in plan.teachers if isinstance(first, Plan)
        ]
        learner = build_learner(plan, data, teachers=teachers)
        check_stored(learner, plan.options)
        _check_selects(learner, plan)
        _check_losses(learner, tiny_source())
        learner.eval()
        task = next(tiny_source().tasks())
        with torch.no_grad():
            embedded = _check_embed(learner, task)
            _check_adapt(learner, embedded)
            _check_batched(learner, embedded)
            _check_transductive(learner, embedded)


def check_backbone(spec: str, shape: tuple[int, int, int] = (1, 28, 28)) -> None:
    """Check that a backbone turns images `(n, *shape)` into features `(n, dim)` and states its `dim`."""
    check_constructor("backbones", parse_spec(spec).name)
    module = build_backbone(spec, shape).eval()
    features = module(torch.rand(5, *shape))
    assert hasattr(module, "dim"), f"{spec} must have an attribute dim, the length of its features"
    assert features.shape == (5, module.dim), (
        f"{spec} must return (n, dim) = (5, {module.dim}), not {features.shape}"
    )
    apart = torch.cat([module(image[None]) for image in torch.rand(5, *shape, generator=_seeded())])
    together = module(torch.rand(5, *shape, generator=_seeded()))
    declared = any(getattr(part, "batch_statistics", False) for part in module.modules())
    same = torch.allclose(apart, together, atol=1e-5)
    assert same or declared, (
        f"{spec} mixes the images of a batch in eval mode: declare batch_statistics = True"
    )


def check_dataset(spec: str) -> None:
    """Check that a data set's splits share no class and hold uint8 images of one shape."""
    check_constructor("datasets", parse_spec(spec).name)
    target = registry().find("datasets", parse_spec(spec).name).load()
    assert issubclass(target, Dataset), f"{spec} must be a subclass of workbench.Dataset"
    data = open_dataset(spec)
    names = [name for table in data.tables.values() for name in table.names]
    assert len(names) == len(set(names)), f"{spec} has a class in two splits"
    shapes = {table.images.shape[1:] for table in data.tables.values()}
    assert len(shapes) == 1, f"{spec} has images of several shapes: {shapes}"
    for split, table in data.tables.items():
        assert table.images.dtype == np.uint8, (
            f"{spec} must hold uint8 images, not {table.images.dtype}"
        )
        assert (np.diff(table.starts) > 0).all(), f"{spec} has a class without images in {split}"


def check_constructor(kind: str, name: str) -> None:
    """Check that options are annotated, readable as text, and clash with no training setting."""
    entry = registry().find(kind, name)
    target = entry.load()
    options = options_of(target)  # raises where an annotation, a help or a default is missing
    strange = set(filled_parameters(target)) - FILLED
    assert not strange, f"{name} asks the workbench to fill {strange}; it fills {sorted(FILLED)}"
    for option in options.values():
        text = option_text(option.default)
        assert option.convert(text, name) == option.default, (
            f"{name}:{option.name}={text} does not give the default"
        )
    if kind == "algorithms":
        assert issubclass(target, Learner), f"{name} must be a subclass of workbench.Learner"
        clash = options.keys() & settings_options().keys()
        assert not clash, f"{name} has options with names of training settings: {sorted(clash)}"
        published_numbers(entry)  # raises where an entry is incomplete


def check_stored(instance: Any, options: Mapping[str, Any]) -> None:
    """Check that a constructor stored its options under their own names, unchanged."""
    for name, value in options.items():
        stored = hasattr(instance, name) and getattr(instance, name) == value
        assert stored, f"{type(instance).__name__} must store its option {name!r} unchanged"


def _check_selects(learner: Learner, plan: Plan) -> None:
    for name, values in learner.selects.items():
        assert name in plan.options, f"selects names {name!r}, which is no option"
        assert values, f"selects gives no values for {name!r}"


def _check_losses(learner: Learner, source: Source) -> None:
    learner.train()
    for loss in islice(learner.losses(source), 2):
        assert loss.shape == (), f"losses must yield scalars, not {tuple(loss.shape)}"
        assert torch.isfinite(loss), "a first loss is not finite"
        loss.backward()
    consumed = source.tasks_drawn > 0
    assert consumed <= learner.episodic, "a learner with episodic = False must draw no tasks"


def _check_embed(learner: Learner, task: Task) -> Task:
    both = torch.cat([task.support.x, task.query.x], 1)  # (tasks, n + m, ...)
    embedded = learner.embed(both.flatten(0, 1))
    apart = torch.cat([learner.embed(image[None]) for image in both.flatten(0, 1)])
    assert torch.allclose(embedded, apart, atol=1e-9), "embed must work row by row in eval mode"
    stacked, n = embedded.unflatten(0, both.shape[:2]), task.support.x.shape[1]
    return task._replace(
        support=task.support._replace(x=stacked[:, :n]), query=task.query._replace(x=stacked[:, n:])
    )


def _check_adapt(learner: Learner, task: Task) -> None:
    support = Examples(task.support.x[0], task.support.y[0], task.support.ways)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    torch.manual_seed(1)
    first = learner.adapt(support)(task.query.x[0])
    torch.manual_seed(2)
    second = learner.adapt(support)(task.query.x[0])
    assert first.shape == (len(task.query.x[0]), support.ways), (
        f"scores must be (n, ways), not {tuple(first.shape)}"
    )
    assert torch.equal(first, second), (
        "adapt must be deterministic: draw from a torch.Generator made inside it"
    )
    assert not first.requires_grad, "under no_grad, adapt must build no graph"
    met = support.y < support.ways - 1  # the last class has not come yet, as in a stream
    partly = learner.adapt(Examples(support.x[met], support.y[met], support.ways))(task.query.x[0])
    assert partly.shape == first.shape, "a class that the support lacks must have its column too"
    assert not partly[:, :-1].isnan().any(), (
        "a class that the support lacks must not spoil the others' scores"
    )
    same = all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert same, "adapt must leave the learner as it was"


def _check_batched(learner: Learner, task: Task) -> None:
    if not learner.batched:
        return
    stacked = scores(learner, task.support, task.query.x)
    alone = torch.cat([_alone(learner, task, number) for number in range(len(stacked))])
    assert torch.allclose(stacked, alone, atol=1e-5), (
        "stacked and one by one, adapt must give the same to 1e-5"
    )


def _alone(learner: Learner, task: Task, number: int) -> Tensor:
    support = Examples(task.support.x[number], task.support.y[number], task.support.ways)
    return learner.adapt(support)(task.query.x[number])[None]


def _check_transductive(learner: Learner, task: Task) -> None:
    predictor = learner.adapt(Examples(task.support.x[0], task.support.y[0], task.support.ways))
    together = predictor(task.query.x[0])
    apart = torch.cat([predictor(query[None]) for query in task.query.x[0]])
    same = torch.allclose(together, apart, atol=1e-6)
    assert same or learner.transductive, (
        "a prediction depends on the other queries: declare transductive = True"
    )
    assert not (same and learner.transductive), (
        "transductive is declared, and no prediction depends on other queries"
    )


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@contextmanager
def _float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
