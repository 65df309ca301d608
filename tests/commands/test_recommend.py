"""A method for one's own images: the way from a folder to the command that uses it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench as mlw
from workbench.commands.recommend import _in_order
from workbench.data.opening import open_dataset
from workbench.errors import DataError
from workbench.recommending.experience import COLUMNS
from workbench.recommending.landmarks import Landmarks
from workbench.tasks.settings import EvaluationSettings

QUICK = {"steps": 2, "validate_every": 0, "folds": 4}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Folders that become data sets are forgotten after each test."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def experience(tmp_path):
    """Write what would be known of three methods on one other data set."""
    like = Landmarks(0, 0.1, 0.3, 0.3, 0.2, 0.4)._asdict()
    rows = []
    for method, accuracy in (("nearest_pixel", 0.3), ("protonet", 0.8), ("metaoptnet", 0.7)):
        row = {"method": method, "data": "elsewhere", "train_on": "x", "ways": 5, "shots": 5}
        rows.append({**row, "tasks": 60, "accuracy": accuracy, **like})
    path = tmp_path / "experience.csv"
    pd.DataFrame(rows)[COLUMNS].to_csv(path, index=False)
    return path


def folder_of(tmp_path, counts):
    """Write classes of the glyphs, as many images of each as `counts` says."""
    table = open_dataset("glyphs").table("test")
    for number, count in enumerate(counts):
        place = tmp_path / "My Birds" / f"bird{number}"
        place.mkdir(parents=True)
        first = int(table.starts[number])
        for row in range(count):
            Image.fromarray(table.images[first + row][0]).save(place / f"{row}.png")
    return tmp_path / "My Birds"


def test_a_folder_becomes_a_recommendation_and_a_prediction(tmp_path, experience):
    folder = folder_of(tmp_path, [6, 7, 8])
    notes = []
    found = mlw.recommend(
        folder,
        train_on="glyphs:channels=3,size=84",
        experience=experience,
        size=2,
        shots=9,
        backbone="conv4:width=8",
        out=tmp_path / "runs",
        note=notes.append,
        **QUICK,
    )
    assert any("becomes the data set my-birds" in note for note in notes)
    assert "5 shots instead of 9, because class bird0 has 6 images" in notes
    assert set(found.table["method"]) == {"protonet", "metaoptnet"}
    assert (found.ways, found.shots, found.queries) == (3, 5, 1)
    first = found.table.iloc[0]
    assert first["method"] == found.method
    assert first["difference"] == 0
    assert first["expected"] >= 0
    assert found.table["static"].sum() == 1
    assert (found.table["accuracy_interval"] >= 0).all()
    assert found.tasks["task"].nunique() == 4
    by_method = found.tasks.groupby("algorithm")["accuracy"].mean()
    for _, row in found.table.iterrows():
        assert row["accuracy"] == pytest.approx(by_method[row["method"]])
    predicted = mlw.predict(found.run, support=folder, query=folder / "bird0" / "0.png")
    assert predicted.classes == ("bird0", "bird1", "bird2")


def test_what_the_images_do_not_tell_apart_stays_in_the_order_of_experience(tmp_path, experience):
    found = mlw.recommend(
        "glyphs",
        candidates=["nearest_pixel", "protonet"],
        experience=experience,
        ways=5,
        shots=1,
        out=tmp_path / "runs",
        **QUICK,
    )
    apart = found.table.iloc[1]
    if found.method == "nearest_pixel":  # not the first of the ranking, so it was told apart
        assert apart["difference"] + apart["difference_interval"] < 0


@pytest.mark.parametrize(
    ("gain", "chosen"), [(0.02, "usual"), (0.4, "better")], ids=["not told apart", "told apart"]
)
def test_the_first_of_the_ranking_is_kept_unless_the_images_tell_it_from_the_best(gain, chosen):
    noise = np.random.default_rng(0).normal(0, 0.05, (2, 40))
    rows = []
    for number, (method, mean) in enumerate((("usual", 0.5), ("better", 0.5 + gain))):
        for task, error in enumerate(noise[number]):
            row = {"run": f"{method}-1", "algorithm": method, "options": "", "task": task}
            rows.append({**row, "accuracy": mean + error})
    expected = pd.Series({"usual": 0.01, "better": 0.05})
    split = EvaluationSettings(ways=3, shots=5, queries=5)
    found = _in_order(pd.DataFrame(rows), split, 30, expected, "usual")
    assert found["method"].iloc[0] == chosen
    assert found["static"].tolist() == [chosen == "usual", chosen != "usual"]
    assert found["difference"].iloc[0] == 0


def test_folders_with_two_images_of_a_class_are_refused(tmp_path, experience):
    folder = folder_of(tmp_path, [5, 2, 5])
    with pytest.raises(DataError, match=r"bird1 of my-birds has 2 images.*add images.*mlw compare"):
        mlw.recommend(folder, experience=experience, out=tmp_path / "runs", **QUICK)
    assert not (tmp_path / "runs").exists()


def test_a_table_that_knows_nothing_else_is_refused(tmp_path, experience):
    table = pd.read_csv(experience)
    table.assign(data="glyphs:size=20").to_csv(experience, index=False)
    with pytest.raises(DataError, match="has no data set but glyphs"):
        mlw.recommend("glyphs", experience=experience, out=tmp_path / "runs", **QUICK)


def test_experience_is_learnt_from_runs(tmp_path):
    frame = mlw.compare(
        ["nearest_pixel", "protonet"],
        on="glyphs",
        shots=[1, 5],
        episodes=3,
        steps=2,
        validate_every=0,
        out=tmp_path / "runs",
    )
    path = tmp_path / "experience.csv"
    table = mlw.learn_experience(tmp_path / "runs", experience=path)
    assert len(table) == 4
    expected = frame.groupby(["algorithm", "shots"])["accuracy"].mean()
    for _, row in table.iterrows():
        assert row["accuracy"] == pytest.approx(expected[row["method"], row["shots"]])
    assert np.isfinite(pd.read_csv(path)[list(Landmarks._fields)]).all(axis=None)
