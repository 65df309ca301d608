"""Rankings by hand, and what weights do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.recommending.experience import (
    COLUMNS,
    CONDITION,
    experience_of,
    read_experience,
    write_experience,
)
from workbench.recommending.landmarks import Landmarks
from workbench.recommending.ranking import expected_shortfall, shortlist, static_choice
from workbench.recommending.resampling import corrected_interval
from workbench.results.paired import mean_and_interval

DARK = Landmarks(0, 0.1, 0.2, 0.3, 0.2, 0.5)
BRIGHT = Landmarks(0.4, 0.9, 0.1, 0.8, 0.1, 0.1)
ACCURACIES = {  # by data set and method
    "dark": {"a": 0.9, "b": 0.75, "c": 0.5},
    "bright": {"a": 0.4, "b": 0.5, "c": 0.7},
}


def experience(shots=5, ways=5):
    rows = []
    for data, like in (("dark", DARK), ("bright", BRIGHT)):
        for method, accuracy in ACCURACIES[data].items():
            row = {"method": method, "data": data, "train_on": "x", "ways": ways, "shots": shots}
            rows.append({**row, "tasks": 60, "accuracy": accuracy, **like._asdict()})
    return pd.DataFrame(rows)[COLUMNS]


def test_what_is_like_a_data_set_decides():
    of_dark = expected_shortfall(experience(), DARK, 5, 5)
    of_bright = expected_shortfall(experience(), BRIGHT, 5, 5)
    assert list(of_dark.index) == ["a", "b", "c"]
    assert list(of_bright.index) == ["c", "b", "a"]


def test_the_shortfall_by_hand():
    """All six landmarks differ by two of their deviations: d = 4, and its weight is exp(-2)."""
    far = np.exp(-2)
    found = expected_shortfall(experience(), DARK, 5, 5)
    assert found["a"] == pytest.approx((0 + far * 0.3) / (1 + far))
    assert found["b"] == pytest.approx((0.15 + far * 0.2) / (1 + far))


def test_conditions_with_other_shots_count_less():
    table = pd.concat([experience(shots=1), experience(shots=5)], ignore_index=True)
    few = (table["shots"] == 1) & (table["method"] == "c") & (table["data"] == "dark")
    table.loc[few, "accuracy"] = 1.0
    assert expected_shortfall(table, DARK, 5, 1).index[0] == "c"
    assert expected_shortfall(table, DARK, 5, 5).index[0] == "a"


def test_the_static_choice_falls_short_least_on_the_mean():
    assert static_choice(experience()) == "a"  # 0.15 on the mean; b has 0.175, c 0.2
    assert shortlist(expected_shortfall(experience(), BRIGHT, 5, 5), "a", 2) == ["c", "a"]
    assert shortlist(expected_shortfall(experience(), DARK, 5, 5), "a", 2) == ["a", "b"]


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_experience(experience(), tmp_path / "e.csv")
    pd.testing.assert_frame_equal(
        read_experience(tmp_path / "e.csv"), experience(), check_exact=False, atol=1e-4
    )


@pytest.mark.parametrize("content", [None, "a,b\n1,2\n", ""])
def test_what_is_no_table_is_refused_with_the_command_that_makes_one(content, tmp_path):
    path = tmp_path / "e.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match="mlw recommend --learn-from"):
        read_experience(path)


def test_the_table_that_ships_covers_several_data_sets_and_methods():
    table = read_experience()
    assert table["data"].nunique() >= 8
    assert table["method"].nunique() >= 10
    assert table["accuracy"].between(0, 1).all()
    # a method that is known in some conditions only could be known where it is good
    assert len(table) == table["method"].nunique() * len(table.drop_duplicates(CONDITION))


def tasks_frame(**columns):
    rows = []
    for method, accuracy in (("a", 0.5), ("b", 0.7)):
        for task in range(3):
            row = {"algorithm": method, "options": "x=1" if method == "b" else "", "task": task}
            row |= {"test_on": "d", "train_on": "t", "ways": 5, "shots": 1, "accuracy": accuracy}
            row |= {"protocol": "way-shot", "transductive": False, "oracle": False}
            rows.append(row)
    return pd.DataFrame(rows).assign(**columns)


def test_experience_is_the_mean_of_each_method_on_each_condition():
    found = experience_of(tasks_frame(), {"d": DARK})
    assert found["method"].tolist() == ["a", "b:x=1"]
    assert found["accuracy"].tolist() == pytest.approx([0.5, 0.7])
    assert found["tasks"].tolist() == [3, 3]
    assert found["contrast"].tolist() == [DARK.contrast] * 2


@pytest.mark.parametrize(
    "columns",
    [{"transductive": True}, {"oracle": True}, {"protocol": "stream"}, {"ways": None}],
)
def test_methods_that_cannot_answer_for_one_image_are_left_out(columns):
    with pytest.raises(DataError, match="mlw compare"):
        experience_of(tasks_frame(**columns), {"d": DARK})


def test_the_corrected_interval_by_hand():
    values = pd.Series([0.5, 0.6, 0.7, 0.8])
    mean, interval = corrected_interval(values, train=10, test=5, images=15)
    assert mean == pytest.approx(0.65)
    assert interval == pytest.approx(1.96 * np.sqrt((1 / 4 + 0.5) * values.var()))


def test_without_shared_images_it_is_the_usual_interval():
    values = pd.Series(np.linspace(0, 1, 50))
    _, corrected = corrected_interval(values, train=10, test=5, images=10**9)
    assert corrected == pytest.approx(mean_and_interval(values)[1], rel=1e-6)
