"""Methods are compared on the same tasks, or not at all."""

from __future__ import annotations

import pytest
from frames import cell, frame_of

from workbench.errors import WorkbenchError
from workbench.results.summary import differences, summary


class TestRefusals:
    def test_different_tasks(self):
        frame = frame_of(cell("a", [0.5, 0.6, 0.7]), cell("b", [0.4, 0.6], first_task=1))
        for function in (summary, differences):
            with pytest.raises(
                WorkbenchError, match=r"a and b met different tasks .*\(3 and 2, 2 of them shared\)"
            ):
                function(frame)

    def test_as_many_but_other_tasks(self):
        with pytest.raises(
            WorkbenchError, match="a and b met different tasks of glyphs, 5-way 1-shot"
        ):
            summary(frame_of(cell("a", [0.5, 0.6]), cell("b", [0.4, 0.6], first_task=1)))

    def test_seeds_with_different_tasks(self):
        with pytest.raises(
            WorkbenchError, match=r"a \(training seed 1 and another\) met different tasks"
        ):
            summary(frame_of(cell("a", [0.5, 0.6]), cell("a", [0.4], train_seed=1)))

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"recipe": "paper"}, "recipe"),
            ({"steps": 3}, "number of steps"),
            ({"code": "changed"}, "code at test"),
            ({"training": "other"}, "plan, code or start of the training"),
            ({"steps": 3, "code": "changed"}, "number of steps and code at test"),
        ],
    )
    def test_seeds_of_different_trainings(self, changed, words):
        frame = frame_of(cell("a", [0.5]), cell("a", [0.4], train_seed=1, **changed))
        with pytest.raises(WorkbenchError, match=f"a of glyphs.* differs in its {words} between"):
            summary(frame)

    def test_two_runs_of_one_cell(self):
        frame = frame_of(cell("a", [0.5]).assign(run="long"), cell("a", [0.4]).assign(run="short"))
        with pytest.raises(
            WorkbenchError, match=r"more than one result for task 0 .* Report long and short"
        ):
            summary(frame)

    def test_one_run_evaluated_twice(self):
        with pytest.raises(WorkbenchError, match="Keep one of its evaluations"):
            summary(frame_of(cell("a", [0.5]), cell("a", [0.5])))
