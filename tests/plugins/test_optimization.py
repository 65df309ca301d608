"""The optimisation-based methods against independent formulas, in float64, stacked and task by task."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_optimization.anil import ANIL
from mlw_optimization.cavia import CAVIA
from mlw_optimization.imaml import IMAML
from mlw_optimization.maml import MAML
from mlw_optimization.metasgd import MetaSGD
from mlw_optimization.reptile import Reptile, _batches
from torch import nn
from torch.func import functional_call

from workbench import Backbone
from workbench.errors import UsageError
from workbench.learner import query_loss, scores
from workbench.plan import build_learner, make_plan
from workbench.tasks import Examples
from workbench.testing import check_learner, tiny_data, tiny_source

NARROW = "conv4:norm=batch,width=8"
GROUPED = "conv4:norm=group,width=16,pooling=stride"
CLASSES = {"anil": ANIL, "cavia": CAVIA, "imaml": IMAML, "maml": MAML, "metasgd": MetaSGD, "reptile": Reptile}


def build(spec, backbone=NARROW):
    """A learner of 3 ways in training mode, its weights drawn from seed 0."""
    data = tiny_data()
    return build_learner(make_plan(spec, data, ways=3, shots=2, backbone=backbone), data).train()


def stack_of_tasks(count=3):
    return next(tiny_source(stack=count).tasks())


def examples(tasks, number=0):
    return Examples(tasks.support.x[number], tasks.support.y[number], tasks.support.ways)


def meta_gradient(learner, loss):
    return torch.autograd.grad(loss, [weight for weight in learner.parameters() if weight.requires_grad])


def same(ours, theirs, rtol=1e-8, atol=1e-11):
    return all(torch.allclose(mine, other, rtol=rtol, atol=atol) for mine, other in zip(ours, theirs, strict=True))


def nodes(tensor):
    """How many nodes the graph behind a tensor has."""
    seen, todo = set(), [tensor.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [parent for parent, _ in node.next_functions]
    return len(seen)


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("backbone", [NARROW, GROUPED])
@pytest.mark.parametrize(
    "spec",
    [
        "maml:inner_steps=2,test_steps=3,per_layer_lr=true,multi_step_loss=8,checkpoint=true",
        "maml:inductive=true,first_order=true",
        "reptile:test_steps=3",
        "reptile:test_steps=3,test_batch=2,inductive=true",
        "imaml:inner_steps=2",
        "anil:test_steps=7",
        "anil:nil=true",
        "metasgd:inner_steps=2",
        "cavia:first_order=true,block=2,context=7",
    ],
)
def test_the_contract_holds_with_options(spec, backbone):
    check_learner(spec, backbone=backbone)


@pytest.mark.parametrize("name", CLASSES)
def test_running_averages_are_refused_in_one_sentence(name):
    with pytest.raises(UsageError, match="conv4:norm=batch"):
        build(name, backbone="conv4:norm=running")


@pytest.mark.parametrize("name", ["anil", "cavia", "imaml:inner_steps=2", "maml", "metasgd"])
@given(order=st.permutations(range(6)))
@settings(deadline=None, max_examples=5)
def test_the_order_of_the_support_does_not_matter(name, order):
    torch.set_default_dtype(torch.float64)
    try:
        tasks, learner = stack_of_tasks(1), build(name).eval()
        x, y, ways = examples(tasks)
        with torch.no_grad():
            straight = learner.adapt(Examples(x, y, ways))(tasks.query.x[0])
            shuffled = learner.adapt(Examples(x[list(order)], y[list(order)], ways))(tasks.query.x[0])
        assert torch.allclose(straight, shuffled)
    finally:
        torch.set_default_dtype(torch.float32)


class Pixels(Backbone):
    """The image itself, two pixels: what a method does to the last layer can be worked out by hand."""

    dim = 2

    def forward(self, images):
        return images.flatten(1)


@pytest.mark.parametrize(
    ("learner", "weight"),
    [
        # the gradient at 0 is -1/4 where the class's own pixel is, 1/4 where the other's is
        (MAML(Pixels(), 2, inner_lr=0.4), 0.1),
        (ANIL(Pixels(), 2, inner_lr=0.4, inner_steps=1), 0.1),
        (MetaSGD(Pixels(), 2, alpha_low=0.4, alpha_high=0.4), 0.1),
        (IMAML(Pixels(), 2, inner_lr=0.4, inner_steps=1, proximity=3.0), 0.1),
        # two steps: the second gradient is sigmoid(-2 w) / 2 at w = 0.1; iMAML's also pulls back by lambda w
        (MAML(Pixels(), 2, inner_lr=0.4, inner_steps=2), 0.1900332),
        (IMAML(Pixels(), 2, inner_lr=0.4, inner_steps=2, proximity=0.5), 0.1700332),
        # Adam's first step has the length of its rate
        (Reptile(Pixels(), 2, inner_lr=0.4, test_steps=1), 0.4),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else f"{value:g}",
)
def test_worked_examples(learner, weight):
    with torch.no_grad():
        for name, value in learner.named_parameters():
            if not name.startswith("alpha"):
                value.zero_()
        support = Examples(torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 1]), 2)
        predicted = learner.eval().adapt(support)(torch.tensor([[1.0, 0], [0, 1], [2, 1]]).reshape(3, 1, 1, 2))
    expected = torch.tensor([[weight, -weight], [-weight, weight], [weight, -weight]])
    assert torch.allclose(predicted, expected, atol=1e-6)


# ---------------------------------------------------------------- MAML


def reference_meta_gradient(learner, tasks, steps, rate):
    """MAML written with autograd.grad(create_graph=True) and torch's own batch normalisation."""
    model = learner.model
    losses = []
    for task in range(len(tasks.support.x)):
        weights = dict(model.named_parameters())

        def forward(x, w):
            for block in range(4):
                x = F.conv2d(x, w[f"0.blocks.{4 * block}.weight"], w[f"0.blocks.{4 * block}.bias"], padding=1)
                scale, shift = w[f"0.blocks.{4 * block + 1}.weight"], w[f"0.blocks.{4 * block + 1}.bias"]
                x = F.max_pool2d(F.relu(F.batch_norm(x, None, None, scale, shift, training=True)), 2)
            return F.linear(x.flatten(1), w["1.weight"], w["1.bias"])

        for _ in range(steps):
            loss = F.cross_entropy(forward(tasks.support.x[task], weights), tasks.support.y[task])
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {
                name: weight - rate * gradient
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
            }
        losses.append(F.cross_entropy(forward(tasks.query.x[task], weights), tasks.query.y[task]))
    return torch.autograd.grad(torch.stack(losses).mean(), list(model.parameters()))


