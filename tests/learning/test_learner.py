"""The contract over everything registered, and the equivalences that the methods rest on."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from workbench import testing
from workbench.errors import UsageError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import make_plan
from workbench.learning.learner import Learner, query_loss, scores
from workbench.plugin.registry import registry
from workbench.tasks.task import Examples
from workbench.testing import check_backbone, check_dataset, check_learner, tiny_data

OURS = ("mlw-vision", "mlw-metric", "mlw-optimization", "mlw-transfer", "mlw-crossdomain")


def names(kind):
    return [name for name, entry in registry().entries(kind).items() if entry.distribution in OURS]


@pytest.mark.parametrize("name", names("algorithms"))
def test_algorithms_keep_the_contract(name):
    check_learner(name)


@pytest.mark.parametrize("norm", ["running", "batch", "group"])
@pytest.mark.parametrize("pooling", ["max", "stride"])
def test_backbones_keep_the_contract(norm, pooling):
    check_backbone(f"conv4:norm={norm},pooling={pooling},width=16")


def test_the_built_in_data_set_keeps_the_contract():
    check_dataset("glyphs")


class Whole(Learner):
    """Breaks the contract in one way at a time."""

    fault = ""

    def embed(self, images):
        return images.flatten(1) - (images.mean() if self.fault == "embed" else 0)

    def adapt(self, support):
        weight = (
            torch.randn(support.ways, support.x.shape[-1])
            if self.fault == "random"
            else torch.ones(support.ways, 1)
        )
        if self.fault == "state":
            self.seen += 1
        return lambda x: (
            (x - (x.mean(0) if self.fault == "query" else 0)) @ (weight * torch.ones(x.shape[-1])).T
        )

    def losses(self, source):
        for tasks in source.tasks():
            yield query_loss(self, tasks).requires_grad_()

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("", None),
        ("embed", "row by row"),
        ("random", "deterministic"),
        ("state", "leave the learner"),
        ("query", "transductive"),
    ],
)
def test_the_contract_test_catches(fault, words, monkeypatch, float64):
    monkeypatch.setattr(Whole, "fault", fault)
    monkeypatch.setattr(
        testing, "make_plan", lambda *_, **__: SimpleNamespace(options={}, teachers=())
    )
    monkeypatch.setattr(testing, "build_learner", lambda *_, **__: Whole())
    monkeypatch.setattr(testing, "check_constructor", lambda *_: None)
    if words is None:
        check_learner("whole")
        return
    with pytest.raises(AssertionError, match=words):
        check_learner("whole")


def test_batch_statistics_are_refused_where_images_are_embedded_alone():
    data = tiny_data()
    plan = make_plan("protonet", data, ways=3, shots=2, backbone="conv4:norm=batch")
    with pytest.raises(UsageError, match="protonet embeds each image on its own"):
        build_learner(plan, data)


def test_protonet_on_a_worked_example():
    plan_data = tiny_data()
    learner = build_learner(
        make_plan("protonet:temperature=2", plan_data, ways=3, shots=2), plan_data
    )
    support = Examples(
        torch.tensor([[0.0, 0], [2, 0], [4, 4], [4, 6]]), torch.tensor([0, 0, 1, 1]), 2
    )
    predicted = learner.adapt(support)(torch.tensor([[1.0, 1], [4, 5]]))
    assert torch.allclose(predicted, torch.tensor([[-0.5, -12.5], [-17.0, 0.0]]))


def test_what_is_computed_from_features_is_so_in_float32():
    data = tiny_data()
    learner = build_learner(make_plan("baseline:head_epochs=5", data, ways=5, shots=1), data)
    features = (
        torch.randn(2, 10, learner.backbone.dim) + 20
    ).bfloat16()  # as a network in bfloat16 makes them
    support = Examples(features[:, :5], torch.arange(5).expand(2, 5), 5)
    queries = features[:, 5:]
    exact = scores(learner, support._replace(x=support.x.float()), queries.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = scores(learner, support, queries)
    assert found.dtype == torch.float32
    assert torch.equal(found, exact)


def test_conv4_pools_before_relu_which_is_the_papers_relu_before_pooling(float64):
    from workbench.experiments.build import build_backbone

    module = build_backbone("conv4:width=4", (1, 28, 28)).eval()
    x = torch.rand(3, 1, 28, 28)
    expected = x
    for block in range(4):
        conv, norm = module.blocks[4 * block], module.blocks[4 * block + 1]
        expected = F.max_pool2d(F.relu(norm(conv(expected))), 2)
    assert torch.allclose(module(x), expected.flatten(1))
