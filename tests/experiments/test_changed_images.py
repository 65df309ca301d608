"""The same name with other images: never paired, never evaluated as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from registered import open_already
from resealed import ask_otherwise
from small_runs import evaluated, plan_of, trained

from workbench.data.opening import OpenDataset
from workbench.errors import RunError
from workbench.experiments.evaluate_run import refuse_changes_before
from workbench.results.grouping import separations
from workbench.results.summary import differences, summary
from workbench.tasks.splits import TrainingData


def with_content(data: TrainingData, label: str, content: str) -> TrainingData:
    """Return the first data set under another label, and with another fingerprint."""
    (tiny, *_) = data.members
    tables = {
        split: table._replace(fingerprint=content, images=table.images[:, :, ::-1].copy())
        for split, table in tiny.tables.items()
    }
    return TrainingData((OpenDataset(label, label, tables),))


@pytest.fixture
def leaves(data):
    """Two contents of one test data set."""
    return with_content(data, "leaves", "aaaaaaaa1"), with_content(data, "leaves", "bbbbbbbb2")


def test_two_runs_on_two_contents_of_one_name_are_not_paired(data, leaves, tmp_path):
    before, after = leaves
    first = evaluated(trained(data, tmp_path), data, on=before)
    second = evaluated(trained(data, tmp_path, seed=1, lr=0.1), data, on=after)
    frame = pd.concat([first, second], ignore_index=True)
    assert set(first["test_fingerprint"]) == {"aaaaaaaa1"}
    assert set(first["train_fingerprint"]) == {data.fingerprint}
    table = summary(frame)
    assert table["test_on"].tolist() == ["leaves (images aaaaaaaa)", "leaves (images bbbbbbbb)"]
    assert table["difference_interval"].isna().all()  # each is the best of its condition
    assert differences(frame).empty
    (line,) = separations(frame)
    assert "leaves had different images in these runs (fingerprints aaaaaaaa and bbbbbbbb)" in line


def test_the_newer_evaluation_counts_although_the_older_is_longer(data, leaves, tmp_path):
    before, after = leaves
    run = trained(data, tmp_path)
    evaluated(run, data, on=before, episodes=10)
    expected = evaluated(run, data, on=after, episodes=4)
    said: list[str] = []
    found = run.evaluations(said.append)
    assert found["accuracy"].tolist() == expected["accuracy"].tolist()
    assert said == [
        f"left out: an evaluation of {run.folder.name} on 10 tasks of leaves, because the images "
        "of leaves have changed since"
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"results": 1}, "because the tasks of this version have changed since"),
        ({"sources": {"algorithm": "0ld"}}, "because its code has changed since"),
    ],
)
def test_what_an_older_core_or_older_code_answered_does_not_count(data, tmp_path, asked, words):
    run = trained(data, tmp_path)
    evaluated(run, data, episodes=10)
    (path,) = run.folder.glob("eval/*.parquet")
    ask_otherwise(path, **asked)
    evaluated(run, data, episodes=4)
    said: list[str] = []
    assert len(run.evaluations(said.append)) == 4
    assert len(said) == 1
    assert words in said[0]


def test_a_run_whose_training_images_changed_is_not_evaluated(data, tmp_path):
    run = trained(data, tmp_path)
    today = with_content(data, "tiny", "bbbbbbbb2")
    elsewhere = TrainingData((replace(today.members[0], label="there", name="there"),))
    for on in (today, elsewhere):
        with pytest.raises(RunError) as caught:
            evaluated(run, today, on=on)
        words = str(caught.value)
        assert "trained on other images than tiny has today" in words
        assert f"fingerprint {data.fingerprint[:8]} then, bbbbbbbb now" in words
        assert "train again: mlw train protonet --on tiny" in words
    assert not (run.folder / "eval").exists()


def test_a_start_that_learned_from_other_images_is_refused_too(data, tmp_path, monkeypatch):
    """A run on glyphs that starts from one on tiny has seen the tiny of that day."""
    start = trained(data, tmp_path)
    other = with_content(data, "other", "cccccccc3")
    today = with_content(data, "tiny", "bbbbbbbb2")
    open_already(monkeypatch, [*today.members, *other.members])
    plan = plan_of(other, f"protonet:init={start.folder.name}")
    refuse_changes_before(plan, tmp_path, other.members[0])  # its own data are as they were
    with pytest.raises(RunError, match="trained on other images than tiny has today"):
        refuse_changes_before(plan, tmp_path, today.members[0])