@pytest.mark.parametrize("checkpoint", ["true", "false"])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("steps", [1, 3])
def test_mamls_meta_gradient_is_that_of_create_graph(checkpoint, batched, steps, float64, monkeypatch):
    monkeypatch.setattr(MAML, "batched", batched)
    learner = build(f"maml:inner_lr=0.3,inner_steps={steps},checkpoint={checkpoint}")
    tasks = stack_of_tasks()
    theirs = reference_meta_gradient(learner, tasks, steps, 0.3)
    assert same(meta_gradient(learner, query_loss(learner, tasks)), theirs)
    assert sum(float(gradient.abs().sum()) for gradient in theirs) > 0.1


@pytest.mark.parametrize("options", ["", "per_layer_lr=true,", "first_order=true,", "inductive=true,"])
@pytest.mark.parametrize("batched", [True, False])
def test_recomputation_changes_no_gradient(options, batched, float64, monkeypatch):
    monkeypatch.setattr(MAML, "batched", batched)
    tasks = stack_of_tasks(2)
    plain, lean = (build(f"maml:{options}inner_steps=3,checkpoint={word}") for word in ("false", "true"))
    ours, theirs = (meta_gradient(learner, query_loss(learner, tasks)) for learner in (lean, plain))
    assert same(ours, theirs, rtol=1e-12, atol=1e-14)


