"""Shared arithmetic against torch's own, alone and under vmap."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.functional import SGD, batch_norm, class_means, one_hot, squared_distances
from workbench.tasks import Examples


def test_one_hot(float64):
    y = torch.tensor([2, 0, 1, 1])
    assert torch.equal(one_hot(y, 4), F.one_hot(y, 4).double())


def test_class_means_of_unequal_classes(float64):
    x, y = torch.randn(7, 3), torch.tensor([0, 2, 1, 0, 2, 2, 1])
    expected = torch.stack([x[y == way].mean(0) for way in range(3)])
    assert torch.allclose(class_means(Examples(x, y, 3)), expected)
    stacked = torch.vmap(lambda x: class_means(Examples(x, y, 3)))(torch.stack([x, 2 * x]))
    assert torch.allclose(stacked, torch.stack([expected, 2 * expected]))


def test_squared_distances(float64):
    x, y = torch.randn(6, 4), torch.randn(3, 4)
    assert torch.allclose(squared_distances(x, y), torch.cdist(x, y) ** 2)
    assert (squared_distances(x, x).diagonal() >= 0).all()


def test_batch_norm_is_torchs_with_batch_statistics(float64):
    x, weight, bias = torch.randn(5, 3, 4, 4), torch.randn(3), torch.randn(3)
    assert torch.allclose(batch_norm(x, weight, bias), F.batch_norm(x, None, None, weight, bias, training=True))


@given(momentum=st.sampled_from([0.0, 0.9]), dampening=st.sampled_from([0.0, 0.9]), decay=st.sampled_from([0.0, 0.1]))
@settings(deadline=None)
def test_sgd_is_torchs(momentum, dampening, decay):
    first, gradients = torch.randn(4).double(), torch.randn(5, 4).double()
    parameter = torch.nn.Parameter(first.clone())
    theirs = torch.optim.SGD([parameter], 0.1, momentum, dampening, decay)
    ours, weights, velocity = SGD(0.1, momentum, dampening, decay), {"w": first}, None
    for gradient in gradients:
        parameter.grad = gradient.clone()
        theirs.step()
        weights, velocity = ours.step(weights, {"w": gradient}, velocity)
    assert torch.allclose(weights["w"], parameter.detach())
