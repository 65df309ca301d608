"""Memory-augmented networks: a step by plain loops, and what an answer may know."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_model.lrua import least
from mlw_model.mann import MANN, sequences
from torch import nn

from workbench import Examples
from workbench.experiments.build import build_backbone
from workbench.testing import check_learner, tiny_source

SHAPE = (1, 2, 2)


def network(ways=3, **options):
    options = {"units": 5, "rows": 6, "width": 4, "heads": 2, **options}
    learner = MANN(build_backbone("mlp:layers=0", SHAPE), ways, **options)
    with torch.no_grad():
        learner.access.log_strength.copy_(torch.tensor([[0.3], [-0.8]])[: learner.heads])
    return learner


def a_sequence(length=7, ways=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(length, *SHAPE, generator=random), torch.randint(
        ways, (length,), generator=random
    )


@pytest.mark.parametrize("spec", ["mann", "mann:heads=1,rows=3,units=7,width=2,decay=0"])
def test_the_contract_holds_with_options(spec):
    check_learner(spec)


# --- the equations


def by_loops(learner, images, y):
    """Return the scores of each image, by the equations, with torch's own LSTM cell."""
    rows, width, heads = learner.rows, learner.width, learner.heads
    memory = torch.zeros(rows, width)
    read_last = torch.zeros(heads, rows)
    usage = torch.zeros(rows)
    read = torch.zeros(heads * width)
    state = None
    before = torch.zeros(learner.ways)
    answers = []
    for image, label in zip(images, y, strict=True):
        inputs = torch.cat([image.flatten(), before, read])[None]
        state = learner.controller(inputs, state)
        h = state[0][0]
        keys = torch.tanh(learner.access.key(h)).view(heads, width)
        contents = torch.tanh(learner.access.content(h)).view(heads, width)
        gates = torch.sigmoid(learner.access.gate(h))
        found = torch.zeros(heads, rows)
        for head in range(heads):
            likeness = F.cosine_similarity(keys[head][None], memory, dim=1)
            found[head] = (learner.access.log_strength[head].exp() * likeness).softmax(0)
        by_usage = sorted(range(rows), key=lambda row: usage[row].item())
        writes = torch.zeros(heads, rows)
        for head in range(heads):
            for row in range(rows):
                unused = float(row == by_usage[head])
                writes[head, row] = gates[head] * read_last[head, row] + (1 - gates[head]) * unused
        for row in by_usage[:heads]:
            memory[row] = 0
        for head in range(heads):
            for row in range(rows):
                memory[row] = memory[row] + writes[head, row] * contents[head]
        read_last = found
        read = torch.cat([found[head] @ memory for head in range(heads)])
        usage = learner.decay * usage + found.sum(0) + writes.sum(0)
        answers.append(learner.answer(torch.cat([h, read])))
        before = F.one_hot(label, learner.ways).double()
    return torch.stack(answers)


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, {"heads": 1, "rows": 2}, {"decay": 0.5, "rows": 20}])
def test_answers_follow_the_equations(options, float64):
    learner = network(**options)
    images, y = a_sequence()
    answers = by_loops(learner, images, y)
    loss = learner.sequence_loss(images[None], y[None])
    assert torch.allclose(loss, F.cross_entropy(answers, y), atol=1e-12)
    for t in range(1, len(y)):  # adapting to what came before gives the same answer
        support = Examples(learner.embed(images[:t]), y[:t], 3)
        answer = learner.adapt(support)(learner.embed(images[t : t + 1]))
        assert torch.allclose(answer[0], answers[t], atol=1e-12)


def test_gradients_are_those_of_finite_differences(float64):
    learner = network(units=3, rows=3, width=2, heads=1)
    images, y = a_sequence(4)
    weights = dict(learner.named_parameters())

    def loss(*tensors):
        replaced = dict(zip(weights, tensors, strict=True))
        return torch.func.functional_call(_Loss(learner), _under(replaced), (images[None], y[None]))

    assert torch.autograd.gradcheck(loss, tuple(weights.values()), atol=1e-6)


class _Loss(nn.Module):
    def __init__(self, learner):
        super().__init__()
        self.learner = learner

    def forward(self, images, y):
        return self.learner.sequence_loss(images, y)