def test_recomputation_keeps_no_graph_of_an_inner_step(float64):
    tasks = stack_of_tasks(1)
    one, five, plain = (
        nodes(query_loss(build(f"maml:{options}"), tasks))
        for options in ("inner_steps=1,checkpoint=true", "inner_steps=5,checkpoint=true", "inner_steps=5")
    )
    assert five - one < 4 * 20  # the step's own node, and what takes its results apart
    assert five < plain / 10


def test_first_order_is_the_detached_formula_and_builds_no_second_graph(float64):
    tasks = stack_of_tasks(1)
    first, second = build("maml:inner_steps=2,first_order=true"), build("maml:inner_steps=2")
    assert nodes(query_loss(first, tasks)) < nodes(query_loss(second, tasks)) / 3
    ours = meta_gradient(first, query_loss(first, tasks))

    weights = {name: value.detach().clone() for name, value in first.model.named_parameters()}
    for _ in range(2):
        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        loss = F.cross_entropy(functional_call(first.model, leaves, tasks.support.x[0]), tasks.support.y[0])
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        weights = {name: leaf.detach() - 0.4 * g for (name, leaf), g in zip(leaves.items(), gradients, strict=True)}
    leaves = {name: value.requires_grad_() for name, value in weights.items()}
    loss = F.cross_entropy(functional_call(first.model, leaves, tasks.query.x[0]), tasks.query.y[0])
    assert same(ours, torch.autograd.grad(loss, list(leaves.values())))


def test_maml_takes_test_steps_in_eval_mode(float64):
    task = stack_of_tasks(1)
    learner = build("maml:inner_steps=1,test_steps=3")
    trained = scores(learner, task.support, task.query.x)
    tested = scores(learner.eval(), task.support, task.query.x)
    three = scores(build("maml:inner_steps=3"), task.support, task.query.x)
    assert torch.allclose(tested, three)
    assert not torch.allclose(tested, trained)


def test_rates_by_layer_that_are_all_inner_lr_give_maml(float64):
    tasks = stack_of_tasks()
    plain, learnt = build("maml:inner_steps=2"), build("maml:inner_steps=2,per_layer_lr=true")
    ours = meta_gradient(learnt, query_loss(learnt, tasks))
    assert learnt.rates.shape == (2, len(list(plain.model.parameters())))
    by_name = dict(zip([name for name, _ in learnt.named_parameters()], ours, strict=True))
    assert (by_name.pop("rates") != 0).all(dim=1).any()
    assert same(by_name.values(), meta_gradient(plain, query_loss(plain, tasks)))


def test_the_gradient_of_a_rate_is_its_difference_quotient(float64):
    tasks, learner = stack_of_tasks(2), build("maml:inner_steps=2,per_layer_lr=true")
    (gradient,) = torch.autograd.grad(query_loss(learner, tasks), [learner.rates])
    around = []
    for step in (1e-5, -1e-5):
        moved = copy.deepcopy(learner)
        with torch.no_grad():
            moved.rates[1, -2] += step
        around.append(query_loss(moved, tasks))
    assert torch.isclose((around[0] - around[1]) / 2e-5, gradient[1, -2], rtol=1e-5)


def test_a_step_beyond_the_last_takes_the_last_ones_rates(float64):
    task = stack_of_tasks(1)
    learner = build("maml:inner_steps=1,test_steps=3,per_layer_lr=true").eval()
    with torch.no_grad():
        learner.rates.copy_(torch.rand_like(learner.rates))
        alike = build("maml:inner_steps=3,per_layer_lr=true")
        alike.rates.copy_(learner.rates.expand(3, -1))
    assert torch.allclose(*(scores(method, task.support, task.query.x) for method in (learner, alike)))


