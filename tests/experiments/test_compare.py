"""Comparisons: shared tasks, several data sets, finished cells never computed twice."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from registered import register
from small_runs import CLOCKS, compared
from taught import Taught

from workbench.data import opening
from workbench.errors import DataError, UnknownName, UsageError
from workbench.experiments.run import Run, learning_curves
from workbench.results.baselines import baselines
from workbench.results.frame import read_tasks
from workbench.results.summary import summary


def stamps(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/weights.safetensors")}


def test_every_method_is_evaluated_on_the_same_tasks(tmp_path):
    frame = compared(["protonet", "baseline:head_epochs=3"], tmp_path, shots=[1, 5])
    assert len(frame) == 2 * 2 * 12
    for _, cell in frame.groupby(["algorithm", "shots"]):
        assert list(cell["task"]) == list(range(12))
    assert frame.groupby("algorithm")["run"].nunique().to_dict() == {"baseline": 1, "protonet": 2}
    assert set(frame["options"]) == {"", "head_epochs=3"}
    (folder,) = (tmp_path / "comparisons").iterdir()
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "tasks.parquet",
        "summary.csv",
        "differences.csv",
        "accuracy.png",
        "differences.png",
        "sureness.png",
    }
    pd.testing.assert_frame_equal(read_tasks(folder / "tasks.parquet"), frame, check_exact=True)


def test_the_same_seed_gives_the_same_frame_twice(tmp_path):
    frames = []
    for again in ("first", "second"):
        frames.append(compared(["protonet", "maml"], tmp_path / again).drop(columns=CLOCKS))
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    other = compared("protonet", tmp_path / "other", task_seed=1)
    assert not other["accuracy"].equals(frames[0].query("algorithm == 'protonet'")["accuracy"])


def test_seeds_are_trainings_of_their_own(tmp_path):
    frame = compared("protonet", tmp_path, seeds=2)
    assert sorted(frame["train_seed"].unique()) == [0, 1]
    assert frame["run"].nunique() == 2


def test_several_backbones_are_an_axis(tmp_path):
    frame = compared("protonet", tmp_path, backbone=["conv4:width=8", "conv4:width=16"], steps=1)
    assert set(frame["backbone"]) == {"conv4:width=8", "conv4:width=16"}


@pytest.mark.parametrize(
    ("algorithms", "settings", "error", "words"),
    [
        (["protonet", "mamml"], {}, UnknownName, "Did you mean maml"),
        ("protonet", {"ways": [5, 200]}, DataError, "200 ways are more than the 160 classes"),
        ("protonet", {"shots": [1, 20]}, DataError, "20 shots leave no query"),
        ("protonet", {"protocol": "within-group"}, DataError, "no groups"),
        ("protonet", {"protocol": "metadataset"}, UnknownName, "Did you mean meta-dataset"),
        ("maml:train_protocol=meta-dataset", {}, UsageError, "fixed number of ways"),
        ("protonet:train_protocol=prequential", {}, UsageError, "for tests only; train with"),
        ("protonet", {"ways": 1}, UsageError, "ways=1: must be at least 2"),
        ("protonet", {"baseline": "protonets"}, UnknownName, r"'protonets'\. Did you mean protone"),
        ("protonet", {"train_on": ["glyphs", "glyphs:size=20"]}, UsageError, "are 1 x 20 x 20"),
        (
            "protonet",
            {"epsiodes": 12},
            UnknownName,
            "no argument 'epsiodes'. Did you mean episodes",
        ),
        ("protonet", {"learning_rate": 1.0}, UnknownName, "'learning_rate'. Did you mean lr"),
        ("protonet", {"steps": -1}, UsageError, "steps=-1: must be at least 0"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(
    tmp_path, algorithms, settings, error, words
):
    with pytest.raises(error, match=words):
        compared(algorithms, tmp_path / "runs", **settings)
    assert not (tmp_path / "runs").exists()


def test_none_leaves_a_setting_as_it_is(tmp_path):
    absent = {"lr": None, "queries": None, "ways": None, "backbone": None, "train_on": None}
    frame = compared("protonet", tmp_path, steps=0, **absent)
    pd.testing.assert_frame_equal(frame, compared("protonet", tmp_path, steps=0), check_exact=True)


def test_settings_of_the_training_reach_it(tmp_path):
    frame = compared("protonet", tmp_path, steps=2, train_queries=3, lr=0.5, queries=2)
    (name,) = frame["run"].unique()
    settings = Run(tmp_path / name).plan.settings
    assert (settings.steps, settings.train_queries, settings.lr) == (2, 3, 0.5)
    assert set(frame["queries"]) == {2}


def test_protocols_give_rows_of_their_own_shape(tmp_path):
    frame = compared(
        ["protonet", "baseline:head_epochs=3"],
        tmp_path,
        protocol="meta-dataset:max_ways=9",
        steps=0,
    )
    assert set(frame["protocol"]) == {"meta-dataset:max_ways=9"}
    assert frame[["ways", "shots", "queries"]].isna().all(axis=None)
    assert frame["task_ways"].between(5, 9).all()
    assert (frame["support"] >= frame["task_ways"]).all()
    assert frame["support"].nunique() > 4
    sequence = compared("protonet", tmp_path, protocol="prequential", shots=4, steps=0)
    instances = sequence.groupby("task")["instance"].apply(tuple)
    assert set(instances) == {(1, 2, 3, 4)}
    means = sequence.groupby("instance")["accuracy"].mean()
    assert means[4] > means[1]  # what was never seen cannot be known
    stream = compared("protonet", tmp_path, protocol="stream", ways=6, steps=0)
    assert sorted(stream["instance"].unique()) == [1, 2, 4, 6]
    alone = stream.query("instance == 1")
    assert (alone["accuracy"] == 1).all()  # one class was met: there is nothing to confuse
    uneven = compared("protonet", tmp_path, protocol="unbalanced", steps=0)
    assert (uneven["accuracy"] * 75 % 1).max() < 1e-6


def test_tasks_of_any_shape_can_be_trained_on(tmp_path):
    frame = compared("protonet:train_protocol=meta-dataset", tmp_path, steps=3, validate_every=1)
    curve = learning_curves(frame["run"].unique(), tmp_path)
    assert curve["loss"].notna().all()
    assert curve["val_accuracy"].notna().all()


# --- several data sets


def test_trained_on_one_data_set_evaluated_on_others(tmp_path):
    frame = compared(
        ["protonet", "maml"], tmp_path, train_on="glyphs", on=["glyphs", "glyphs:seed=1"], steps=1
    )
    assert frame.groupby("algorithm")["run"].nunique().to_dict() == {"maml": 1, "protonet": 1}
    assert list(frame["test_on"].unique()) == ["glyphs", "glyphs:seed=1"]
    assert set(frame["train_on"]) == {"glyphs"}
    folder = Path(frame.attrs["folder"])
    assert (folder / "heatmap.png").read_bytes().startswith(b"\x89PNG")
    cells = pd.read_csv(folder / "summary.csv")
    columns = {"baseline", "to_baseline", "oracle", "selected", "selected_on", "pretrained_on"}
    assert columns <= set(cells)


def test_a_finished_comparison_needs_no_place_to_write(tmp_path):
    first = compared("protonet", tmp_path)
    comparisons = tmp_path / "comparisons"
    comparisons.rename(tmp_path / "moved")
    comparisons.touch()  # a file where the folder should be
    (run,) = {Path(path).parent for path in tmp_path.glob("*/weights.safetensors")}
    lock = tmp_path / f".{run.name}.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    notes = []
    again = compared("protonet", tmp_path, note=notes.append)
    pd.testing.assert_frame_equal(again, first, check_exact=True)
    assert "folder" not in again.attrs
    assert notes[-1].startswith(f"frames and figures were not written: {comparisons}")


def test_two_specs_of_one_data_set_are_one_column_opened_once(tmp_path, monkeypatch):
    opened = []
    prepare = opening.prepare

    def count(name, *given, **options):
        opened.append(name)
        return prepare(name, *given, **options)

    monkeypatch.setattr(opening, "prepare", count)
    frame = compared(
        ["protonet", "maml"],
        tmp_path,
        on=["glyphs", "glyphs:seed=0"],
        train_on="glyphs:seed=0",
        shots=[1, 2],
        steps=1,
    )
    assert set(frame["test_on"]) == {"glyphs"}
    assert set(frame["train_on"]) == {"glyphs"}
    assert len(frame) == 2 * 2 * 12
    assert opened == ["glyphs"]


def test_what_is_named_twice_is_compared_once(tmp_path):
    frame = compared(
        ["protonet", "protonet"], tmp_path, on=["glyphs", "glyphs"], shots=[1, 1], steps=0
    )
    assert len(frame) == frame["task"].nunique()


def test_one_source_four_targets_and_three_shots_are_one_table(own_data, tmp_path):
    """One source with training classes and four targets without, as in CDFSL."""
    source = own_data("source", 20)
    targets = []
    for number, name in enumerate(("crops", "land", "skin", "chests")):
        targets.append(own_data(name, 5, 8 + 2 * number))
    out = tmp_path / "runs"
    options = {
        "train_on": source,
        "on": targets,
        "shots": [1, 2, 4],
        "queries": 4,
        "steps": 1,
        "episodes": 3,
    }
    frame = compared("baseline:head_epochs=2", out, **options)
    cells = pd.read_csv(Path(frame.attrs["folder"]) / "summary.csv")
    conditions = [[place, shots] for place in targets for shots in (1, 2, 4)]
    assert cells[["test_on", "shots"]].to_numpy().tolist() == conditions
    assert set(cells["train_on"]) == {source}
    assert set(cells["ways"]) == {5}
    assert frame["run"].nunique() == 1  # it draws no tasks: one training serves all

    notes: list[str] = []
    fewer = options | {"shots": [1, 8], "queries": 2}
    found = compared("baseline:head_epochs=2", out, note=notes.append, **fewer)
    assert set(found.loc[found["shots"] == 8, "test_on"]) == {*targets} - {"crops"}
    assert set(found.loc[found["shots"] == 1, "test_on"]) == {*targets}
    (left_out,) = [each for each in notes if "left out" in each]
    assert left_out.startswith("left out: 8 shots leave no query")
    assert "crops" in left_out
    assert "--shots 7" in left_out
    episodic = compared("protonet", out, **options | {"on": "chests", "shots": [8]})
    assert set(episodic["shots"]) == {8}  # though classes of 8 images trained it

    before = stamps(out)
    with pytest.raises(DataError, match=r"5 shots \+ 4 queries.*9 images.*8.*--queries 3"):
        compared("protonet", out, **options | {"shots": [5]})
    assert stamps(out) == before


def test_each_domain_left_out_once(own_data, tmp_path):
    source, other, target = own_data("source", 20), own_data("other", 16), own_data("crops", 5)
    said: list[str] = []
    frame = compared(
        "protonet",
        tmp_path / "runs",
        on=[source, other, target],
        leave_one_out=True,
        ways=2,
        queries=2,
        episodes=2,
        steps=0,
        note=said.append,
    )
    places = frame[["test_on", "train_on"]].drop_duplicates().to_numpy().tolist()
    assert places == [[source, other], [other, source], [target, f"{source} + {other}"]]
    assert frame["train_sets"].drop_duplicates().tolist() == [(other,), (source,), (source, other)]
    assert said[0] == f"only tested on, without training classes: {target}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train_on": "source"}, "trains on the other data sets of --on; omit --train-on"),
        ({"on": "source"}, "needs several data sets"),
        ({}, "Nothing is left to train on when source is left out"),
    ],
)
def test_what_cannot_be_left_out_is_refused_before_training(own_data, tmp_path, settings, words):
    own_data("source", 20)
    own_data("crops", 5)
    options = {"on": ["source", "crops"], "ways": 2, "leave_one_out": True, **settings}
    with pytest.raises(UsageError, match=words):
        compared("protonet", tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()


def test_trained_on_several_data_sets_at_once(tmp_path):
    options = {
        "train_on": ["glyphs", "glyphs:seed=1"],
        "on": "glyphs:seed=2",
        "steps": 3,
        "validate_every": 1,
    }
    methods = ["protonet:train_protocol=meta-dataset", "protonet", "maml", "baseline"]
    frame = compared(methods, tmp_path, **options)
    assert set(frame["train_on"]) == {"glyphs + glyphs:seed=1"}
    assert set(frame["train_sets"]) == {("glyphs", "glyphs:seed=1")}
    for name in frame["run"].unique():
        run = Run(tmp_path / name)
        assert run.manifest.result.steps == 3
        assert run.plan.data == ("glyphs", "glyphs:seed=1")
        assert run.plan.settings.stack == (1 if run.plan.episodic else 32)
    again = compared("protonet", tmp_path, **options)  # read again
    assert set(again["run"]) < set(frame["run"])


# --- oracles


def test_a_data_set_called_oracle_makes_no_oracle(own_data, tmp_path, monkeypatch):
    register(monkeypatch, "algorithms", "taught", Taught)
    name = own_data("oracle_mnist", 40)  # a user's own images, with validation classes
    frame = compared(
        ["baseline:head_epochs=2", "taught", "taught:guess=true,sharpness=1"],
        tmp_path / "runs",
        on=name,
        backbone="conv4:width=8",
        ways=3,
        queries=2,
        episodes=4,
        steps=0,
    )
    oracles = frame.groupby("options")["oracle"].unique().map(list).to_dict()
    assert oracles == {
        "head_epochs=2": [False],
        "": [False],
        "guess=true,sharpness=1.0": [True],
    }
    chosen = frame[frame["algorithm"].eq("taught") & ~frame["oracle"]]
    assert set(chosen["selected_on"]) == {("oracle_mnist",)}
    assert set(baselines(summary(frame))) == {"baseline:head_epochs=2", "taught"}


# --- what is typed in two ways


def test_cells_that_differ_in_how_they_were_typed_are_one(tmp_path):
    twice = ["maml:inner_steps=1,first_order=true", "maml:first_order=yes,inner_steps=1"]
    frame = compared(twice, tmp_path, backbone=["conv4:norm=batch,width=8"])
    assert len(frame) == 12
    widths = ["conv4:width=8", "conv4:width=8,norm=running"]
    assert len(compared("protonet", tmp_path, backbone=widths)) == 12


def test_a_data_set_under_its_full_name_is_the_same(tmp_path):
    frame = compared("protonet", tmp_path, on=["glyphs", "mlw-vision/glyphs"])
    assert set(frame["test_on"]) == {"glyphs"}
    with pytest.raises(UsageError, match="needs several data sets"):
        compared("protonet", tmp_path, on=["glyphs", "mlw-vision/glyphs"], leave_one_out=True)
