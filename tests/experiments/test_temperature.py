"""A temperature is chosen on validation tasks, beside the numbers without one."""

from __future__ import annotations

import pytest
from small_runs import evaluated, trained

from workbench.tasks.splits import TrainingData

CORRECTED = ("calibrated_loss", "calibrated_brier", "calibrated_error")


def only(frame, name):
    (value,) = frame[name].unique()
    return value


def test_a_temperature_changes_how_sure_a_method_is_and_no_answer(two, tmp_path):
    run = trained(two, tmp_path, "taught", teachers="baseline")
    plain = evaluated(run, two)
    corrected = evaluated(run, two, calibrate="temperature")
    assert plain[["temperature", *CORRECTED]].isna().all(axis=None)
    for name in ("accuracy", "loss", "brier", "calibration_error"):
        assert (plain[name] == corrected[name]).all()
    assert only(corrected, "temperature") < 1  # it was not sure enough
    assert corrected["calibrated_loss"].mean() < corrected["loss"].mean()
    assert only(corrected, "calibrated_error") < only(corrected, "calibration_error")
    assert len(list(run.folder.glob("eval/*.parquet"))) == 2


def test_test_tasks_choose_nothing(two, tmp_path):
    one, other = (TrainingData((member,)) for member in two.members)
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frames = [evaluated(run, two, on=data, calibrate="temperature") for data in (one, other)]
    assert only(frames[0], "temperature") == only(frames[1], "temperature")
    assert (frames[0]["loss"].values != frames[1]["loss"].values).any()


def test_without_validation_classes_there_is_no_temperature_and_the_row_says_so(two, tmp_path):
    for member in two.members:
        del member.tables["val"]
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frame = evaluated(run, two, calibrate="temperature")
    assert frame[["temperature", *CORRECTED]].isna().all(axis=None)
    (departure,) = [text for text in frame["departures"].iloc[0] if "temperature" in text]
    assert departure.endswith(
        "no temperature was chosen, because one + other has no validation classes"
    )


@pytest.mark.parametrize("protocol", ["meta-dataset:min_ways=2", "prequential", "stream"])
def test_protocols_whose_tasks_vary(two, tmp_path, protocol):
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frame = evaluated(run, two, protocol=protocol, calibrate="temperature")
    assert frame["calibrated_loss"].notna().all()