def _under(weights):
    return {f"learner.{name}": weight for name, weight in weights.items()}


# --- what an answer may know


@torch.no_grad()
def test_an_answer_knows_the_labels_before_it_and_none_after(float64):
    learner = network()
    images, y = a_sequence()
    answers = by_loops(learner, images, y)
    for changed in range(len(y)):
        other = y.clone()
        other[changed] = (y[changed] + 1) % 3
        differs = (by_loops(learner, images, other) != answers).any(1)
        assert differs.tolist() == [t > changed for t in range(len(y))]
        loss = learner.sequence_loss(images[None], other[None])
        assert torch.allclose(loss, F.cross_entropy(by_loops(learner, images, other), other))


def test_queries_do_not_see_each_other(float64):
    learner = network()
    images, y = a_sequence()
    predict = learner.adapt(Examples(learner.embed(images[:4]), y[:4], 3))
    queries = learner.embed(images)
    alone = torch.cat([predict(query[None]) for query in queries])
    assert torch.allclose(predict(queries), alone, atol=1e-12)


def test_a_step_of_adapting_is_one_example():
    learner = network()
    images, y = a_sequence()
    x = learner.embed(images)
    after_each = list(learner.predictors(Examples(x, y, 3)))
    assert len(after_each) == len(y) + 1
    for seen, predict in enumerate(after_each[1:], 1):
        adapted = learner.adapt(Examples(x[:seen], y[:seen], 3))
        assert torch.equal(predict(x), adapted(x))


# --- memory and sequences


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.data())
def test_least_used_rows_are_the_first_of_the_smallest(usage, data):
    count = data.draw(st.integers(1, len(usage)))
    places = least(torch.tensor([usage], dtype=torch.float32), count)[0]
    expected = sorted(range(len(usage)), key=lambda row: usage[row])[:count]
    assert places.argmax(-1).tolist() == expected
    assert places.sum(-1).tolist() == [1.0] * count


def test_sequences_mix_support_and_queries_and_labels_stay_with_images():
    tasks = next(tiny_source().tasks())
    torch.manual_seed(0)
    x, y = sequences(tasks)
    assert y.shape == (3, 3 * (2 + 4))
    label_of = {}
    for part in (tasks.support, tasks.query):
        for task in range(3):
            for image, label in zip(part.x[task], part.y[task], strict=True):
                label_of[task, image.numpy().tobytes()] = label.item()
    for task in range(3):
        labels = [label_of[task, image.numpy().tobytes()] for image in x[task]]
        assert labels == y[task].tolist()
    first = y[:, : tasks.support.y.shape[1]]
    assert not torch.equal(first, tasks.support.y)  # in another order
    assert not torch.equal(sequences(tasks)[1], y)  # another order each time


def test_more_heads_than_rows_are_refused():
    with pytest.raises(ValueError, match="3 heads need a memory of at least as many rows"):
        network(heads=3, rows=2)


def test_it_learns_to_bind_a_label_to_an_image_that_it_saw_once():
    """Four pictures, whose labels are drawn anew for each sequence."""
    torch.manual_seed(0)
    learner = network(ways=2, units=20, rows=8, width=10)
    pictures = torch.eye(4).view(4, *SHAPE)
    optimizer = torch.optim.Adam(learner.parameters(), 3e-2)

    def draw(count):
        labels = torch.rand(count, 4).argsort(1) % 2  # of each picture
        shown = torch.randint(4, (count, 6))
        return shown, labels.gather(1, shown)

    for _ in range(400):
        shown, y = draw(32)
        optimizer.zero_grad()
        learner.sequence_loss(pictures[shown], y).backward()
        optimizer.step()
    right = []
    for shown, y in zip(*draw(200), strict=True):
        x = learner.embed(pictures[shown])
        seen_before = shown[5] in shown[:5]
        if seen_before:
            predict = learner.adapt(Examples(x[:5], y[:5], 2))
            right.append(predict(x[5:]).argmax().item() == y[5].item())
    assert sum(right) / len(right) > 0.85  # chance is 0.5
