"""The contract of an algorithm: what is asked of it, in order."""

from __future__ import annotations

import torch

from workbench.plugin.options import options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.testing import adapting, devices, independence, training
from workbench.testing.checks import Check, Finding, findings, require_held
from workbench.testing.constructors import check_constructor, check_stored
from workbench.testing.subject import Subject
from workbench.testing.tiny import SHAPE, tiny_data
from workbench.testing.watching import default_dtype, own_randomness, stage


def check_learner(
    spec: str,
    *,
    backbone: str | None = None,
    shape: tuple[int, int, int] = SHAPE,
    dtype: torch.dtype | None = None,
) -> None:
    """Check an algorithm against the whole contract of `Learner`.

    All of it is checked in float64, where rounding hides nothing. Then one loss and one task are
    computed in float32, and on a device that stands for a GPU.

    Args:
        spec: as on the command line: `maml:inner_steps=2`.
        backbone: a spec; by default the recipe's, or without recipes one of a single layer.
        shape: of the images, (channels, height, width).
        dtype: check all of it in this one, for what cannot compute in float64.

    Raises:
        AssertionError: with a line for each check that did not hold, and how to mend it.
        UnknownName: there is no such algorithm.
    """
    require_held(learner_findings(spec, backbone=backbone, shape=shape, dtype=dtype))


def learner_findings(
    spec: str,
    *,
    backbone: str | None = None,
    shape: tuple[int, int, int] = SHAPE,
    dtype: torch.dtype | None = None,
) -> list[Finding]:
    """Return what came of each check of an algorithm. Arguments are those of `check_learner`."""
    registry().find("algorithms", parse_spec(spec).name)  # raises if there is none
    subject = Subject(spec, backbone, tiny_data(shape, images=20), dtype)
    with own_randomness(), default_dtype(dtype or torch.float64):
        return list(findings(LEARNER_CHECKS, subject))


def _check_constructor(subject: Subject) -> None:
    check_constructor("algorithms", parse_spec(subject.spec).name)
    learner, plan = subject.learner(), subject.plan
    check_stored(learner, plan.options)
    options = options_of(registry().find("algorithms", plan.algorithm).load())
    for name, values in learner.selects.items():
        assert name in plan.options, f"selects may only name options, and {name!r} is none"
        assert values, f"selects must give at least one value for {name!r}"
        for value in values:
            with stage(f"the value {value!r} in selects for {name!r}"):
                options[name].convert(value, plan.algorithm)


def _check_seeds(subject: Subject) -> None:
    training.check_losses_leave_the_seed(subject)
    adapting.check_adapt_leaves_the_seed(subject)


LEARNER_CHECKS: tuple[Check[Subject], ...] = (
    Check(
        "constructor",
        "the constructor takes what the workbench fills in, and stores its options",
        "write options after a * as Annotated[type, 'help'] with a default, and store each under "
        "its own name",
        _check_constructor,
    ),
    Check(
        "losses",
        "losses yields finite scalars with a graph, for one image per class and for several",
        "yield query_loss(self, tasks) or another mean loss, in the dtype of the images, and leave "
        "the mode as it is",
        training.check_losses,
        needs=("constructor",),
    ),
    Check(
        "training",
        "losses reach the backbone, and a training changes weights",
        "let losses be made of what parameter_groups names; a backbone that is meant to stay as it "
        "is gets requires_grad_(False)",
        training.check_training,
        needs=("losses",),
    ),
    Check(
        "resuming",
        "an interrupted training ends as one that was not",
        "keep state in parameters or buffers, change it before a yield or in stepped(), and draw "
        "random numbers from torch's global generator",
        training.check_resuming,
        needs=("training",),
    ),
    Check(
        "embed",
        "embed returns a finite row per image, which does not depend on the other images",
        "leave to adapt and its predictor what looks at several images, and change neither the "
        "learner nor the images in place",
        adapting.check_embed,
        needs=("constructor",),
    ),
    Check(
        "scores",
        "adapt returns a function from queries to scores (m, ways)",
        "return one column of scores for each of support.ways classes, also for one image per "
        "class and for a single query",
        adapting.check_scores,
        needs=("embed",),
    ),
    Check(
        "numbers",
        "no score is NaN",
        "see that a single image per class has a spread or a normalisation",
        adapting.check_numbers,
        needs=("scores",),
    ),
    Check(
        "unchanged",
        "adapting leaves the learner, its inputs and torch's settings as they were",
        "adapt a copy: pass changed weights to torch.func.functional_call, and write x + 1 in "
        "place of x.add_(1)",
        adapting.check_unchanged,
        needs=("numbers",),
    ),
    Check(
        "tasks apart",
        "a task has the same scores after other tasks",
        "keep nothing from one task to the next, neither on the learner nor in the module; seed a "
        "generator that adapt makes",
        independence.check_tasks_apart,
        needs=("unchanged",),
    ),
    Check(
        "deterministic",
        "the same task has the same scores whatever the random seed",
        "draw random numbers from a torch.Generator with a fixed seed, made inside adapt",
        adapting.check_deterministic,
        needs=("tasks apart",),
    ),
    Check(
        "seeds",
        "neither losses nor adapt seed the global random generators",
        "make a torch.Generator of its own in place of torch.manual_seed",
        _check_seeds,
        needs=("losses", "unchanged"),
    ),
    Check(
        "query labels",
        "scores do not depend on the labels of the queries",
        "use the labels of the queries in losses only, and keep no task on the learner",
        independence.check_query_labels,
        needs=("losses", "deterministic"),
    ),
    Check(
        "query order",
        "queries in another order have the same scores",
        "treat queries alike, whatever their position",
        independence.check_query_order,
        needs=("deterministic",),
    ),
    Check(
        "transductive",
        "a prediction depends on the other queries only where transductive = True says so",
        "score each query alone, or set transductive = True, which marks all results",
        independence.check_transductive,
        needs=("query order",),
    ),
    Check(
        "equivariant",
        "with equivariant = True, neither the order of the support nor the numbers of the classes "
        "matter",
        "remove what depends on a position or on a class's number, or remove equivariant = True",
        independence.check_equivariant,
        needs=("deterministic",),
    ),
    Check(
        "absent class",
        "a class without support images gets a column and spoils no other",
        "count classes by support.ways, and keep the empty mean of a class out of the others",
        adapting.check_absent_class,
        needs=("deterministic",),
    ),
    Check(
        "batched",
        "with batched = True, stacked tasks have the scores of each alone",
        "avoid values in Python such as .item() and if x.sum() > 0 in adapt, or remove "
        "batched = True",
        adapting.check_batched,
        needs=("deterministic",),
    ),
    Check(
        "steps",
        "the last of predictors predicts what adapt does",
        "override one of adapt and predictors, not both",
        adapting.check_steps,
        needs=("deterministic",),
    ),
    Check(
        "saved state",
        "a learner that is built again from its saved weights has the same scores",
        "register what losses and stepped change as parameters or buffers",
        independence.check_saved_state,
        needs=("training", "deterministic"),
    ),
    Check(
        "float32",
        "losses and scores are also right in float32",
        "write dtype=x.dtype or x.new_zeros(...) in place of a fixed dtype",
        devices.check_float32,
        needs=("losses", "unchanged"),
    ),
    Check(
        "device",
        "everything is computed on the device of the images",
        "write device=x.device, and register tensors as buffers",
        devices.check_device,
        needs=("float32",),
    ),
)
