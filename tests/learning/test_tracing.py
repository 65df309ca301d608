"""Traces: the first step is before adapting, the last is what the evaluation measures."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from learners import BY_BATCH, NARROW, tiny_learner

from workbench import Learner
from workbench.learning.evaluation import evaluate
from workbench.learning.tracing import trace
from workbench.tasks.protocols.prequential import Prequential
from workbench.tasks.protocols.stream import Stream
from workbench.tasks.source import Source
from workbench.testing import tiny_data, tiny_source


def traced(learner, episodes=4, **given):
    return pd.DataFrame(trace(learner, tiny_source(split="test"), episodes, **given))


@pytest.mark.parametrize(
    ("spec", "steps"),
    [
        ("maml:inner_steps=3", 3),
        ("anil:test_steps=2", 2),
        ("metasgd", 1),
        ("cavia", 2),
        ("imaml:inner_steps=4", 4),
        ("reptile:test_steps=3", 3),
        ("metalstm:inner_steps=2", 2),
        ("leo:latent_steps=2,tune_steps=3", 5),
        ("finetune:tune_epochs=3,tune_batch=3", 6),  # six images are two batches
        ("protonet", 0),
        ("baseline:head_epochs=5", 0),
    ],
)
def test_the_last_step_is_what_the_evaluation_measures(spec, steps):
    by_batch = ("maml", "anil", "metasgd", "cavia", "imaml", "reptile", "metalstm")
    learner = tiny_learner(spec, BY_BATCH if spec.startswith(by_batch) else NARROW).eval()
    frame = traced(learner)
    assert sorted(frame["step"].unique()) == list(range(steps + 1))
    assert len(frame) == 4 * (steps + 1) * 2
    last = frame[(frame["step"] == steps) & (frame["part"] == "query")].sort_values("task")
    measured = evaluate(learner, tiny_source(split="test"), 4)
    assert last["accuracy"].to_list() == pytest.approx(measured.accuracy.tolist(), abs=1e-6)
    assert last["loss"].to_list() == pytest.approx(measured.loss.tolist(), abs=1e-4)


def test_the_first_step_is_before_adapting():
    learner = tiny_learner("maml", BY_BATCH).eval()
    first = traced(learner).query("step == 0")
    for row in first.itertuples():
        rows = next(tiny_source(split="test").stacks(row.task, 1, 1))
        task = tiny_source(split="test").task(rows)
        examples = {"support": task.support, "query": task.query}[row.part]
        with torch.no_grad():
            logits = learner.model(examples.x[0])
        assert row.loss == pytest.approx(F.cross_entropy(logits, examples.y[0]).item(), abs=1e-5)
        hits = (logits.argmax(-1) == examples.y[0]).double()
        assert row.accuracy == pytest.approx(hits.mean().item())


def test_descent_lowers_the_loss_on_the_support():
    learner = tiny_learner("maml:inner_steps=5,inner_lr=0.05", BY_BATCH).eval()
    support = traced(learner).query("part == 'support'").groupby("step")["loss"].mean()
    assert support.is_monotonic_decreasing


def test_nothing_changes(monkeypatch):
    learner = tiny_learner("reptile:test_steps=2", BY_BATCH).train()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    told = []
    traced(learner, tell=lambda *words: told.append(words))
    assert torch.rand(1) == first
    assert learner.training
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert told[-1] == (4, 4, "tasks")


def test_instances_of_a_task_are_told_apart():
    learner = tiny_learner("protonet", NARROW).eval()
    source = Source(tiny_data().domains("test"), Stream(3, 2, 4), stack=1)
    frame = pd.DataFrame(trace(learner, source, 2))
    whole = evaluate(learner, source, 2)
    query = frame[frame["part"] == "query"].groupby(["task", "instance"])["accuracy"].mean()
    assert query.to_list() == pytest.approx(whole.accuracy.tolist())
    assert frame["instance"].nunique() > 1


def test_where_nothing_was_seen_there_is_nothing_to_trace():
    learner = tiny_learner("protonet", NARROW).eval()
    source = Source(tiny_data().domains("test"), Prequential(2, 2), stack=1)
    frame = pd.DataFrame(trace(learner, source, 3))
    queries = frame[frame["part"] == "query"].groupby("task").size()
    assert queries.to_list() == [3, 3, 3]  # of four examples, all but the first
    assert frame["loss"].notna().all()


class Breaking(Learner):
    """Scores are not finite after the first step."""

    def predictors(self, support):
        yield lambda x: torch.eye(support.ways)[torch.zeros(len(x), dtype=int)]
        yield lambda x: torch.full((len(x), support.ways), torch.inf)


def test_a_step_that_breaks_down_counts_as_wrong():
    frame = traced(Breaking(), 2).groupby("step")[["accuracy", "loss"]].mean()
    assert frame.loc[0, "accuracy"] == pytest.approx(1 / 3)
    assert frame.loc[1].to_list() == pytest.approx([0.0, torch.tensor(3.0).log().item()])
