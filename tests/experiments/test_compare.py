"""Comparisons: shared tasks, finished cells never computed twice, kill -9, changed methods."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench as mlw
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError, UnknownName, UsageError
from workbench.experiments.run import Run, learning_curves
from workbench.plugin.registry import registry
from workbench.tasks.splits import open_data, refuse_leak

CLOCKS = ["adapt_seconds", "train_seconds", "eval_seconds"]
MLW = [str(Path(sys.executable).with_name("mlw"))]
SMALL = {"steps": 4, "episodes": 12, "backbone": None, "validate_every": 2, "validate_tasks": 4}


def small(algorithms, out, **options):
    return mlw.compare(algorithms, out=out, **{**SMALL, **options})


def test_every_method_is_judged_on_the_same_tasks(tmp_path):
    frame = small(["protonet", "baseline:head_epochs=3"], tmp_path, shots=[1, 5])
    assert len(frame) == 2 * 2 * 12
    for _, cell in frame.groupby(["algorithm", "shots"]):
        assert list(cell["task"]) == list(range(12))
    assert frame.groupby("algorithm")["run"].nunique().to_dict() == {"baseline": 1, "protonet": 2}
    assert set(frame["options"]) == {"", "head_epochs=3"}
    folder = next((tmp_path / "comparisons").iterdir())
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "tasks.parquet",
        "summary.csv",
        "differences.csv",
        "accuracy.png",
        "differences.png",
    }
    assert pd.read_parquet(folder / "tasks.parquet").equals(frame)


def test_the_same_seed_gives_the_same_frame_twice(tmp_path):
    frames = [
        small(["protonet", "maml"], tmp_path / str(again)).drop(columns=CLOCKS)
        for again in range(2)
    ]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    other = small(["protonet"], tmp_path / "other", task_seed=1)
    assert not other["accuracy"].equals(frames[0].query("algorithm == 'protonet'")["accuracy"])


def test_seeds_are_trainings_of_their_own(tmp_path):
    frame = small(["protonet"], tmp_path, seeds=2)
    assert sorted(frame["train_seed"].unique()) == [0, 1]
    assert frame["run"].nunique() == 2


def test_several_backbones_are_an_axis(tmp_path):
    frame = small(["protonet"], tmp_path, backbone=["conv4:width=8", "conv4:width=16"], steps=1)
    assert set(frame["backbone"]) == {"conv4:width=8", "conv4:width=16"}


def test_what_cannot_be_is_said_before_anything_is_trained(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean maml"):
        small(["protonet", "mamml"], tmp_path)
    with pytest.raises(DataError, match="200 ways are more than the 160 classes"):
        small(["protonet"], tmp_path, ways=[5, 200])
    with pytest.raises(DataError, match="20 shots leave no query"):
        small(["protonet"], tmp_path, shots=[1, 20])
    with pytest.raises(DataError, match="come in no groups"):
        small(["protonet"], tmp_path, protocol="within-group")
    with pytest.raises(UnknownName, match="Did you mean meta-dataset"):
        small(["protonet"], tmp_path, protocol="metadataset")
    with pytest.raises(UsageError, match="fixed number of ways"):
        small(["maml:train_protocol=meta-dataset"], tmp_path)
    with pytest.raises(UsageError, match="for tests; train by"):
        small(["protonet:train_protocol=prequential"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_protocols_give_rows_of_their_own_form(tmp_path):
    frame = small(
        ["protonet", "baseline:head_epochs=3"],
        tmp_path,
        protocol="meta-dataset:max_ways=9",
        steps=0,
    )
    assert set(frame["protocol"]) == {"meta-dataset:max_ways=9"}
    assert set(frame["ways"]) == {0}
    assert frame["task_ways"].between(5, 9).all()
    assert (frame["support"] >= frame["task_ways"]).all()
    assert frame["support"].nunique() > 4
    sequence = small(["protonet"], tmp_path, protocol="prequential", shots=4, steps=0)
    assert sequence.groupby("task")["instance"].apply(list).map(tuple).unique().tolist() == [
        (1, 2, 3, 4)
    ]
    means = sequence.groupby("instance")["accuracy"].mean()
    assert means[4] > means[1]  # what was never seen cannot be known
    stream = small(["protonet"], tmp_path, protocol="stream", ways=6, steps=0)
    assert sorted(stream["instance"].unique()) == [1, 2, 4, 6]
    assert (
        stream.query("instance == 1")["accuracy"] == 1
    ).all()  # one class was met: there is nothing to confuse
    uneven = small(["protonet"], tmp_path, protocol="unbalanced", steps=0)
    assert (uneven["accuracy"] * 75 % 1).max() < 1e-6


def test_tasks_of_any_form_can_be_trained_on(tmp_path):
    frame = small(["protonet:train_protocol=meta-dataset"], tmp_path, steps=3, validate_every=1)
    curve = learning_curves(frame["run"].unique(), tmp_path)
    assert curve["loss"].notna().all()
    assert curve["val_accuracy"].notna().all()


def test_trained_on_one_data_set_judged_on_others(tmp_path):
    frame = small(
        ["protonet", "maml"], tmp_path, train_on="glyphs", on=["glyphs", "glyphs:seed=1"], steps=1
    )
    assert frame.groupby("algorithm")["run"].nunique().to_dict() == {"maml": 1, "protonet": 1}
    assert list(frame["test_on"].unique()) == ["glyphs", "glyphs:seed=1"]
    assert set(frame["train_on"]) == {"glyphs"}
    folder = Path(frame.attrs["folder"])
    assert (folder / "heatmap.png").read_bytes().startswith(b"\x89PNG")
    cells = pd.read_csv(folder / "summary.csv")
    assert {"baseline", "to_baseline", "selection", "pretrained_on", "overlap"} <= set(cells)


def tiny(name, classes, images=8, size=16):
    """A user's own data set: fewer than 15 classes are all for test."""
    folder = Path(os.environ["MLW_CACHE"]) / "tiny images" / name
    chance = np.random.default_rng(classes)
    for number in range(classes):
        place = folder / f"class {number:02d}"
        place.mkdir(parents=True)
        for image in range(images):
            pixels = chance.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels // 2 + 6 * number).save(place / f"{image}.png")
    add_folder(f"{name}:size={size}", folder)
    return name


