"""Successive halving: which configuration goes on, and when the search is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.tuning.schedule import Job, next_job, rungs_of

FAILED = float("-inf")


@pytest.mark.parametrize(
    ("steps", "every", "rungs"),
    [
        (900, 100, (100, 300, 900)),
        (1000, 100, (200, 400, 1000)),
        (1000, 500, (500, 1000)),
        (1000, 1000, (1000,)),
        (1000, 0, (1000,)),
        (0, 500, (0,)),
        (3, 1, (1, 3)),
    ],
)
def test_rungs_are_validated_steps(steps, every, rungs):
    assert rungs_of(steps, every) == rungs


def simulated(values, trials, rungs):
    """Run a search whose configurations have a given accuracy on all rungs; return all jobs."""
    reached = []
    jobs = []
    while (job := next_job(reached, trials, rungs)) is not None:
        assert len(jobs) < 10 * trials
        if job.number == len(reached):
            reached.append([])
        assert job.rung == len(reached[job.number])
        if job.rung and job.number:  # it is among the best third there, or all were proposed
            rivals = [each[job.rung - 1] for each in reached if len(each) >= job.rung]
            better = sum(rival > reached[job.number][-1] for rival in rivals)
            assert better < len(rivals) // 3 or len(reached) == trials
        reached[job.number].append(values[job.number])
        jobs.append(job)
    return reached, jobs


def test_the_default_comes_to_the_end_first():
    _, jobs = simulated([0.1] * 9, 9, 3)
    assert jobs[:3] == [Job(0, 0), Job(0, 1), Job(0, 2)]


def test_the_best_third_of_a_rung_goes_on():
    values = [0.5, 0.1, 0.2, 0.9, 0.3, 0.8, 0.4, 0.7, 0.6]
    reached, _ = simulated(values, 9, 2)
    ended = [number for number, each in enumerate(reached) if len(each) == 2]
    assert ended == [0, 3, 5, 7]  # the default, and the three best


def test_something_besides_the_default_always_comes_to_the_end():
    reached, _ = simulated([0.9, 0.1, 0.2], 3, 3)
    assert [len(each) for each in reached] == [3, 1, 3]


def test_what_was_begun_before_a_kill_is_done_first():
    assert next_job([[0.5, 0.6], []], 9, 2) == Job(1, 0)


def test_what_failed_does_not_go_on():
    reached, _ = simulated([FAILED, FAILED, 0.1, FAILED], 4, 2)
    assert [len(each) for each in reached] == [1, 1, 2, 1]


accuracies = st.one_of(st.floats(0, 1), st.just(FAILED))


@given(st.lists(accuracies, min_size=1, max_size=40), st.integers(1, 3))
def test_any_search_ends_and_keeps_its_promises(values, rungs):
    trials = len(values)
    reached, jobs = simulated(values, trials, rungs)
    assert len(reached) == trials
    assert all(each for each in reached)
    assert len(set(jobs)) == len(jobs)
    ended = [number for number, each in enumerate(reached) if len(each) == rungs]
    alive = [number for number, value in enumerate(values) if value > FAILED]
    if alive and 0 in alive:
        assert 0 in ended
    if rungs > 1:
        assert not {number for number in ended if values[number] == FAILED}
        best = max(alive, key=lambda number: values[number], default=None)
        if len([number for number in alive if number]) and best:
            assert best in ended  # accuracies are equal on all rungs, so the best is never lost
