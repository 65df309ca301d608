"""The rows of train.csv, and the words beside a progress bar."""

from __future__ import annotations

from workbench.experiments.curve import CURVE_ROWS, CurveWriter, ProgressText
from workbench.learning.training import StepReport


def step(number, loss=1.0, val_accuracy=None):
    return StepReport(number, loss, 0.1, number / 10, val_accuracy)


def test_a_short_training_has_a_row_per_step(tmp_path):
    curve = CurveWriter(3)
    curve.add(step(1, 2.0))
    curve.add(step(2, 1.0, 0.5))
    curve.write(tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_text().splitlines() == [
        "step,loss,lr,seconds,val_accuracy",
        "1,2.0,0.1,0.1,",
        "2,1.0,0.1,0.2,0.5",
    ]


def test_a_long_training_has_means_of_losses():
    curve = CurveWriter(4 * CURVE_ROWS)
    for number in range(1, 9):
        curve.add(step(number, float(number)))
    assert [row[:2] for row in curve.rows] == [[4, 2.5], [8, 6.5]]


def test_a_step_with_a_validation_has_a_row_of_its_own():
    curve = CurveWriter(4 * CURVE_ROWS)
    for number in range(1, 9):
        curve.add(step(number, float(number), 0.5 if number == 2 else None))
    assert [row[:2] for row in curve.rows] == [[2, 1.5], [4, 3.5], [8, 6.5]]


def test_a_curve_goes_on_where_it_was():
    whole, first = CurveWriter(4 * CURVE_ROWS), CurveWriter(4 * CURVE_ROWS)
    for number in range(1, 9):
        whole.add(step(number, float(number)))
    for number in range(1, 6):
        first.add(step(number, float(number)))
    rest = CurveWriter(4 * CURVE_ROWS)
    rest.load_state_dict(first.state_dict())
    for number in range(6, 9):
        rest.add(step(number, float(number)))
    assert rest.state_dict() == whole.state_dict()


def test_the_words_beside_a_bar():
    text = ProgressText()
    assert text.of(step(1, 2.0)) == "loss 2.000"
    assert text.of(step(2, 1.0, 0.9712)) == "loss 1.950, validation 97.1%"
    assert text.of(step(3, 1.95)) == "loss 1.950, validation 97.1%"  # the last one stays
