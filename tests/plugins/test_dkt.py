"""Deep kernel transfer against scikit-learn's Gaussian processes, and the derivative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from features import Given, alone, drawn
from mlw_bayesian.dkt import DKT, signs
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct

from workbench import Examples
from workbench.learning.learner import scores
from workbench.testing import check_learner, tiny_source


@pytest.mark.parametrize("spec", ["dkt:kernel=linear", "dkt:kernel=rbf,noise=0.5,length=2.0"])
def test_the_contract_holds_with_options(spec):
    check_learner(spec)


def kernels(name):
    """Return our learner, and scikit-learn's kernel with the same numbers."""
    learner = DKT(Given(6), kernel=name, noise=0.3, variance=1.7, length=2.5)
    theirs = ConstantKernel(1.7) * (RBF(2.5) if name == "rbf" else DotProduct(sigma_0=1e-9))
    return learner, theirs


@pytest.mark.parametrize("name", ["linear", "cosine", "rbf"])
def test_means_and_likelihood_are_scikit_learns(name, float64):
    support, queries = drawn(2, 3, 4, 6)
    if name == "cosine":  # that of vectors of length 1 is their product
        support = support._replace(x=F.normalize(support.x, dim=-1))
        queries = F.normalize(queries, dim=-1)
    learner, kernel = kernels(name)
    predicted = scores(learner, support, queries)
    for x, y, q, ours in zip(support.x, support.y, queries, predicted, strict=True):
        examples = Examples(x, y, 3)
        labels = signs(examples)
        likelihoods = []
        for way in range(3):
            process = GaussianProcessRegressor(kernel, alpha=0.3, optimizer=None)
            process.fit(x, labels[:, way])
            mean = torch.from_numpy(process.predict(q))
            assert np.allclose(ours[:, way].exp().detach(), torch.sigmoid(mean))
            likelihoods.append(process.log_marginal_likelihood_value_)
        surprise = learner.surprise(examples).item()
        assert surprise == pytest.approx(-np.mean(likelihoods) / len(y))
    assert torch.allclose(predicted, alone(learner, support, queries))


def test_the_likelihood_is_that_of_a_normal_distribution(float64):
    support, _ = drawn(1, 2, 3, 6)
    learner = DKT(Given(6), noise=0.2, variance=0.6)
    x, examples = support.x[0], Examples(support.x[0], support.y[0], 2)
    unit = x / x.norm(dim=1, keepdim=True)
    normal = multivariate_normal(cov=(0.6 * unit @ unit.T + 0.2 * torch.eye(6)).numpy())
    logs = [normal.logpdf(signs(examples)[:, way].numpy()) for way in range(2)]
    assert learner.surprise(examples).item() == pytest.approx(-np.mean(logs) / 6)


@pytest.mark.parametrize("name", ["linear", "cosine", "rbf"])
def test_gradients_are_those_of_finite_differences(name, float64):
    support, _ = drawn(1, 3, 2, 4)
    learner = DKT(Given(4), kernel=name)
    y = support.y[0]

    def surprise(x, log_variance, log_length):
        numbers = {"log_variance": log_variance, "log_length": log_length}
        return torch.func.functional_call(_Surprise(learner), _under(numbers), (x, y))

    x = support.x[0].clone().requires_grad_()
    numbers = [torch.tensor(value, requires_grad=True) for value in (0.2, -0.3)]
    assert torch.autograd.gradcheck(surprise, (x, *numbers))


class _Surprise(torch.nn.Module):
    def __init__(self, learner):
        super().__init__()
        self.learner = learner

    def forward(self, x, y):
        return self.learner.surprise(Examples(x, y, 3))


def _under(numbers):
    return {f"learner.{name}": value for name, value in numbers.items()}


def test_training_learns_the_network_and_the_kernel():
    learner = DKT(_Linear(), kernel="rbf")
    next(iter(learner.losses(tiny_source()))).backward()
    with_gradient = {name for name, p in learner.named_parameters() if p.grad is not None}
    assert with_gradient == {"backbone.layer.weight", "log_variance", "log_length"}
    plain = DKT(_Linear())
    next(iter(plain.losses(tiny_source()))).backward()
    assert plain.log_length.grad is None


class _Linear(torch.nn.Module):
    """A backbone of one matrix."""

    dim = 5

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(tiny_pixels(), 5, bias=False)

    def forward(self, images):
        return self.layer(images.flatten(1))


def tiny_pixels():
    return next(tiny_source().tasks()).support.x[0, 0].numel()


def test_a_likelihood_that_rounding_hides_is_no_number():
    learner = DKT(Given(4), kernel="linear", noise=1e-30, variance=1e9)
    support = Examples(torch.ones(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]), 3)
    assert learner.adapt(support)(torch.ones(2, 4)).isnan().all()
