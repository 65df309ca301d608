"""Build the learner and the backbone that a plan names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from workbench.errors import PluginError, RunError, UsageError, lacks_memory
from workbench.experiments.plan import Plan
from workbench.learning.learner import Backbone, Learner, uses_batch_statistics
from workbench.plugin.blame import at_place
from workbench.plugin.options import convert_options, filled_parameters, options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.tasks.splits import TrainingData


def build_learner(
    plan: Plan,
    data: TrainingData,
    *,
    teachers: Sequence[Learner] = (),
    seen: bool | None = None,
) -> Learner:
    """Build the learner of a plan, with initial weights drawn from the plan's seed.

    Args:
        teachers: trained learners, one for each training data set, while it is trained.
        seen: whether the tasks to come are of a data set that it was trained on; None while
            it is trained.

    Raises:
        UsageError: the backbone uses batch statistics in a method that embeds each image alone.
        RunError: the plan is of an earlier version of the algorithm, which had other options.
    """
    torch.manual_seed(plan.seed)
    target = registry().find("algorithms", plan.algorithm).load()
    gone = sorted(set(plan.options) - set(options_of(target)))
    if gone:
        raise RunError(
            f"{plan.label} on {plan.data_label} was trained with the option {', '.join(gone)}, "
            f"which {plan.algorithm} does not have now; train it again"
        )
    domains = data.domains("train")
    available: dict[str, Any] = {
        "ways": plan.ways,
        "classes": tuple(len(domain.classes.counts) for domain in domains),
        "domains": tuple(domain.name for domain in domains),
        "image_shape": data.image_shape,
        "teachers": tuple(teachers),
        "seen": seen,
        "backbone": None,
    }
    if plan.backbone:
        available["backbone"] = build_backbone(plan.backbone, data.image_shape)
    filled = _filled(plan.algorithm, target, available)
    learner: Learner = _build(plan.algorithm, target, {**filled, **plan.options})
    if learner.embeds() and not learner.transductive and uses_batch_statistics(learner):
        raise UsageError(
            f"{plan.algorithm} embeds each image alone, and {plan.backbone} normalises by the "
            f"batch; add --backbone {parse_spec(plan.backbone).name}"
        )
    return learner


def build_backbone(text: str, image_shape: tuple[int, int, int]) -> Backbone:
    """Build a backbone from its spec.

    Raises:
        UsageError: an unknown name or option, or images too small for it.
    """
    spec = parse_spec(text)
    target = registry().find("backbones", spec.name).load()
    options = convert_options(spec.name, spec.options, options_of(target))
    filled = _filled(spec.name, target, {"image_shape": image_shape})
    module: Backbone = _build(text, target, {**filled, **options})
    seen = getattr(module, "pretrained_on", ())
    if not isinstance(seen, tuple) or not all(isinstance(name, str) for name in seen):
        raise PluginError(f"{text} must give pretrained_on as a tuple of names, not {seen!r}")
    module.built_as_backbone = True  # it may be any module, not only a `Backbone`
    if not hasattr(module, "dim"):
        module.dim = _measured_dim(text, module, image_shape)
    if module.dim < 1:
        shape = " x ".join(map(str, image_shape))
        raise UsageError(f"Images of {shape} are too small for {text}; choose a larger size")
    return module


@torch.no_grad()
def _measured_dim(text: str, module: torch.nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Return the length of a feature of a module that does not say it, from two black images."""
    training = module.training
    try:
        features = module.eval()(torch.zeros(2, *image_shape))
    except Exception as error:  # of a user's own module, anything
        shape = " x ".join(map(str, image_shape))
        raise UsageError(
            f"{text} has no dim, the length of a feature, and cannot compute two images of {shape} "
            f"to find it: {type(error).__name__}: {str(error).splitlines()[0]}{at_place(error)}"
        ) from error
    module.train(training)
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        found = tuple(features.shape) if hasattr(features, "shape") else type(features).__name__
        raise UsageError(
            f"{text} gives {found} for two images, and features must be (2, dim); end it with "
            "torch.nn.Flatten()"
        )
    return int(features.shape[1])


def _build(name: str, target: type[Any], arguments: Mapping[str, Any]) -> Any:
    """Call a constructor. A value that it does not take gives a sentence, not a traceback."""
    try:
        return target(**arguments)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[0]
        if lacks_memory(error):
            reason = "there is not enough memory"
        raise UsageError(
            f"{name} cannot be built: {reason}; see: mlw info {name.partition(':')[0]}"
        ) from error


def _filled(name: str, target: type, available: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the constructor asks the workbench to fill in."""
    wanted = filled_parameters(target)
    unknown = [key for key in wanted if key not in available]
    if unknown:
        raise PluginError(
            f"{name} asks the workbench to fill in {', '.join(unknown)}, and it can fill in: "
            f"{', '.join(sorted(available))}; options of the user come after a * in the constructor"
        )
    return {key: available[key] for key in wanted}


# --- whether weights fit


def misfit(weights: Path, build: Callable[[], Learner]) -> str:
    """Return the first difference between a file of weights and a learner, or "" if they fit.

    A run folder of somebody else's may name any network. On torch's meta device a learner has
    shapes but no numbers, and the header of a safetensors file has the shapes of its tensors. So
    weights that do not fit are refused without the gigabytes and the minute of a large network.

    It is also "" where this cannot be told without building the learner or reading the file.

    Args:
        weights: a safetensors file.
        build: builds the learner on torch's default device.
    """
    try:
        there = _shapes_in(weights)
        with torch.device("meta"):
            state = build().state_dict()
    except Exception:  # a damaged file, or a constructor that reads numbers: torch raises many
        return ""
    wanted = {name: tuple(value.shape) for name, value in state.items()}
    differences = []
    for name, shape in wanted.items():
        if name not in there:
            differences.append(f"{name} is missing")
        elif there[name] != shape:
            differences.append(f"{name} is {there[name]}, not {shape}")
    differences += [f"{name} is unexpected" for name in there if name not in wanted]
    if not differences:
        return ""
    others = len(differences) - 1
    if others == 0:
        return differences[0]
    return f"{differences[0]}, and {others} more"


def _shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in a safetensors file; only its header is read."""
    with safe_open(path, "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
