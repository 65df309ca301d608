"""Every frame has the columns and types that its schema says, in memory, in files and in JSON."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from frames import cell, curves_of, drawn, follows, frame_of, three_methods
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.results import frame as frames
from workbench.results.frame import (
    CURVES,
    DIFFERENCES,
    DTYPES,
    RECORDED,
    SUMMARY,
    TASKS,
    TRAININGS,
    describe,
    for_csv,
    for_json,
    read_tasks,
    records,
    typed,
    write_tasks,
)
from workbench.results.summary import differences, summary, trainings

SCHEMAS = {
    "tasks": TASKS,
    "summary": SUMMARY,
    "differences": DIFFERENCES,
    "trainings": TRAININGS,
    "curves": CURVES,
}


def two_trainings():
    """Two methods, each trained on two collections of data sets."""
    cells = []
    for train_on in ("one", "one + two"):
        for number, name in enumerate(("a", "b")):
            cells.append(cell(name, drawn(0.5, tasks=5, seed=number), train_on=train_on))
    return frame_of(*cells)


@pytest.mark.parametrize("make", [three_methods, two_trainings])
def test_frames_follow_their_schemas(make):
    frame = make()
    follows(frame, TASKS)
    follows(summary(frame), SUMMARY)
    follows(differences(frame), DIFFERENCES)
    follows(trainings(frame), TRAININGS)
    curves = curves_of(frame)
    follows(curves, CURVES)


def test_empty_frames_follow_their_schemas_too():
    frame = cell("a", [0.5, 0.6])
    follows(differences(frame), DIFFERENCES)
    follows(trainings(frame), TRAININGS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_column_is_described_once(name):
    names = [column.name for column in SCHEMAS[name]]
    assert len(set(names)) == len(names)
    for column in SCHEMAS[name]:
        assert column.kind in DTYPES
        assert column.meaning
        assert "|" not in column.meaning
    rows = describe(SCHEMAS[name]).splitlines()
    assert len(rows) == len(names) + 2


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
lists = st.lists(names, max_size=3).map(tuple)


@given(
    accuracy=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    ways=st.none() | st.integers(2, 100),
    texts=st.fixed_dictionaries({"selected": names, "overlap": names, "options": names}),
    several=st.fixed_dictionaries({"train_sets": lists, "selected_on": lists, "parts": lists}),
    oracle=st.booleans(),
)
def test_a_file_gives_back_what_was_written(
    tmp_path_factory, accuracy, ways, texts, several, oracle
):
    frame = cell("a", accuracy, ways=ways, shots=ways, oracle=oracle, **texts, **several)
    path = tmp_path_factory.mktemp("tasks") / "tasks.parquet"
    write_tasks(frame, path)
    found = read_tasks(path)
    follows(found, TASKS)
    pd.testing.assert_frame_equal(found, frame, check_exact=True)


class TestFiles:
    def test_published_columns_may_be_missing(self, tmp_path):
        names = [column.name for column in RECORDED]
        frame = three_methods()[names]
        write_tasks(frame, tmp_path / "tasks.parquet")
        follows(read_tasks(tmp_path / "tasks.parquet"), RECORDED)

    def test_typed_frames_are_like_those_read(self, tmp_path):
        frame = three_methods()
        plain = frame.astype({"ways": object, "shots": "float64", "train_seed": "int32"})
        shuffled = plain[sorted(plain)]
        write_tasks(frame, tmp_path / "tasks.parquet")
        read = read_tasks(tmp_path / "tasks.parquet")
        pd.testing.assert_frame_equal(typed(shuffled, TASKS), read)

    def test_other_columns_are_left_out(self, tmp_path):
        frame = three_methods()
        write_tasks(frame.assign(note="x"), tmp_path / "tasks.parquet")
        follows(read_tasks(tmp_path / "tasks.parquet"), TASKS)

    def test_a_file_of_another_version_is_not_read(self, tmp_path, monkeypatch):
        path = tmp_path / "tasks.parquet"
        frame = three_methods()
        frame.to_parquet(path)
        assert read_tasks(path) is None
        monkeypatch.setattr(frames, "SCHEMA", 1)
        write_tasks(frame, path)
        monkeypatch.undo()
        assert read_tasks(path) is None

    def test_a_missing_column_is_named(self, tmp_path):
        frame = three_methods().drop(columns=["oracle", "parts"])
        with pytest.raises(WorkbenchError, match="has no column oracle, parts"):
            write_tasks(frame, tmp_path / "tasks.parquet")
        assert not list(tmp_path.iterdir())

    def test_no_other_file_is_left(self, tmp_path):
        write_tasks(three_methods(), tmp_path / "tasks.parquet")
        assert [path.name for path in tmp_path.iterdir()] == ["tasks.parquet"]


class TestExports:
    def frame(self):
        return frame_of(
            cell("a", [0.5], pretrained_on=("imagenet", "laion"), ways=None, shots=None),
            cell("b", [0.25], published=50.0),
        )

    def test_csv_joins_lists(self, tmp_path):
        for_csv(self.frame()).to_csv(tmp_path / "tasks.csv", index=False)
        read = pd.read_csv(tmp_path / "tasks.csv", keep_default_na=False)
        assert read["pretrained_on"].tolist() == ["imagenet; laion", ""]
        assert read["ways"].tolist() == ["", "5"]

    def test_json_has_lists_and_null(self):
        first, second = json.loads(json.dumps(for_json(self.frame()), allow_nan=False))
        assert (first["pretrained_on"], second["pretrained_on"]) == (["imagenet", "laion"], [])
        assert (first["ways"], second["ways"]) == (None, 5)
        assert (first["published"], second["published"]) == (None, 50.0)
        assert first["oracle"] is False

    def test_records_have_none_for_a_missing_integer(self):
        first, second = records(self.frame())
        assert first["ways"] is None
        assert second["ways"] == 5
