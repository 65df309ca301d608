"""The time left of a comparison: measured by method, a lower bound or unknown until then."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import plan_of

from workbench.experiments.cells import Cell
from workbench.experiments.lineage import run_folder
from workbench.experiments.remaining import Remaining
from workbench.experiments.train_run import progress_label
from workbench.experiments.workspace import Workspace
from workbench.progress import Progress


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watched(data, tmp_path):
    """Return a comparison of two methods with two seeds each, its clock and what it reported."""
    plans = [
        plan_of(data, spec, seed=seed, steps=10)
        for seed in (0, 1)
        for spec in ("protonet", "matching")
    ]
    told: list[Progress] = []
    clock = Clock()
    cells = [Cell(plan, data, None) for plan in plans]
    remaining = Remaining(cells, Workspace(tmp_path, "cpu", report=told.append), clock)

    def left():
        remaining.tell()
        last = told[-1]
        assert (last.label, last.total, last.unit) == ("comparison", 4, "cells")
        return last.done, last.seconds_left, last.at_least

    def step(cell, number, seconds):
        clock.now += seconds
        label = progress_label(cells[cell].plan)
        remaining.report(Progress(label, number, 10, "steps"))

    def end(cell, seconds):
        remaining.trained(run_folder(cells[cell].plan, data, Path(tmp_path)))
        remaining.evaluated(cells[cell].plan, seconds)

    return left, step, end, told


def test_nothing_is_told_before_something_is_measured(watched):
    left, step, _, _ = watched
    assert left() == (0, None, True)
    step(0, 1, seconds=100.0)  # the first step begins the measurement
    assert left() == (0, None, True)


def test_a_part_is_a_lower_bound_and_all_is_an_estimate(watched):
    left, step, end, _ = watched
    for number in range(1, 11):
        step(0, number, seconds=2.0)
    # the other protonet has ten steps of two seconds; its evaluation was never measured
    assert left() == (0, pytest.approx(20.0), True)
    end(0, 5.0)
    assert left() == (1, pytest.approx(25.0), True)
    for number in range(1, 6):
        step(1, number, seconds=4.0)
    # five steps of four seconds here, ten there
    assert left() == (1, pytest.approx(25.0 + 20.0 + 40.0), True)
    for number in range(6, 11):
        step(1, number, seconds=4.0)
    end(1, 7.0)
    assert left() == (2, pytest.approx(25.0 + 47.0), False)
    for number in range(1, 11):
        step(2, number, seconds=2.0)
    assert left() == (2, pytest.approx(5.0 + 47.0), False)
    end(2, 5.0)
    end(3, 7.0)
    done, seconds, _ = left()
    assert (done, seconds) == (4, None)


def test_progress_is_passed_on(watched):
    _, step, _, told = watched
    step(0, 1, seconds=1.0)
    assert told[0].unit == "steps"
    assert told[1].unit == "cells"
