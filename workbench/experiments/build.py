"""Build the learner and the backbone that a plan names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from workbench.errors import PluginError, UsageError
from workbench.experiments.plan import Plan
from workbench.learning.learner import Backbone, Learner, uses_batch_statistics
from workbench.plugin.options import convert_options, filled_of, options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.tasks.splits import Data


def build_learner(
    plan: Plan, data: Data, *, teachers: Sequence[Learner] = (), seen: bool | None = None
) -> Learner:
    """Build the learner of a plan, its first weights drawn from the plan's seed.

    Args:
        teachers: trained learners, one for each training data set, while it is trained.
        seen: whether the tasks to come are of a data set that it was trained on; None while it is trained.

    Raises:
        UsageError: the backbone uses batch statistics in a method that embeds each image on its own.
    """
    torch.manual_seed(plan.seed)
    target = registry().find("algorithms", plan.algorithm).load()
    fill: dict[str, Any] = {
        "ways": plan.ways,
        "classes": tuple(len(domain.classes.counts) for domain in data.domains("train")),
        "domains": tuple(domain.name for domain in data.domains("train")),
        "image_shape": data.image_shape,
        "teachers": tuple(teachers),
        "seen": seen,
    }
    if plan.backbone:
        fill["backbone"] = build_backbone(plan.backbone, data.image_shape)
    learner: Learner = _built(
        plan.algorithm, target, _filled(plan.algorithm, target, fill) | plan.options
    )
    if target.embeds() and not learner.transductive and uses_batch_statistics(learner):
        raise UsageError(
            f"{plan.algorithm} embeds each image on its own, and {plan.backbone} normalises by the batch; "
            f"type --backbone {parse_spec(plan.backbone).name}"
        )
    return learner


def build_backbone(text: str, image_shape: tuple[int, int, int]) -> Backbone:
    """Build a backbone from its spec."""
    spec = parse_spec(text)
    target = registry().find("backbones", spec.name).load()
    options = convert_options(spec.name, spec.options, options_of(target))
    module: Backbone = _built(
        text, target, _filled(spec.name, target, {"image_shape": image_shape}) | options
    )
    if module.dim < 1:
        raise UsageError(
            f"Images of {' x '.join(map(str, image_shape))} are too small for {text}; choose a larger size"
        )
    return module


def _built(name: str, target: type[Any], arguments: Mapping[str, Any]) -> Any:
    """Call a constructor; a value that it cannot take is the user's to change, not a traceback."""
    try:
        return target(**arguments)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise UsageError(
            f"{name} cannot be built: {str(error).splitlines()[0]}; see: mlw info {name.partition(':')[0]}"
        ) from error


def _filled(name: str, target: type, values: Mapping[str, Any]) -> dict[str, Any]:
    wanted = filled_of(target)
    if unknown := [key for key in wanted if key not in values]:
        raise PluginError(
            f"{name} wants {', '.join(unknown)} filled in, and the workbench has: {', '.join(sorted(values))}; "
            "options of the user's stand behind a * in the constructor"
        )
    return {key: values[key] for key in wanted}