@pytest.mark.parametrize("batched", [True, False])
def test_the_multi_step_loss_goes_from_the_mean_over_steps_to_the_last(batched, float64, monkeypatch):
    monkeypatch.setattr(MAML, "batched", batched)
    tasks, learner = stack_of_tasks(2), build("maml:inner_steps=3,multi_step_loss=100")
    each = [query_loss(build(f"maml:inner_steps={steps}"), tasks) for steps in (1, 2, 3)]
    assert torch.allclose(learner.loss_of_steps(tasks, 0.0), torch.stack(each).mean())
    assert torch.allclose(learner.loss_of_steps(tasks, 0.5), each[2] / 2 + torch.stack(each).mean() / 2)
    last = learner.loss_of_steps(tasks, 1.0)
    assert torch.allclose(last, each[2])
    assert same(meta_gradient(learner, last), meta_gradient(learner, query_loss(learner, tasks)))


def test_the_multi_step_loss_counts_training_tasks_and_ends(float64):
    learner, plain = build("maml:inner_steps=2,multi_step_loss=8"), build("maml:inner_steps=2")
    ours, theirs, fresh = learner.losses(tiny_source(stack=4)), plain.losses(tiny_source(stack=4)), tiny_source(stack=4)
    first = next(ours)
    assert torch.allclose(first, learner.loss_of_steps(next(fresh.tasks()), 4 / 8))
    assert not torch.allclose(first, next(theirs))
    assert torch.allclose(next(ours), next(theirs))  # 8 tasks are drawn


@pytest.mark.parametrize("spec", ["maml:inductive=true", "reptile:inductive=true,test_steps=2"])
def test_inductive_normalises_a_query_with_the_support_alone(spec, float64):
    tasks, learner = stack_of_tasks(1), build(spec).eval()
    transductive = build(spec.replace("inductive=true", "inductive=false")).eval()
    assert (learner.transductive, transductive.transductive) == (False, True)
    support, queries = examples(tasks), tasks.query.x[0]
    with torch.no_grad():
        predicted = learner.adapt(support)(queries)
        whole_batch = transductive.adapt(support)
        for number, query in enumerate(queries):
            assert torch.allclose(predicted[number], whole_batch(torch.cat([support.x, query[None]]))[-1])


# ---------------------------------------------------------------- Reptile


def tuned_by_torch(learner, tasks, number, order, squares=None, taken=0):
    """phi by torch.optim.Adam with beta1 = 0, from given second moments; and the moments after it."""
    model = copy.deepcopy(learner.model)
    adam = torch.optim.Adam(model.parameters(), learner.inner_lr, betas=(0.0, 0.999))
    for index, weight in enumerate(model.parameters() if squares else []):
        moments = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": squares[index].clone()}
        adam.state[weight] = {"step": torch.tensor(float(taken)), **moments}
    for batch in order:
        adam.zero_grad()
        F.cross_entropy(model(tasks.support.x[number][batch]), tasks.support.y[number][batch]).backward()
        adam.step()
    return [weight.detach() for weight in model.parameters()], [adam.state[w]["exp_avg_sq"] for w in model.parameters()]


@pytest.mark.parametrize("batched", [True, False])
def test_reptiles_gradient_is_the_way_back_from_the_tuned_weights(batched, float64, monkeypatch):
    monkeypatch.setattr(Reptile, "batched", batched)
    learner = build("reptile:inner_steps=3,inner_batch=4", GROUPED)
    losses, tasks = learner.losses(tiny_source(stack=2)), tiny_source(stack=2).tasks()
    squares = None
    for taken in (0, 3):  # Adam's moments live on
        torch.manual_seed(5)
        order = _batches(6, 4, 3)
        torch.manual_seed(5)
        ours = meta_gradient(learner, next(losses))
        stack = next(tasks)
        apart = [tuned_by_torch(learner, stack, number, order, squares, taken) for number in range(2)]
        phi = [torch.stack(weights).mean(0) for weights in zip(*(weights for weights, _ in apart), strict=True)]
        squares = [torch.stack(moments).mean(0) for moments in zip(*(moments for _, moments in apart), strict=True)]
        theta = list(learner.parameters())
        assert same(ours, [start - end for start, end in zip(theta, phi, strict=True)], rtol=1e-7, atol=1e-9)
    assert learner.steps_taken == 6


