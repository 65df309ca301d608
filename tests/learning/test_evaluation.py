"""Evaluation: the same numbers, embedded once or not, stacked or not; and the right ones."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from learners import BY_BATCH, NARROW, tiny_learner

from workbench import Learner
from workbench.functional import one_hot
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import scores
from workbench.tasks.protocols.prequential import Prequential
from workbench.tasks.protocols.stream import Stream
from workbench.tasks.source import Source
from workbench.testing import tiny_data, tiny_source


def built(name):
    backbone = BY_BATCH if name == "maml" else NARROW
    return tiny_learner(name, backbone).eval()


@pytest.mark.parametrize("name", ["protonet", "maml", "baseline:head_epochs=5"])
def test_stacked_and_one_by_one_agree(name, monkeypatch):
    learner, source = built(name), tiny_source(split="test")
    stacked = evaluate(learner, source, 30, stack=16)
    monkeypatch.setattr(type(learner), "batched", False)
    alone = evaluate(learner, source, 30, stack=1)
    assert np.allclose(stacked.accuracy, alone.accuracy, atol=1e-5)
    assert np.allclose(stacked.loss, alone.loss, atol=1e-5)
    assert stacked.calibration_error == pytest.approx(alone.calibration_error, abs=1e-4)


def test_in_reduced_precision_the_stack_size_changes_no_number():
    learner, source = built("maml"), tiny_source(split="test")
    stacked = evaluate(learner, source, 12, stack=4, precision="bfloat16")
    alone = evaluate(learner, source, 12, stack=1, precision="bfloat16")
    assert np.array_equal(stacked.loss, alone.loss)
    precise = evaluate(learner, source, 12, stack=4)
    assert not np.allclose(stacked.loss, precise.loss, atol=1e-6)


def test_a_table_too_large_is_embedded_stack_by_stack():
    learner, source = built("protonet"), tiny_source(split="test")
    whole, parts = (
        evaluate(learner, source, 30),
        evaluate(learner, source, 30, table_bytes=1, stack=4),
    )
    assert np.allclose(whole.accuracy, parts.accuracy)
    assert np.allclose(whole.loss, parts.loss, atol=1e-5)


@pytest.mark.parametrize("pixels", [1, 5 * 16 * 16, 2**30])
def test_how_many_images_are_embedded_at_once_changes_no_number(pixels, monkeypatch):
    learner, source = built("protonet"), tiny_source(split="test")
    first = evaluate(learner, source, 30)
    monkeypatch.setattr("workbench.learning.evaluation.PIXELS_PER_THREAD", pixels)
    again = evaluate(learner, source, 30)
    assert np.allclose(first.loss, again.loss, atol=1e-6)
    assert np.array_equal(first.accuracy, again.accuracy)


def test_the_numbers_are_those_of_a_plain_loop():
    learner, source = built("protonet"), tiny_source(split="test")
    result = evaluate(learner, source, 12, temperature=3.0)
    confidences, hits = [], []
    for number in range(12):
        rows = next(source.stacks(number, 1))
        task = source.task(rows)
        with torch.no_grad():
            features = learner.backbone(torch.cat([task.support.x[0], task.query.x[0]]))
            prototypes = torch.stack(
                [features[:6][task.support.y[0] == way].mean(0) for way in range(3)]
            )
            scores = -(torch.cdist(features[6:], prototypes) ** 2)
        assert result.accuracy[number] == pytest.approx(
            (scores.argmax(1) == task.query.y[0]).double().mean()
        )
        assert result.loss[number] == pytest.approx(
            float(F.cross_entropy(scores, task.query.y[0])), abs=1e-5
        )
        assert result.calibrated_loss[number] == pytest.approx(
            float(F.cross_entropy(scores / 3, task.query.y[0])), abs=1e-5
        )
        for brier, sharpness in ((result.brier, 1), (result.calibrated_brier, 1 / 3)):
            wrong = (sharpness * scores).softmax(1) - F.one_hot(task.query.y[0], 3)
            assert brier[number] == pytest.approx(float((wrong**2).sum(1).mean()), abs=1e-5)
        confidences.append(scores.softmax(1).amax(1).numpy())
        hits.append((scores.argmax(1) == task.query.y[0]).numpy())
    confidence, hit = np.concatenate(confidences), np.concatenate(hits)
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [
        (bins == b).mean() * abs(hit[bins == b].mean() - confidence[bins == b].mean())
        for b in set(bins)
    ]
    assert result.calibration_error == pytest.approx(sum(gaps), abs=1e-6)


def test_mode_and_random_state_are_left_as_they_were():
    learner = built("protonet").train()
    before = torch.get_rng_state()
    evaluate(learner, tiny_source(), 3)
    assert learner.training
    assert torch.equal(before, torch.get_rng_state())


def test_more_tasks_begin_with_the_fewer():
    learner, source = built("protonet"), tiny_source(split="test")
    few, many = evaluate(learner, source, 20), evaluate(learner, source, 300)
    assert np.allclose(few.accuracy, many.accuracy[:20])


class ByPlace(Learner):
    """Never look at an image: answer as if queries came sorted by class."""

    batched = True

    def adapt(self, support):
        def predict(x):
            place = torch.arange(len(x)) * support.ways // len(x)
            return one_hot(place, support.ways)

        return predict


def test_a_method_that_looks_only_at_places_is_at_chance():
    result = evaluate(ByPlace(), tiny_source(split="test"), 600)
    error = result.accuracy.std() / 600**0.5
    assert abs(result.accuracy.mean() - 1 / 3) < 4 * error


class Fixed(Learner):
    """Answer every query with the same scores."""

    def __init__(self, *scores):
        super().__init__()
        self.scores = scores

    def adapt(self, support):
        return lambda x: torch.tensor(self.scores).expand(len(x), support.ways)


NAN, INFINITY = float("nan"), float("inf")


def test_a_class_that_was_not_met_may_have_no_score_and_is_not_predicted():
    source = Source(tiny_data().domains("test"), Stream(3, 2, 4))
    result = evaluate(Fixed(0.0, 1.0, NAN), source, 8)
    last = result.instance == 3  # all three classes were met
    assert result.broken.tolist() == last.tolist()
    by_seen = {seen: set(result.accuracy[result.instance == seen]) for seen in (1, 2, 3)}
    assert by_seen == {1: {0.0}, 2: {0.5}, 3: {0.0}}  # class 1 is predicted for every query


def test_a_class_may_be_held_impossible():
    result = evaluate(Fixed(1.0, 0.0, -INFINITY), tiny_source(split="test"), 8)
    assert result.accuracy == pytest.approx(1 / 3)
    assert not result.broken.any()
    assert np.isinf(result.loss).all()


@pytest.mark.parametrize(
    "scores",
    [
        (NAN, NAN, NAN),
        (1.0, 0.0, NAN),
        (-INFINITY, -INFINITY, -INFINITY),
        (INFINITY, 0.0, 0.0),
        (INFINITY, -INFINITY, NAN),
    ],
)
def test_a_method_that_breaks_down_on_a_query_is_wrong_there(scores):
    result = evaluate(Fixed(*scores), tiny_source(split="test"), 8)
    assert result.broken.all()
    assert (result.accuracy == 0).all()
    assert result.loss == pytest.approx(np.log(3))
    assert result.brier == pytest.approx(1 - 1 / 3)  # of equal probabilities
    assert result.calibration_error == pytest.approx(1 / 3)


def test_only_the_tasks_in_which_a_query_broke_down_are_marked():
    class SometimesBroken(ByPlace):
        def adapt(self, support):
            predict = super().adapt(support)
            broken = support.x.flatten()[0] > 0.5
            return lambda x: torch.where(broken, NAN, predict(x))

    source = tiny_source(split="test")
    whole, result = evaluate(ByPlace(), source, 40), evaluate(SometimesBroken(), source, 40)
    assert 5 < result.broken.sum() < 35
    assert (result.accuracy[~result.broken] == whole.accuracy[~result.broken]).all()
    assert (result.accuracy[result.broken] == 0).all()


def test_scores_that_overflow_are_no_traceback():
    learner = tiny_learner("protonet:temperature=1e-44").eval()
    assert evaluate(learner, tiny_source(split="test"), 8).broken.all()


@pytest.mark.parametrize("name", ["protonet", "maml"])
@pytest.mark.parametrize("episodes", [1, 9])
def test_warming_up_adapts_once_more_and_changes_no_number(name, episodes, monkeypatch):
    learner, source = built(name), tiny_source(split="test")
    stacks = []

    def counted(learner, support, x):
        stacks.append(len(x))
        return scores(learner, support, x)

    monkeypatch.setattr("workbench.learning.evaluation.scores", counted)
    before = torch.get_rng_state()
    cold = evaluate(learner, source, episodes)
    count = len(stacks)
    warm = evaluate(learner, source, episodes, warm_up=True)
    assert len(stacks) == 2 * count + 1
    assert stacks[count] == min(2, episodes)  # and only then the tasks that are timed
    assert np.array_equal(cold.accuracy, warm.accuracy)
    assert np.array_equal(cold.loss, warm.loss)
    assert torch.equal(before, torch.get_rng_state())


class NeedsExamples(Learner):
    """Predict the class of the last example."""

    def adapt(self, support):
        assert len(support.y) > 0
        return lambda x: one_hot(support.y[-1:], support.ways).expand(len(x), -1)


def test_the_first_example_of_a_sequence_is_a_guess_of_every_method():
    source = Source(tiny_data().domains("test"), Prequential(2, 2))
    result = evaluate(NeedsExamples(), source, 512, warm_up=True)
    assert not result.broken.any()
    # in a task of two classes, two examples are the first of theirs: the guess, and one whose class
    # did not come yet, so that the last example's class is wrong
    first = result.accuracy[result.instance == 1]
    assert set(first) == {0.0, 0.5}
    assert first.mean() == pytest.approx(0.25, abs=0.03)
    loss = result.loss[result.instance == 1]
    wrong = np.log1p(np.e)  # of scores 0 for the class, 1 for the other
    assert loss == pytest.approx((np.log(2) + wrong) / 2)


def test_the_answer_to_each_query_is_kept_of_the_first_tasks(monkeypatch):
    learner, source = built("protonet"), tiny_source(split="test")
    monkeypatch.setattr("workbench.learning.evaluation.KEPT_TASKS", 5)
    found = evaluate(learner, source, 8, stack=3, temperature=2.0)
    assert [len(each) for each in found.hits] == [found_queries(source)] * 5 + [0] * 3
    for task in range(5):
        assert np.mean(found.hits[task]) == pytest.approx(found.accuracy[task])
        (rows,) = source.stacks(task, 1)
        given = source.task(rows)
        predicted = scores(
            learner,
            given.support._replace(x=embedded(learner, given.support.x)),
            embedded(learner, given.query.x),
        )
        sure = predicted.softmax(-1).amax(-1)[0].detach().numpy()
        assert found.confidences[task] == pytest.approx(sure, abs=1e-5)
        cooler = (predicted / 2).softmax(-1).amax(-1)[0].detach().numpy()
        assert found.calibrated_confidences[task] == pytest.approx(cooler, abs=1e-5)
    assert evaluate(learner, source, 2).calibrated_confidences == [(), ()]


def found_queries(source):
    (rows,) = source.stacks(0, 1)
    return rows.query.shape[1]


def embedded(learner, x):
    return learner.embed(x[0])[None]


def test_instances_keep_the_answers_of_all_their_questions():
    source = Source(tiny_data().domains("test"), Prequential(3, 2))
    found = evaluate(built("protonet"), source, 4)
    for hits, accuracy in zip(found.hits, found.accuracy, strict=True):
        assert len(hits) == 3  # one question for each class
        assert np.mean(hits) == pytest.approx(accuracy)
