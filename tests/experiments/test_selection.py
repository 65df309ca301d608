"""Options that a method leaves open are chosen on validation tasks, and the rows say so."""

from __future__ import annotations

import shutil
import tomllib

import pytest
from small_runs import evaluated, trained

from workbench.storage import read_sealed_toml, write_sealed_toml
from workbench.tasks.splits import TrainingData


def protocol_that_chose(run):
    (path,) = run.folder.glob("eval/selection-*.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))["protocol"]


def test_an_option_is_chosen_on_validation_tasks_once_for_a_shape(two, tmp_path):
    one, other = (TrainingData((member,)) for member in two.members)
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frame = evaluated(run, two, on=one)
    assert set(frame["selected"]) == {"sharpness=1.0"}  # -1 is the worst, 0 is chance
    assert set(frame["selected_on"]) == {("one", "other")}
    assert not frame["oracle"].any()
    assert frame["accuracy"].mean() > 0.5
    evaluated(run, two, on=other)
    assert len(list(run.folder.glob("eval/selection-*.toml"))) == 1
    evaluated(run, two, on=other, shots=1)
    assert len(list(run.folder.glob("eval/selection-*.toml"))) == 2


def test_a_choice_that_nobody_offered_is_made_again(two, tmp_path):
    run = trained(two, tmp_path, "taught", teachers="baseline")
    expected = evaluated(run, two)
    (path,) = run.folder.glob("eval/selection-*.toml")
    content = read_sealed_toml(path)
    write_sealed_toml(path, {**content, "options": {"sharpness": 7.0}})
    again = evaluated(run, two, task_seed=1)
    assert set(again["selected"]) == set(expected["selected"]) == {"sharpness=1.0"}


def test_the_choice_of_another_run_is_not_taken(two, tmp_path):
    run, other = (
        trained(two, tmp_path, "taught", teachers="baseline", seed=seed) for seed in (0, 1)
    )
    evaluated(run, two)
    (path,) = run.folder.glob("eval/selection-*.toml")
    worst = {"options": {"sharpness": -1.0}}
    write_sealed_toml(path, {**read_sealed_toml(path), **worst})
    shutil.copytree(path.parent, other.folder / "eval")
    assert set(evaluated(other, two)["selected"]) == {"sharpness=1.0"}
    assert len(list(other.folder.glob("eval/selection-*.toml"))) == 2
    for copy in other.folder.glob("eval/selection-*.toml"):  # one is of its own name
        shutil.copy(path, copy)
    assert set(evaluated(other, two, task_seed=1)["selected"]) == {"sharpness=1.0"}


def test_what_the_user_gives_is_not_chosen(two, tmp_path):
    run = trained(two, tmp_path, "taught:sharpness=-1", teachers="baseline")
    frame = evaluated(run, two)
    assert set(frame["selected"]) == {""}
    assert set(frame["selected_on"]) == {()}
    assert frame["accuracy"].mean() < 1 / 3


def test_without_validation_classes_nothing_is_chosen_and_the_row_says_so(two, tmp_path):
    for member in two.members:
        del member.tables["val"]
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frame = evaluated(run, two)
    assert set(frame["selected"]) == {"sharpness=0.0"}  # its default
    assert set(frame["selected_on"]) == {()}
    assert not list(run.folder.glob("eval/selection-*.toml"))


def test_only_data_sets_with_validation_classes_choose(two, tmp_path):
    del two.members[0].tables["val"]
    run = trained(two, tmp_path, "taught", teachers="baseline")
    assert set(evaluated(run, two)["selected_on"]) == {("other",)}


@pytest.mark.parametrize(
    ("protocol", "drawn"),
    [
        ("meta-dataset:min_ways=2", "MetaDataset(min_ways=2, "),
        ("prequential", "Prequential(ways=3, shots=2)"),
        ("unbalanced:alpha=5", "Unbalanced(ways=3, shots=2, queries=10, alpha=5)"),
    ],
)
def test_validation_tasks_are_drawn_by_the_protocol_of_the_test(two, tmp_path, protocol, drawn):
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frame = evaluated(run, two, protocol=protocol)
    assert protocol_that_chose(run).startswith(drawn)
    assert set(frame["selected"]) == {"sharpness=1.0"}
    chosen_otherwise = [text for text in frame["departures"].iloc[0] if "test-time" in text]
    assert chosen_otherwise == []


def test_all_questions_about_a_stream_have_the_same_choice(two, tmp_path):
    run = trained(two, tmp_path, "taught", teachers="baseline")
    one = TrainingData((two.members[0],))
    for protocol in ("stream", "stream:asked=learnt", "stream:first=1"):
        frame = evaluated(run, two, on=one, protocol=protocol)
        assert set(frame["selected"]) == {"sharpness=1.0"}
    assert len(list(run.folder.glob("eval/selection-*.toml"))) == 1


@pytest.mark.parametrize(
    ("asked", "drawn", "words"),
    [
        (
            {"protocol": "meta-dataset:min_ways=7"},
            "WayShot(ways=5, shots=5, ",
            "taught: test-time options were chosen on 5-way 5-shot tasks, because 7 ways are more "
            "than the 6 classes of the validation classes of other",
        ),
        (
            {"ways": 8, "shots": 1},
            "WayShot(ways=6, shots=1, ",
            "taught: test-time options were chosen on 6-way 1-shot tasks, because the validation "
            "classes of one and other give no more ways and shots",
        ),
    ],
)
def test_where_validation_classes_do_not_allow_it_the_rows_say_what_chose(
    two, tmp_path, asked, drawn, words
):
    run = trained(two, tmp_path, "taught", teachers="baseline")
    frame = evaluated(run, two, **asked)
    assert protocol_that_chose(run).startswith(drawn)
    assert any(text.startswith(words) for text in frame["departures"].iloc[0])


def test_an_oracle_marks_its_rows(two, tmp_path):
    run = trained(two, tmp_path, "taught:guess=true,sharpness=1", teachers="baseline")
    frame = evaluated(run, two)
    assert frame["oracle"].all()
    assert set(frame["selected"]) == {""}


def test_an_oracle_chooses_nothing(two, tmp_path):
    run = trained(two, tmp_path, "taught:guess=true", teachers="baseline")
    frame = evaluated(run, two)
    assert frame["oracle"].all()
    assert set(frame["selected"]) == {""}
    assert not list(run.folder.glob("eval/selection-*.toml"))
