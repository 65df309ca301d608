"""CAVIA against an explicit version of its network."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from gradients import Pixels, build, examples, meta_gradient, same, stack_of_tasks
from mlw_optimization.cavia import CAVIA

from workbench.errors import UsageError
from workbench.learning.learner import query_loss, scores


def cavia_by_create_graph(learner, tasks, number):
    """Compute CAVIA with an explicit network: FiLM between the third block's pooling and ReLU."""
    weights = dict(learner.model.named_parameters())

    def forward(x, context):
        for block in range(4):
            place = f"0.blocks.{4 * block}"
            x = F.conv2d(x, weights[f"{place}.weight"], weights[f"{place}.bias"], padding=1)
            place = f"0.blocks.{4 * block + 1}"
            x = F.batch_norm(
                x, None, None, weights[f"{place}.weight"], weights[f"{place}.bias"], training=True
            )
            x = F.max_pool2d(x, 2)
            if block == 2:
                place = "0.blocks.11.0.generate"
                film = F.linear(context, weights[f"{place}.weight"], weights[f"{place}.bias"])
                x = film[:8, None, None] * x + film[8:, None, None]
            x = F.relu(x)
        return F.linear(x.flatten(1), weights["1.weight"], weights["1.bias"])

    context = torch.zeros(100, requires_grad=True)
    for _ in range(learner.inner_steps):
        loss = F.cross_entropy(forward(tasks.support.x[number], context), tasks.support.y[number])
        context = (
            context - learner.inner_lr * torch.autograd.grad(loss, context, create_graph=True)[0]
        )
    return forward(tasks.query.x[number], context)


@pytest.mark.parametrize("batched", [True, False])
def test_cavia_is_its_network_written_out(batched, float64, monkeypatch):
    monkeypatch.setattr(CAVIA, "batched", batched)
    tasks, learner = stack_of_tasks(2), build("cavia")
    logits = torch.stack([cavia_by_create_graph(learner, tasks, number) for number in range(2)])
    assert torch.allclose(scores(learner, tasks.support, tasks.query.x), logits)
    theirs = meta_gradient(learner, F.cross_entropy(logits.flatten(0, 1), tasks.query.y.flatten()))
    assert same(meta_gradient(learner, query_loss(learner, tasks)), theirs)


def test_cavias_context_starts_at_0_for_each_task(float64):
    tasks, learner = stack_of_tasks(2), build("cavia").eval()
    with torch.no_grad():
        second = learner.adapt(examples(tasks, 1))(tasks.query.x[1])
        learner.adapt(examples(tasks, 0))(tasks.query.x[0])
        assert not learner.model.get_buffer(learner.name).any()
        assert torch.equal(learner.adapt(examples(tasks, 1))(tasks.query.x[1]), second)
        unadapted = learner.model(tasks.query.x[1])
    assert not torch.allclose(second, unadapted)
    film = learner.model[0].blocks[11][0]
    with torch.no_grad():
        film.context.fill_(1.0)  # a context other than 0 matters
    assert not torch.allclose(learner.model(tasks.query.x[1]), unadapted)


def test_cavia_says_what_it_needs_of_a_backbone():
    with pytest.raises(
        UsageError, match=r"cannot modulate block 5.*has 4 convolutions and 4 ReLUs"
    ):
        build("cavia:block=5")
    with pytest.raises(UsageError, match="0 convolutions"):
        CAVIA(Pixels(), 3)
