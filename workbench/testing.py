"""Conformance tests, for the plugins of others and for our own.

    from workbench.testing import check_learner

    def test_my_method():
        check_learner("my-method")

Each check raises `AssertionError` with a sentence that says what the contract asks.
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
from workbench.learning.learner import Learner, scores, uses_batch_statistics
from workbench.learning.settings import settings_options
from workbench.plugin.options import filled_parameters, option_text, options_of, parse_spec
from workbench.plugin.recipes import published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData
from workbench.tasks.task import Examples, Predictor, Task

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
FILLED = {  # what the workbench passes to a constructor, by kind
    "algorithms": {"backbone", "ways", "classes", "domains", "image_shape", "teachers", "seen"},
    "backbones": {"image_shape"},
    "datasets": set(),
}


# --- tiny data


def tiny_data(
    shape: tuple[int, int, int] = SHAPE,
    *,
    classes: int = 8,
    images: int = 12,
    name: str = "tiny",
) -> TrainingData:
    """Return a data set of noise around a random picture for each class, with three splits.

    Args:
        shape: (channels, height, width) of its images.
        classes: per split.
        images: per class.
    """
    random = np.random.default_rng(0)
    starts = np.arange(0, classes * images + 1, images)
    tables = {}
    for split in SPLITS:
        centres = random.integers(0, 200, (classes, 1, *shape))
        noise = random.integers(0, 55, (classes, images, *shape))
        rows = (centres + noise).astype(np.uint8).reshape(-1, *shape)
        names = tuple(f"{split}{number}" for number in range(classes))
        tables[split] = Table(rows, names, starts, name)
    return TrainingData((OpenDataset(name, name, tables),))


def tiny_source(
    ways: int = 3, shots: int = 2, queries: int = 4, *, stack: int = 3, split: str = "train"
) -> Source:
    """Return a source of tasks of `tiny_data`, `stack` at once, and of batches of 16 images."""
    protocol = WayShot(ways, shots, queries)
    return Source(tiny_data().domains(split), protocol, stack=stack, batch_size=16)


# --- checks


def check_learner(spec: str, *, backbone: str | None = None) -> None:
    """Check an algorithm against the whole contract of `Learner`, in float64.

    Args:
        spec: as on the command line: `maml:inner_steps=2`.
        backbone: a spec; by default the recipe's.
    """
    check_constructor("algorithms", parse_spec(spec).name)
    with _float64():
        data = tiny_data()
        plan = make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone=backbone))
        learner = build_learner(plan, data, teachers=_untrained_teachers(plan, data))
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
    """Check that a backbone turns images `(n, *shape)` into features `(n, dim)`, each alone."""
    check_constructor("backbones", parse_spec(spec).name)
    module = build_backbone(spec, shape).eval()
    images = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    features = module(images)
    assert features.shape == (5, module.dim), (
        f"{spec} must return features (n, dim), here (5, {module.dim}), not {tuple(features.shape)}"
    )
    apart = torch.cat([module(image[None]) for image in images])
    if not torch.allclose(apart, features, atol=1e-5):
        assert uses_batch_statistics(module), (
            f"in eval mode, the features of an image depend on the other images in the batch; "
            f"the part of {spec} that mixes them must declare batch_statistics = True"
        )
    pretrained_on = getattr(module, "pretrained_on", ())
    assert isinstance(pretrained_on, tuple), (
        f"{spec} must give pretrained_on as a tuple of names, not {pretrained_on!r}"
    )


def check_dataset(spec: str) -> None:
    """Check that the splits of a data set share no class and hold uint8 images of one shape."""
    name = parse_spec(spec).name
    check_constructor("datasets", name)
    target = registry().find("datasets", name).load()
    assert issubclass(target, Dataset), f"{spec} must be a subclass of workbench.Dataset"
    tables = open_dataset(spec).tables
    names: list[str] = []
    for table in tables.values():
        names += table.names
    assert len(names) == len(set(names)), f"no class of {spec} may be in two splits"
    shapes = {table.images.shape[1:] for table in tables.values()}
    assert len(shapes) == 1, f"all images of {spec} must have the same shape, not {shapes}"
    for split, table in tables.items():
        dtype = table.images.dtype
        assert dtype == np.uint8, f"the images of {spec} must be uint8, not {dtype}"
        counts = np.diff(table.starts)
        assert counts.min() > 0, f"every class of {spec} must have images; one in {split} has none"


def check_constructor(kind: str, name: str) -> None:
    """Check that options are annotated, can be written as text, and clash with no setting.

    Args:
        kind: "algorithms", "backbones" or "datasets".
    """
    registration = registry().find(kind, name)
    target = registration.load()
    options = options_of(target)  # raises if an annotation, a help text or a default is missing
    unknown = set(filled_parameters(target)) - FILLED[kind]
    assert not unknown, (
        f"{name} asks the workbench to fill in {sorted(unknown)}, and for {kind} it can fill in "
        f"{sorted(FILLED[kind])}; options come after a * in the constructor"
    )
    for option in options.values():
        text = option_text(option.default)
        assert option.convert(text, name) == option.default, (
            f"the default of an option must be readable from text, and "
            f"{name}:{option.name}={text} gives another value"
        )
    if kind == "algorithms":
        assert issubclass(target, Learner), f"{name} must be a subclass of workbench.Learner"
        clash = options.keys() & settings_options().keys()
        assert not clash, f"{name} may not name its options like training settings: {sorted(clash)}"
        published_numbers(registration)  # raises if an entry is incomplete


def check_stored(instance: Any, options: Mapping[str, Any]) -> None:
    """Check that a constructor stored its options under their own names, unchanged."""
    for name, value in options.items():
        stored = hasattr(instance, name) and getattr(instance, name) == value
        assert stored, f"{type(instance).__name__} must store its option {name!r} unchanged"


# --- the parts of check_learner


def _untrained_teachers(plan: Plan, data: TrainingData) -> list[Learner]:
    teachers = []
    for first in plan.teachers:
        if isinstance(first, Plan):
            teachers.append(build_learner(first, data).eval())
    return teachers


def _check_selects(learner: Learner, plan: Plan) -> None:
    for name, values in learner.selects.items():
        assert name in plan.options, f"selects may only name options, and {name!r} is none"
        assert values, f"selects must give at least one value for {name!r}"


def _check_losses(learner: Learner, source: Source) -> None:
    learner.train()
    for loss in islice(learner.losses(source), 2):
        assert loss.shape == (), f"losses must yield scalars, not {tuple(loss.shape)}"
        assert torch.isfinite(loss), f"losses must be finite at the start, not {loss.item()}"
        loss.backward()
    if not learner.episodic:
        assert source.tasks_drawn == 0, "a learner that draws tasks must not set episodic = False"


def _check_embed(learner: Learner, task: Task) -> Task:
    """Check `embed`; return the task with embedded images."""
    both = torch.cat([task.support.x, task.query.x], dim=1)  # (tasks, n + m, ...)
    images = both.flatten(0, 1)
    embedded = learner.embed(images)
    apart = torch.cat([learner.embed(image[None]) for image in images])
    assert torch.allclose(embedded, apart, atol=1e-9), (
        "in eval mode, embed must work row by row: embed(x)[i] == embed(x[i : i + 1])"
    )
    stacked = embedded.unflatten(0, both.shape[:2])
    n = task.support.x.shape[1]
    support = task.support._replace(x=stacked[:, :n])
    query = task.query._replace(x=stacked[:, n:])
    return task._replace(support=support, query=query)


def _check_adapt(learner: Learner, task: Task) -> None:
    support, queries = _single(task, 0)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    predicted = _check_scores(learner, support, queries)
    _check_unmet_class(learner, support, queries, predicted)
    for name, value in learner.state_dict().items():
        assert torch.equal(before[name], value), (
            f"adapt must leave the learner unchanged, and it changed {name}"
        )


def _check_scores(learner: Learner, support: Examples, queries: Tensor) -> Tensor:
    torch.manual_seed(1)
    first = learner.adapt(support)(queries)
    torch.manual_seed(2)
    second = learner.adapt(support)(queries)
    wanted = (len(queries), support.ways)
    assert first.shape == wanted, (
        f"a predictor must return scores (n, ways), here {wanted}, not {tuple(first.shape)}"
    )
    assert torch.equal(first, second), (
        "adapt must be deterministic: draw random numbers from a torch.Generator made inside it"
    )
    assert not first.requires_grad, "under torch.no_grad, adapt must build no graph"
    return first


def _check_unmet_class(
    learner: Learner, support: Examples, queries: Tensor, predicted: Tensor
) -> None:
    """Check a support set without the last class, which in a stream has not come yet."""
    met = support.y < support.ways - 1
    partial = Examples(support.x[met], support.y[met], support.ways)
    scores_of_partial = learner.adapt(partial)(queries)
    assert scores_of_partial.shape == predicted.shape, (
        "a predictor must return a column for every class, also for one without support images"
    )
    assert not scores_of_partial[:, :-1].isnan().any(), (
        "a class without support images must not make the scores of the other classes NaN"
    )


def _check_batched(learner: Learner, task: Task) -> None:
    if not learner.batched:
        return
    stacked = scores(learner, task.support, task.query.x)
    alone = []
    for number in range(len(stacked)):
        support, queries = _single(task, number)
        alone.append(learner.adapt(support)(queries))
    assert torch.allclose(stacked, torch.stack(alone), atol=1e-5), (
        "with batched = True, adapt must give the same for stacked tasks as for each alone, to 1e-5"
    )


def _check_transductive(learner: Learner, task: Task) -> None:
    support, queries = _single(task, 0)
    predictor: Predictor = learner.adapt(support)
    together = predictor(queries)
    apart = torch.cat([predictor(query[None]) for query in queries])
    independent = torch.allclose(together, apart, atol=1e-6)
    if learner.transductive:
        assert not independent, (
            "transductive = True is declared, but no prediction depends on the other queries"
        )
    else:
        assert independent, "a prediction depends on the other queries: declare transductive = True"


def _single(task: Task, number: int) -> tuple[Examples, Tensor]:
    """Return support set and queries of one task of a stack."""
    support = Examples(task.support.x[number], task.support.y[number], task.support.ways)
    return support, task.query.x[number]


@contextmanager
def _float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
