"""The training tasks of a plan: as at test, as a recipe asks, or what the data can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.errors import UsageError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.learning.settings import TrainSettings
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import Registration
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.protocols.names import TRAINING_PROTOCOLS
from workbench.tasks.splits import TrainingData, smallest


def fit_settings(
    known: KnownAlgorithm,
    chosen: Mapping[str, Any],
    given: Mapping[str, Any],
    data: TrainingData,
    test_ways: int,
    test_shots: int,
) -> TrainSettings:
    """Resolve "as at test", and fit what a recipe asks for to data that are too small for it.

    Args:
        chosen: options and settings, those of the recipe too.
        given: those that the user gave; they are not changed.
    """
    training = {key: value for key, value in chosen.items() if key in known.settings}
    settings = TrainSettings(**training)
    if not known.target.episodic:
        return replace(settings, train_ways=None, train_shots=None)
    varies = _check_protocol(known.registration, settings, known.filled)
    indices = [domain.classes for domain in data.domains("train")]
    fewest_classes, fewest_images = smallest(indices)
    stack = settings.stack
    if varies or len(indices) > 1:
        stack = 1  # few tasks have the same shape or come from the same data set
    ways = _training_ways(known, settings, given, test_ways, fewest_classes)
    shots, queries = _training_images(settings, given, test_shots, fewest_images)
    return replace(settings, stack=stack, train_ways=ways, train_shots=shots, train_queries=queries)


def _check_protocol(
    registration: Registration, settings: TrainSettings, filled: tuple[str, ...]
) -> bool:
    """Refuse a protocol that cannot train this algorithm; return whether its tasks vary."""
    name = settings.train_protocol
    varies = build_protocol(name, 5, 1, 1).ways is None
    if parse_spec(name).name not in TRAINING_PROTOCOLS:
        raise UsageError(
            f"train_protocol={name} is for tests only; train with {', '.join(TRAINING_PROTOCOLS)}"
        )
    if varies and "ways" in filled:
        raise UsageError(
            f"{registration.name} has a fixed number of ways, and {name} draws tasks of any number"
        )
    return varies


def _training_ways(
    known: KnownAlgorithm,
    settings: TrainSettings,
    given: Mapping[str, Any],
    test_ways: int,
    fewest_classes: int,
) -> int:
    if "ways" in known.filled:
        if given.get("train_ways") not in (None, test_ways):
            raise UsageError(
                f"{known.registration.name} has a fixed number of ways: it cannot train at "
                f"{given['train_ways']} ways for {test_ways} at test"
            )
        wanted = test_ways
    else:
        wanted = settings.train_ways or test_ways
    if "train_ways" in given:
        return wanted
    return min(wanted, max(fewest_classes, test_ways))


def _training_images(
    settings: TrainSettings, given: Mapping[str, Any], test_shots: int, fewest_images: int
) -> tuple[int, int]:
    """Return shots and queries of training tasks."""
    shots = settings.train_shots
    queries = settings.train_queries
    fixed = "train_queries" in given
    if shots is None:  # as at test; if classes are too small for that, half of them are queries
        kept = queries if fixed else min(queries, fewest_images // 2)
        shots = min(test_shots, max(fewest_images - kept, 1))
    if not fixed:
        queries = min(queries, max(fewest_images - shots, 1))
    return shots, queries