@pytest.fixture
def benchmark_data(tmp_path, monkeypatch):
    """One source with training classes and four targets without, as in CDFSL."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    open_data.cache_clear()
    yield (
        tiny("source", 20),
        [tiny(name, 5, 8 + 2 * i) for i, name in enumerate(("crops", "land", "skin", "chests"))],
    )
    open_data.cache_clear()


def test_one_source_four_targets_and_three_shots_are_one_table(benchmark_data, tmp_path):
    source, targets = benchmark_data
    out = tmp_path / "runs"
    options = {
        "train_on": source,
        "on": targets,
        "shots": [1, 2, 4],
        "queries": 4,
        "steps": 1,
        "episodes": 3,
    }
    frame = small(["baseline:head_epochs=2"], out, **options)
    cells = pd.read_csv(Path(frame.attrs["folder"]) / "summary.csv")
    assert cells[["test_on", "shots"]].to_numpy().tolist() == [
        [place, shots] for place in targets for shots in (1, 2, 4)
    ]
    assert set(cells["train_on"]) == {source}
    assert set(cells["ways"]) == {5}
    assert frame["run"].nunique() == 1  # it draws no tasks: one training serves all
    notes: list[str] = []
    judged = small(
        ["baseline:head_epochs=2"],
        out,
        note=notes.append,
        **options | {"shots": [1, 8], "queries": 2},
    )
    assert {place for place, shots in judged[["test_on", "shots"]].to_numpy() if shots == 8} == {
        *targets
    } - {"crops"}
    assert set(judged.loc[judged["shots"] == 1, "test_on"]) == {*targets}
    assert [each for each in notes if "left out" in each] == [
        "left out: 8 shots leave no query in the test classes of crops, where a class has 8 images; try --shots 7"
    ]
    episodic = small(["protonet"], out, **options | {"on": "chests", "shots": [8]})
    assert set(episodic["shots"]) == {8}  # though classes of 8 images trained it
    trained = stamps(out)
    with pytest.raises(
        DataError, match=r"5 shots \+ 4 queries need 9 images a class.* of 8; try --queries 3"
    ):
        small(["protonet"], out, **options | {"shots": [5]})
    assert stamps(out) == trained


def test_each_domain_left_out_once(benchmark_data, tmp_path):
    source, (target, *_) = benchmark_data
    other = tiny("other", 16)
    said = []
    options = {"ways": 2, "queries": 2, "episodes": 2, "steps": 0, "note": said.append}
    frame = small(
        ["protonet"], tmp_path / "runs", on=[source, other, target], leave_one_out=True, **options
    )
    places = frame[["test_on", "train_on"]].drop_duplicates().to_numpy().tolist()
    assert places == [[source, other], [other, source], [target, f"{source} + {other}"]]
    assert said[0] == f"only tested on, for there are no training classes: {target}"


def test_what_cannot_be_left_out_is_refused_before_training(benchmark_data, tmp_path):
    source, (target, *_) = benchmark_data
    options = {"ways": 2, "leave_one_out": True}
    with pytest.raises(
        UsageError, match="trains on the other data sets of --on; leave --train-on out"
    ):
        small(["protonet"], tmp_path / "runs", on=[source, target], train_on=source, **options)
    with pytest.raises(UsageError, match="needs several data sets"):
        small(["protonet"], tmp_path / "runs", on=source, **options)
    with pytest.raises(UsageError, match="Nothing is left to train on when source is left out"):
        small(["protonet"], tmp_path / "runs", on=[source, target], **options)
    assert not (tmp_path / "runs").exists()


def test_no_training_on_test_classes_by_another_split():
    data = {
        name: SimpleNamespace(names=names)
        for name, names in (("train", ["River", "Sea"]), ("test", ["Sea"]))
    }
    whole, usual = (
        SimpleNamespace(name="land", label=label, table=data.get)
        for label in ("land:split=all", "land")
    )
    whole.each = [whole]
    with pytest.raises(
        UsageError, match="land:split=all trains on 1 of the test classes of land, Sea for instance"
    ):
        refuse_leak(whole, usual)
    usual.each = [usual]
    refuse_leak(usual, usual)  # its own splits are its own business


def test_no_training_on_test_classes_by_a_run_that_came_before(monkeypatch):
    data = {
        name: SimpleNamespace(names=names)
        for name, names in (("train", ["River", "Sea"]), ("test", ["Sea"]))
    }
    whole, usual = (
        SimpleNamespace(name="land", label=label, table=data.get)
        for label in ("land:split=all", "land")
    )
    whole.each, now = [whole], SimpleNamespace(each=[SimpleNamespace(label="woods", name="woods")])
    monkeypatch.setattr("workbench.tasks.splits.open_data", {"land:split=all": whole}.__getitem__)
    with pytest.raises(UsageError, match="land:split=all trains on 1 of the test classes of land"):
        refuse_leak(now, usual, earlier={"woods", "land:split=all"})
    refuse_leak(now, usual, earlier={"woods", "gone"})  # what has another name is not opened


def test_what_is_named_twice_is_compared_once(tmp_path):
    frame = small(
        ["protonet", "protonet"], tmp_path / "runs", on=["glyphs", "glyphs"], shots=[1, 1]
    )
    assert len(frame) == frame["task"].nunique()
    with pytest.raises(UsageError, match="glyphs is named twice among the data sets to train on"):
        open_data("glyphs + glyphs")


def test_one_way_is_no_question(tmp_path):
    with pytest.raises(UsageError, match="type --ways 2 or more"):
        small(["protonet"], tmp_path / "runs", ways=1)
    assert not (tmp_path / "runs").exists()


def test_a_baseline_must_be_compared(tmp_path):
    with pytest.raises(UnknownName, match=r"no method 'protonets'\. Did you mean protonet"):
        small(["protonet"], tmp_path, baseline="protonets")
    assert not list(tmp_path.iterdir())


def test_trained_on_several_data_sets_at_once(tmp_path):
    together = ["glyphs", "glyphs:seed=1"]
    options = {"train_on": together, "on": "glyphs:seed=2", "steps": 3, "validate_every": 1}
    frame = small(
        ["protonet:train_protocol=meta-dataset", "protonet", "maml", "baseline"],
        tmp_path,
        **options,
    )
    assert set(frame["train_on"]) == {"glyphs + glyphs:seed=1"}
    for name in frame["run"].unique():
        run = Run(tmp_path / name)
        assert run.about["result"]["steps"] == 3
        plan = run.plan()
        assert plan.settings.stack == (1 if plan.episodic else 32)
    again = small(["protonet"], tmp_path, **options)  # read again by its label
    assert set(again["run"]) < set(frame["run"])
    with pytest.raises(
        UsageError, match="1 x 28 x 28, and those of glyphs:size=20 are 1 x 20 x 20"
    ):
        small(["protonet"], tmp_path, train_on=["glyphs", "glyphs:size=20"])


def command(out, *algorithms, **environment):
    options = [
        "--steps",
        "60",
        "--episodes",
        "30",
        "--out",
        str(out),
        "--shots",
        "1",
        "--device",
        "cpu",
    ]
    return subprocess.Popen(
        [*MLW, "compare", *algorithms, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    return output


def frame_of(out):
    newest = max(
        (out / "comparisons").glob("*/tasks.parquet"), key=lambda path: path.stat().st_mtime
    )
    return pd.read_parquet(newest).drop(columns=CLOCKS)


def stamps(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/weights.safetensors")}


def wait_for(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def test_kill_9_and_the_same_command_again(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(command(whole, "baseline", "protonet"))
    process = command(killed, "baseline", "protonet")
    wait_for(
        lambda: (
            list(killed.glob("baseline-*/eval/*.parquet"))
            and list(killed.glob("protonet-*/run.toml"))
        )
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(killed.glob("comparisons"))
    weights = next(killed.glob("baseline-*/weights.safetensors"))
    stamp = weights.stat().st_mtime_ns
    finish(command(killed, "baseline", "protonet"))
    assert weights.stat().st_mtime_ns == stamp
    pd.testing.assert_frame_equal(frame_of(killed), frame_of(whole), check_exact=True)


def test_a_changed_method_is_computed_anew_and_only_it(tmp_path):
    site = tmp_path / "site"
    package = site / "own"
    package.mkdir(parents=True)
    information = site / "own-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[mlw]\nown = own\n")
    (package / "__init__.py").write_text(
        "from workbench import hookimpl\n\n@hookimpl\ndef register_algorithms(register):\n"
        "    register('own', 'own.method:ProtoNet')\n"
    )
    (package / "recipes.toml").write_text('[[own]]\nquick = { backbone = "conv4" }\n')
    source = Path(
        sys.modules[registry().find("algorithms", "protonet").load().__module__].__file__
    ).read_text()
    (package / "method.py").write_text(source)

    path = {"PYTHONPATH": str(site)}
    out = tmp_path / "runs"
    finish(command(out, "own", "protonet", **path))
    before = stamps(out)
    (package / "method.py").write_text(
        source.replace("/ self.temperature", "/ (2 * self.temperature)")
    )
    finish(command(out, "own", "protonet", **path))
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    assert [name.partition("-")[0] for name in after.keys() - before.keys()] == ["own"]
