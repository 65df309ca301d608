"""Shared arithmetic compared with torch's, alone and under vmap."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.functional import (
    SGD,
    Adadelta,
    Adam,
    batch_norm,
    class_means,
    conjugate_gradient,
    cosines,
    descend,
    each_task,
    each_with,
    flat,
    log_sign,
    lstm_cell,
    one_hot,
    recompute,
    shaped,
    squared_distances,
)
from workbench.tasks.task import Examples


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


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


def test_batch_norm_of_bfloat16_is_as_exact_as_torchs():
    x = (3 + torch.randn(8, 4, 6, 6) / 10).bfloat16()  # the mean is 30 times the deviation
    weight, bias = torch.ones(4), torch.zeros(4)
    expected = F.batch_norm(x.float(), None, None, weight, bias, training=True)
    torch.testing.assert_close(batch_norm(x, weight, bias), expected)


def test_squared_distances_of_long_features_survive_bfloat16():
    y = 5 * torch.rand(3, 1600)
    # a squared distance of 4 to the nearest, where squared lengths are 13,000
    x = y + torch.randn(3, 1600) / 20
    with torch.autocast("cpu", torch.bfloat16):
        found = squared_distances(x.bfloat16().float(), y)
    assert found.argmin(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(found, torch.cdist(x, y) ** 2, rtol=0.02, atol=0)


def test_cosines(float64):
    x, y = torch.randn(6, 4), torch.randn(3, 4)
    expected = F.cosine_similarity(x[:, None], y[None], dim=-1)
    assert torch.allclose(cosines(x, y), expected)
    stacked = torch.vmap(cosines)(torch.stack([x, -2 * x]), torch.stack([y, y]))
    assert torch.allclose(stacked, torch.stack([expected, -expected]))
    assert (cosines(torch.zeros(1, 4), y) == 0).all()


def test_lstm_cell_is_torchs_lstm_alone_and_stacked(float64):
    theirs, ours = torch.nn.LSTM(3, 5), torch.nn.LSTMCell(3, 5)
    ours.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in theirs.state_dict().items()}
    )
    sequences = torch.randn(4, 7, 2, 3)  # (tasks, time, n, inputs)

    def last(sequence):
        state = torch.zeros(2, 5), torch.zeros(2, 5)
        for x in sequence:
            state = lstm_cell(ours, x, state)
        return torch.stack(state)

    stacked = torch.vmap(last)(sequences)
    for sequence, together in zip(sequences, stacked, strict=True):
        expected = torch.cat(theirs(sequence)[1])  # (h, c), each (1, n, dim)
        assert torch.allclose(last(sequence), expected)
        assert torch.allclose(together, expected)
    stacked.square().sum().backward()
    torch.cat(theirs(sequences.transpose(0, 1).flatten(1, 2))[1]).square().sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad)


def test_batch_norm_is_torchs_with_batch_statistics(float64):
    x, weight, bias = torch.randn(5, 3, 4, 4), torch.randn(3), torch.randn(3)
    assert torch.allclose(
        batch_norm(x, weight, bias), F.batch_norm(x, None, None, weight, bias, training=True)
    )


@given(
    momentum=st.sampled_from([0.0, 0.9]),
    dampening=st.sampled_from([0.0, 0.9]),
    decay=st.sampled_from([0.0, 0.1]),
)
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


@given(betas=st.sampled_from([(0.9, 0.999), (0.0, 0.999), (0.5, 0.9)]), steps=st.integers(1, 6))
@settings(deadline=None)
def test_adam_is_torchs(betas, steps):
    first, gradients = torch.randn(3, 4).double(), torch.randn(steps, 3, 4).double()
    parameters = [torch.nn.Parameter(row.clone()) for row in first]
    theirs = torch.optim.Adam(parameters, 0.1, betas, eps=1e-6)
    for gradient in gradients:
        for parameter, row in zip(parameters, gradient, strict=True):
            parameter.grad = row.clone()
        theirs.step()

    def ours(weight, gradients):
        weights, moments = {"w": weight}, None
        for gradient in gradients:
            weights, moments = Adam(0.1, betas, eps=1e-6).step(weights, {"w": gradient}, moments)
        return weights["w"]

    expected = torch.stack(parameters).detach()
    assert torch.allclose(ours(first[0], gradients[:, 0]), expected[0])
    assert torch.allclose(torch.vmap(ours, in_dims=(0, 1))(first, gradients), expected)


@given(lr=st.sampled_from([0.1, 1.0]), rho=st.sampled_from([0.9, 0.5]), steps=st.integers(1, 6))
@settings(deadline=None)
def test_adadelta_is_torchs(lr, rho, steps):
    first, gradients = torch.randn(3, 4).double(), torch.randn(steps, 3, 4).double()
    parameters = [torch.nn.Parameter(row.clone()) for row in first]
    theirs = torch.optim.Adadelta(parameters, lr, rho)
    for gradient in gradients:
        for parameter, row in zip(parameters, gradient, strict=True):
            parameter.grad = row.clone()
        theirs.step()

    def ours(weight, gradients):
        weights, spreads = {"w": weight}, None
        for gradient in gradients:
            weights, spreads = Adadelta(lr, rho).step(weights, {"w": gradient}, spreads)
        return weights["w"]

    expected = torch.stack(parameters).detach()
    assert torch.allclose(ours(first[0], gradients[:, 0]), expected[0], rtol=1e-12, atol=1e-14)
    by_name, _ = Adadelta({"a": lr, "b": 2 * lr}, rho).step(
        *[dict.fromkeys("ab", x) for x in (first, gradients[0])], None
    )
    assert torch.allclose(by_name["b"] - first, 2 * (by_name["a"] - first))
    assert torch.allclose(
        torch.vmap(ours, in_dims=(0, 1))(first, gradients), expected, rtol=1e-12, atol=1e-14
    )


def layers():
    """Return a loss of two layers, a step of gradient descent, weights, rates and data."""

    def loss(weights, x, y):
        return F.cross_entropy(torch.tanh(x @ weights["first"]) @ weights["second"], y)

    def step(weights, rates, x, y):
        return descend(lambda weights: loss(weights, x, y), weights, rates)

    weights = {
        "first": torch.randn(5, 4, requires_grad=True),
        "second": torch.randn(4, 3, requires_grad=True),
    }
    rates = torch.rand(2, requires_grad=True)
    return loss, step, weights, rates, torch.randn(7, 6, 5), torch.randint(3, (7, 6))


def test_descend_is_gradient_descent_of_second_or_first_order(float64):
    loss, step, weights, rates, x, y = layers()
    ours = step(weights, rates, x[0], y[0])
    slopes = torch.autograd.grad(
        loss(weights, x[0], y[0]), list(weights.values()), create_graph=True
    )
    theirs = [
        w - rate * slope for w, rate, slope in zip(weights.values(), rates, slopes, strict=True)
    ]
    assert torch.allclose(flat(ours), torch.cat([w.flatten() for w in theirs]))
    wanted = [*weights.values(), rates]
    second = torch.autograd.grad(flat(ours).square().sum(), wanted)
    expected = torch.autograd.grad(sum(w.square().sum() for w in theirs), wanted)
    assert all(torch.allclose(*pair) for pair in zip(second, expected, strict=True))
    first = descend(lambda w: loss(w, x[0], y[0]), weights, 0.1, first_order=True)
    (through,) = torch.autograd.grad(flat(first).sum(), [weights["first"]])
    assert torch.equal(through, torch.ones_like(through))  # nothing flows through the gradient


def test_recompute_gives_the_same_value_and_gradients(float64):
    loss, step, weights, rates, x, y = layers()
    wanted = [*weights.values(), rates]

    def after(x, y, lean):
        moved = weights
        for _ in range(3):
            moved = recompute(step, moved, rates, x, y) if lean else step(moved, rates, x, y)
        return loss(moved, x, y)

    for one in (
        lambda lean: after(x[0], y[0], lean),
        lambda lean: torch.vmap(lambda x, y: after(x, y, lean))(x, y),
    ):
        lean, plain = one(True), one(False)
        assert torch.allclose(lean, plain, rtol=1e-15, atol=1e-15)
        gradients = (torch.autograd.grad(value.sum(), wanted) for value in (lean, plain))
        for mine, other in zip(*gradients, strict=True):
            assert torch.allclose(mine, other, rtol=1e-12, atol=1e-14)
    with torch.no_grad():
        assert not after(x[0], y[0], True).requires_grad


def test_recompute_runs_again_at_the_same_precision_and_keeps_only_arguments():
    _, step, weights, rates, x, y = layers()
    runs = []

    def counted(*arguments):
        runs.append(torch.is_autocast_enabled("cpu"))
        return step(*arguments)

    with torch.autocast("cpu", torch.bfloat16):
        moved = recompute(counted, weights, rates, x[0], y[0])
    assert runs == [True]
    (node,) = {weight.grad_fn for weight in moved.values()}
    kept = {tensor.data_ptr() for tensor in node.saved_tensors}
    assert kept == {tensor.data_ptr() for tensor in (*weights.values(), rates, x[0], y[0])}
    flat(moved).sum().backward()
    assert runs == [True, True]


@given(size=st.integers(1, 7), more=st.integers(0, 3))
@settings(deadline=None)
def test_conjugate_gradient_solves_in_as_many_steps_as_unknowns(size, more):
    root = torch.randn(2, size, size).double()
    matrices, b = root @ root.mT + torch.eye(size), torch.randn(2, size).double()
    solve = torch.vmap(lambda a, b: conjugate_gradient(lambda v: a @ v, b, size + more))
    assert torch.allclose(solve(matrices, b), torch.linalg.solve(matrices, b), atol=1e-6)
    assert not conjugate_gradient(lambda v: matrices[0] @ v, torch.zeros(size).double(), 3).any()


def test_weights_become_a_vector_and_back(float64):
    weights = {"a": torch.randn(2, 3), "b": torch.randn(()), "c": torch.randn(4)}
    vector = flat(weights)
    assert vector.shape == (11,)
    again = shaped(vector, weights)
    assert list(again) == list(weights)
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_each_task_is_the_same_under_vmap_and_in_a_loop(float64):
    x, y = torch.randn(3, 4), torch.randn(3, 2)
    batched, looped = (
        each_task(lambda x, y: x.sum() * y, x, y, batched=way) for way in (True, False)
    )
    assert torch.allclose(batched, looped)
    assert batched.shape == (3, 2)


def test_in_reduced_precision_stacked_tasks_are_computed_as_those_alone():
    """Also the steps that a method takes, whose gradients autocast treats in another way."""
    torch.manual_seed(0)
    weight, images = torch.randn(4, 1, 3, 3), torch.randn(3, 6, 1, 8, 8)
    seen = []

    def score(weight, x):
        maps = F.conv2d(x, weight)
        seen.append(maps.dtype)
        return maps.float().mean((1, 2, 3))

    def adapt_and_predict(x):
        gradient = torch.func.grad(lambda w: score(w, x).square().sum())(weight)
        return score(weight - gradient, x)

    with torch.autocast("cpu", torch.bfloat16):
        stacked = each_task(adapt_and_predict, images, batched=True)
        alone = torch.stack([adapt_and_predict(x) for x in images])
        queries = each_with(lambda x: score(weight, x)[:, None], images[0], images[1])
    assert torch.equal(stacked, alone)
    assert queries.shape == (6, 1)
    assert set(seen) == {torch.bfloat16}


def test_each_with_predicts_each_query_in_a_batch_with_the_support(float64):
    support, x = torch.randn(4, 2), torch.randn(11, 2)

    def model(batch):
        return batch - batch.mean(0)

    expected = torch.stack([model(torch.cat([support, query[None]]))[-1] for query in x])
    assert torch.allclose(each_with(model, support, x, at_once=3), expected)


def test_gradients_of_distances_within_one_set_keep_their_order():
    """URL's kernel alignment passes one tensor twice; another order of sums changes last digits."""
    x = torch.randn(40, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.randn(40, 40, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((weights * squared_distances(x, x)).sum(), x)
    squares = (x.square().sum(-1)[:, None] - 2 * x @ x.mT + x.square().sum(-1)[None, :]).clamp_min(
        0
    )
    (written,) = torch.autograd.grad((weights * squares).sum(), x)
    assert torch.equal(ours, written)


@pytest.mark.parametrize(
    ("x", "size", "sign"),
    [
        (1.0, 0.0, 1.0),
        (-math.e, 0.1, -1.0),
        (math.exp(-10), -1.0, 1.0),
        (-math.exp(-11), -1.0, -math.exp(-1)),
        (0.0, -1.0, 0.0),
    ],
)
def test_log_sign_is_the_papers(x, size, sign, float64):
    assert log_sign(torch.tensor(x)).tolist() == pytest.approx([size, sign])


def test_log_sign_has_a_slope_at_0(float64):
    x = torch.zeros(3, requires_grad=True)
    log_sign(x).sum().backward()
    assert torch.allclose(x.grad, torch.tensor(math.exp(10)))
