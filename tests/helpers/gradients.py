"""Small learners, tasks and gradients for the tests of optimisation-based methods."""

from __future__ import annotations

import pytest
import torch

from workbench import Backbone, require_torch
from workbench.errors import UsageError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.tasks.task import Examples
from workbench.testing import tiny_data, tiny_source

NARROW = "conv4:norm=batch,width=8"
GROUPED = "conv4:norm=group,width=16,pooling=stride"


def skip_on_old_torch(spec, backbone=NARROW):
    """Skip the test if a sentence refuses `spec` or `backbone` with the torch in use."""
    if "checkpoint=true" not in spec and "norm=group" not in backbone:
        return
    try:
        require_torch(f"{spec} with {backbone}", "skip its test")
    except UsageError as error:
        pytest.skip(str(error))


def build(spec, backbone=NARROW):
    """Return a learner of 3 ways in training mode, with weights from seed 0."""
    data = tiny_data()
    return build_learner(
        make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone=backbone)), data
    ).train()


def stack_of_tasks(count=3):
    return next(tiny_source(stack=count).tasks())


def examples(tasks, number=0):
    return Examples(tasks.support.x[number], tasks.support.y[number], tasks.support.ways)


def meta_gradient(learner, loss):
    return torch.autograd.grad(
        loss, [weight for weight in learner.parameters() if weight.requires_grad]
    )


def same(ours, theirs, rtol=1e-8, atol=1e-11):
    return all(
        torch.allclose(mine, other, rtol=rtol, atol=atol)
        for mine, other in zip(ours, theirs, strict=True)
    )


def nodes(tensor):
    """Return the number of nodes in the graph of a tensor."""
    seen, todo = set(), [tensor.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [parent for parent, _ in node.next_functions]
    return len(seen)


class Pixels(Backbone):
    """The image itself, two pixels: methods can be computed by hand for the last layer."""

    dim = 2

    def forward(self, images):
        return images.flatten(1)