def test_reptile_goes_on_from_its_state(float64):
    learner, source = build("reptile:inner_steps=2", GROUPED), tiny_source(stack=2)
    losses = learner.losses(source)
    next(losses)
    state, position, random = copy.deepcopy(learner.state_dict()), source.state_dict(), torch.get_rng_state()
    expected = next(losses)
    again, fresh = build("reptile:inner_steps=2", GROUPED), tiny_source(stack=2)
    again.load_state_dict(state)
    fresh.load_state_dict(position)
    torch.set_rng_state(random)
    assert torch.equal(next(again.losses(fresh)), expected)


def test_sgd_of_rate_epsilon_is_reptiles_outer_step(float64):
    learner = build("reptile:inner_steps=2", GROUPED)
    torch.manual_seed(1)
    phi = tuned_by_torch(learner, stack_of_tasks(1), 0, _batches(6, 10, 2))[0]
    expected = [start + 0.3 * (end - start) for start, end in zip(learner.parameters(), phi, strict=True)]
    sgd = torch.optim.SGD(learner.parameters(), 0.3)
    torch.manual_seed(1)
    next(learner.losses(tiny_source(stack=1))).backward()
    sgd.step()
    assert same(learner.parameters(), expected, rtol=1e-7, atol=1e-9)


@given(n=st.integers(1, 12), size=st.integers(1, 15), count=st.integers(0, 9))
def test_reptiles_batches_use_each_image_before_any_comes_again(n, size, count):
    batches = _batches(n, size, count, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == [min(n, size)] * count
    order = [number for batch in batches for number in batch.tolist()]
    for first in range(0, len(order), n):
        one_pass = order[first : first + n]
        assert len(set(one_pass)) == len(one_pass)


# ---------------------------------------------------------------- iMAML


@pytest.mark.parametrize("batched", [True, False])
def test_imamls_gradient_is_the_exact_implicit_one_on_a_quadratic(batched, float64, monkeypatch):
    """L(phi) = 1/2 phi' A phi - b' phi with A and b of the task: phi* = (A + lambda I)^-1 (b + lambda theta)."""
    monkeypatch.setattr(IMAML, "batched", batched)
    strength, size = 0.7, 9
    learner = IMAML(Pixels(), 3, inner_steps=400, inner_lr=0.3, proximity=strength, cg_steps=size).train()
    roots = torch.randn(size, size) / 3

    def problem(x):
        return roots @ roots.T + torch.diag(x.flatten()[:size]), x.flatten()[-size:]

    def quadratic(phi, x, y):
        a, b = problem(x)
        return phi @ a @ phi / 2 - b @ phi

    monkeypatch.setattr(learner, "loss", quadratic)
    support = Examples(torch.rand(2, 6, 1, 1, 2), torch.zeros(2, 6, dtype=torch.long), 3)
    x, y = torch.rand(2, 4, 1, 1, 2), torch.randint(3, (2, 4))
    ours = meta_gradient(learner, F.cross_entropy(scores(learner, support, x).flatten(0, 1), y.flatten()))

    theta = list(learner.parameters())
    losses = []
    for number in range(2):
        a, b = problem(support.x[number])
        vector = torch.cat([weight.flatten() for weight in theta])
        phi = torch.linalg.solve(a + strength * torch.eye(size), b + strength * vector)
        logits = F.linear(x[number].flatten(1), phi[:6].view(3, 2), phi[6:])
        losses.append(F.cross_entropy(logits, y[number]))
    assert same(ours, torch.autograd.grad(torch.stack(losses).mean(), theta), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("batched", [True, False])
def test_imamls_gradient_is_that_through_an_inner_loop_that_converges(batched, float64, monkeypatch):
    monkeypatch.setattr(IMAML, "batched", batched)
    learner = IMAML(Pixels(), 3, inner_steps=200, inner_lr=0.3, proximity=0.5, cg_steps=20).train()
    x, y = torch.rand(2, 6, 1, 1, 2), torch.arange(3).repeat_interleave(2).expand(2, 6)
    queries, labels = torch.rand(2, 4, 1, 1, 2), torch.randint(3, (2, 4))
    predicted = scores(learner, Examples(x, y, 3), queries)
    ours = meta_gradient(learner, F.cross_entropy(predicted.flatten(0, 1), labels.flatten()))

    theta = dict(learner.model.named_parameters())
    losses = []
    for number in range(2):
        phi = theta
        for _ in range(200):
            loss = F.cross_entropy(functional_call(learner.model, phi, x[number]), y[number])
            pull = sum((phi[name] - theta[name]).square().sum() for name in theta)
            gradients = torch.autograd.grad(loss + 0.25 * pull, list(phi.values()), create_graph=True)
            phi = {name: w - 0.3 * g for (name, w), g in zip(phi.items(), gradients, strict=True)}
        losses.append(F.cross_entropy(functional_call(learner.model, phi, queries[number]), labels[number]))
    assert same(ours, torch.autograd.grad(torch.stack(losses).mean(), list(theta.values())), rtol=1e-6, atol=1e-9)


def test_imamls_gradient_is_the_same_stacked_and_looped(float64, monkeypatch):
    tasks, learner = stack_of_tasks(), build("imaml:inner_steps=3")
    stacked = meta_gradient(learner, query_loss(learner, tasks))
    monkeypatch.setattr(IMAML, "batched", False)
    assert same(stacked, meta_gradient(learner, query_loss(learner, tasks)), rtol=1e-7, atol=1e-9)


def test_imamls_graph_does_not_grow_with_the_inner_steps(float64):
    tasks = stack_of_tasks(1)
    assert nodes(query_loss(build("imaml:inner_steps=1"), tasks)) == nodes(
        query_loss(build("imaml:inner_steps=30"), tasks)
    )


# ---------------------------------------------------------------- ANIL


def anil_by_create_graph(learner, tasks, number, detach=False):
    features = learner.body(tasks.support.x[number])
    if detach:
        features = features.detach()
    weight, bias = learner.head.weight, learner.head.bias
    for _ in range(learner.inner_steps):
        loss = F.cross_entropy(F.linear(features, weight, bias), tasks.support.y[number])
        slopes = torch.autograd.grad(loss, [weight, bias], create_graph=True)
        weight, bias = weight - learner.inner_lr * slopes[0], bias - learner.inner_lr * slopes[1]
    return F.linear(learner.body(tasks.query.x[number]), weight, bias)


@pytest.mark.parametrize("batched", [True, False])
def test_anil_adapts_the_head_alone_and_the_body_learns_through_it(batched, float64, monkeypatch):
    monkeypatch.setattr(ANIL, "batched", batched)
    tasks, learner = stack_of_tasks(2), build("anil:inner_steps=3,inner_lr=0.5")
    ours = meta_gradient(learner, query_loss(learner, tasks))

    def loss(detach):
        logits = torch.stack([anil_by_create_graph(learner, tasks, number, detach) for number in range(2)])
        return F.cross_entropy(logits.flatten(0, 1), tasks.query.y.flatten())

    assert same(ours, meta_gradient(learner, loss(detach=False)))
    assert not same(ours, meta_gradient(learner, loss(detach=True)))  # another method


def test_anil_leaves_the_body_untouched_in_adapt(float64):
    tasks, learner = stack_of_tasks(1), build("anil:inner_steps=20,inner_lr=5.0").eval()
    with torch.no_grad():
        predicted = learner.adapt(examples(tasks))(tasks.query.x[0])
        features = learner.body(tasks.query.x[0])
        augmented = torch.cat([features, torch.ones(len(features), 1)], 1)
        head = torch.linalg.lstsq(augmented, predicted).solution
    assert torch.allclose(augmented @ head, predicted)  # a linear layer on the body's own features
    assert not torch.allclose(learner.head(features), predicted)


def test_nil_weighs_the_supports_labels_by_cosine(float64):
    tasks, learner = stack_of_tasks(1), build("anil:nil=true").eval()
    support = examples(tasks)
    with torch.no_grad():
        predicted = learner.adapt(support)(tasks.query.x[0])
        features, queries = learner.body(support.x), learner.body(tasks.query.x[0])
        for number, query in enumerate(queries):
            attention = torch.stack([F.cosine_similarity(query, feature, dim=0) for feature in features]).softmax(0)
            expected = torch.stack([attention[support.y == way].sum() for way in range(3)])
            assert torch.allclose(predicted[number].softmax(0), expected)
    assert not torch.allclose(learner.train().adapt(support)(tasks.query.x[0]), predicted)  # it trains with the head


# ---------------------------------------------------------------- Meta-SGD


@pytest.mark.parametrize("batched", [True, False])
def test_metasgd_with_a_constant_alpha_is_maml(batched, float64, monkeypatch):
    monkeypatch.setattr(MetaSGD, "batched", batched)
    tasks = stack_of_tasks()
    ours = build("metasgd:alpha_low=0.3,alpha_high=0.3,inner_steps=2")
    theirs = build("maml:inner_lr=0.3,inner_steps=2")
    ours.model.load_state_dict(theirs.model.state_dict())
    gradient = torch.autograd.grad(query_loss(ours, tasks), list(ours.model.parameters()))
    assert same(gradient, meta_gradient(theirs, query_loss(theirs, tasks)))


def test_metasgds_alpha_is_drawn_learnt_and_may_turn_round(float64):
    tasks, learner = stack_of_tasks(2), build("metasgd")
    assert [alpha.shape for alpha in learner.alpha] == [weight.shape for weight in learner.model.parameters()]
    drawn = torch.cat([alpha.detach().flatten() for alpha in learner.alpha])
    assert 0.005 <= float(drawn.min()) < 0.02 < 0.09 < float(drawn.max()) <= 0.1
    head = learner.alpha[-1]  # of the last layer's bias
    (slope,) = torch.autograd.grad(query_loss(learner, tasks), [head])
    with torch.no_grad():
        head[0] = -0.4
    below, above = copy.deepcopy(learner), copy.deepcopy(learner)
    with torch.no_grad():
        below.alpha[-1][0] -= 1e-5
        above.alpha[-1][0] += 1e-5
    quotient = (query_loss(above, tasks) - query_loss(below, tasks)) / 2e-5
    (at_negative,) = torch.autograd.grad(query_loss(learner, tasks), [head])
    assert torch.isclose(at_negative[0], quotient, rtol=1e-5)  # not clamped
    assert not torch.isclose(slope[0], at_negative[0])


# ---------------------------------------------------------------- CAVIA


def cavia_by_create_graph(learner, tasks, number):
    """CAVIA with its network written out: FiLM after the third block's pooling, before its ReLU."""
    weights = dict(learner.model.named_parameters())

    def forward(x, context):
        for block in range(4):
            place = f"0.blocks.{4 * block}"
            x = F.conv2d(x, weights[f"{place}.weight"], weights[f"{place}.bias"], padding=1)
            place = f"0.blocks.{4 * block + 1}"
            x = F.batch_norm(x, None, None, weights[f"{place}.weight"], weights[f"{place}.bias"], training=True)
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
        context = context - learner.inner_lr * torch.autograd.grad(loss, context, create_graph=True)[0]
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
        film.context.fill_(1.0)  # were it not 0, it would matter
    assert not torch.allclose(learner.model(tasks.query.x[1]), unadapted)


def test_cavia_says_what_it_needs_of_a_backbone():
    with pytest.raises(UsageError, match="maps of block 5 before their ReLU, and this backbone has 4 conv"):
        build("cavia:block=5")
    with pytest.raises(UsageError, match="0 convolutions"):
        CAVIA(Pixels(), 3)
