"""Searches of real trainings: what is judged, what is kept, and what a kill changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from small_runs import CLOCKS, run_names

import workbench as mlw
from workbench.data.opening import OpenDataset
from workbench.errors import DataError, RunError, UsageError
from workbench.experiments.run import Run, find_runs
from workbench.tasks.settings import EvaluationSettings
from workbench.testing import tiny_data
from workbench.tuning.search import validation_tasks_for

MLW = str(Path(sys.executable).with_name("mlw"))
FEW = {
    "backbone": "conv4:width=4",
    "steps": 9,
    "validate_every": 1,
    "validate_tasks": 4,
    "train_ways": 4,
    "episodes": 10,
    "device": "cpu",
}
OVER = ["lr=1e-4..1e-1", "distance=euclidean,cosine"]


def tuned(out, algorithm="protonet", over=OVER, **given):
    return mlw.tune(algorithm, over=over, out=out, **{**FEW, **given})


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """A search with nine trials, and its folder of runs."""
    out = tmp_path_factory.mktemp("nine") / "runs"
    return tuned(out, trials=9), out


def test_a_search_ends_with_a_spec_and_a_paired_comparison(nine):
    found, out = nine
    assert found.trials["trial"].nunique() == 9
    ended = found.trials[found.trials["ended"]]
    assert 2 <= len(ended) < 9
    assert 0 in set(ended["trial"])
    best = ended.loc[ended["accuracy"].idxmax()]
    assert bool(best["chosen"])
    labels = set(found.tasks["options"])
    assert found.spec.startswith("protonet")
    assert found.spec.partition(":")[2] in labels
    assert len(set(found.tasks.groupby("options")["task"].apply(tuple))) == 1  # the same tasks
    assert sorted(run_names(out)) == sorted(set(found.tasks["run"]))


def test_only_tuned_rows_say_so(nine):
    found, _ = nine
    by_options = found.tasks.groupby("options")["tuned"].first()
    chosen = found.spec.partition(":")[2]
    assert by_options[chosen] == "validation tasks of glyphs, 9 trials"
    assert set(by_options.drop(chosen)) <= {""}
    again = mlw.compare(found.spec, out=nine[1], **FEW)
    assert set(again["tuned"]) == {"validation tasks of glyphs, 9 trials"}


def test_every_trial_is_a_run_and_what_waits_can_be_resumed(nine):
    found, _ = nine
    runs = find_runs([found.folder])
    waiting = [run for run in runs if not run.finished]
    assert waiting
    for run in waiting:
        assert (run.folder / "state.pt").is_file()
        last = run.curve().iloc[-1]
        assert last["step"] in (1, 3)
        reached = found.trials[found.trials["steps"] == last["step"]]
        assert last["val_accuracy"] in set(reached["accuracy"])


def test_trials_are_judged_on_validation_tasks_alone(nine):
    found, _ = nine
    for run in find_runs([found.folder]):
        if run.finished:
            assert set(run.evaluations()["split"]) == {"val"}


def test_a_report_of_all_that_lies_beside_the_runs_leaves_trials_out(nine, tmp_path):
    found, out = nine
    frame = mlw.report(sorted(out.glob("[!.]*")), out=tmp_path / "report.html")
    assert set(frame["run"]) == set(found.tasks["run"])
    trials = mlw.report(found.folder, out=tmp_path / "trials.html")
    assert set(trials["split"]) == {"val"}


def test_figures_and_trials_are_written(nine):
    folder = nine[0].folder
    written = pd.read_csv(folder / "trials.csv")
    assert len(written) == len(nine[0].trials)
    assert (folder / "history.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_call_again_trains_nothing_and_more_trials_go_on(nine):
    found, out = nine
    told = []
    again = tuned(out, trials=9, note=told.append)
    pd.testing.assert_frame_equal(again.trials, found.trials)
    assert not [line for line in told if "on validation tasks" in line]
    more = tuned(out, trials=11, note=told.append)
    assert more.folder == found.folder
    assert more.trials["trial"].nunique() == 11
    first = more.trials.groupby("trial").first().head(9)
    pd.testing.assert_frame_equal(
        first[["options", "steps", "accuracy"]],
        found.trials.groupby("trial").first()[["options", "steps", "accuracy"]],
    )
    assert set(more.tasks.loc[more.tasks["tuned"] != "", "tuned"]) <= {
        "validation tasks of glyphs, 11 trials"
    }


def test_going_on_gives_what_an_uninterrupted_training_gives(nine):
    found, out = nine
    chosen = found.tasks[found.tasks["options"] == found.spec.partition(":")[2]]
    (name,) = set(chosen["run"])
    spec = found.spec
    fresh = mlw.train(
        spec, out=out.parent / "elsewhere", **{k: FEW[k] for k in FEW if k != "episodes"}
    )
    assert fresh.folder.name == name
    assert (fresh.folder / "weights.safetensors").read_bytes() == (
        out / name / "weights.safetensors"
    ).read_bytes()
    assert Run(out / name).manifest.training == fresh.manifest.training


def test_a_configuration_that_breaks_down_is_passed_over(tmp_path):
    few = {"steps": 2, "train_ways": 5, "backbone": "conv4:norm=batch,width=4"}
    over = ["inner_lr=0.1,1e30"]
    found = tuned(tmp_path, "fomaml:meta_batch=1", over, trials=5, **few)
    failed = found.trials[found.trials["failed"] != ""]
    assert len(failed)
    assert set(failed["options"]) == {"inner_lr=1e+30"}
    assert failed["accuracy"].isna().all()
    assert "The loss is" in failed["failed"].iloc[0]
    assert not failed["chosen"].any()


def test_a_configuration_that_the_data_do_not_allow_is_passed_over(tmp_path):
    """Without an end to the ways of its tasks; the default has 4."""
    found = tuned(tmp_path, over=["train_ways=4000,5000"], trials=3)
    failed = found.trials[found.trials["options"] != ""]
    assert len(failed) == 2
    assert failed["failed"].str.contains("000 ways are more than the").all()
    assert found.spec == "protonet"


def test_defaults_that_cannot_be_trained_are_refused_at_once(tmp_path):
    told = []
    with pytest.raises(UsageError, match="embeds each image alone"):
        tuned(tmp_path, backbone="conv4:norm=batch,width=4", note=told.append)
    assert not [line for line in told if "broke down" in line]


def test_what_is_proposed_twice_has_the_same_accuracies_twice(tmp_path):
    found = tuned(tmp_path, over=["distance=euclidean,cosine"], trials=6, steps=6)
    named = found.trials.assign(options=found.trials["options"].replace("", "distance=euclidean"))
    assert named.groupby("options")["trial"].nunique().sum() == 6
    assert set(named.groupby(["options", "steps"])["accuracy"].nunique()) == {1}


def test_a_search_with_random_proposals_is_another_search(tmp_path):
    one = tuned(tmp_path, trials=2, sampler="random")
    other = tuned(tmp_path, trials=2, sampler="tpe")
    assert one.folder != other.folder


def test_methods_are_tuned_with_equal_budgets_in_one_comparison(tmp_path):
    frame = mlw.compare(["protonet", "matching"], tuned=2, out=tmp_path, **FEW)
    assert list(frame["algorithm"].unique()) == ["protonet", "matching"]
    folders = list((tmp_path / "tuning").glob("[!.]*"))
    assert len(folders) == 2
    for folder in folders:
        assert pd.read_csv(folder / "trials.csv")["trial"].nunique() == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"over": "steps=10..100"}, "decides how far trials are trained"),
        ({"algorithm": "protonet:lr=0.1", "over": "lr=1e-3..1"}, "do one of the two"),
        ({"shots": [1, 5]}, "--shots 1"),
        ({"trials": 0}, "trials"),
        ({"hours": 0}, "hours"),
        ({"sampler": "grid"}, "tpe|random"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(tmp_path, given, words):
    with pytest.raises(UsageError) as error:
        tuned(tmp_path / "runs", **given)
    assert words in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_data_without_validation_classes_are_refused():
    tables = tiny_data().members[0].tables
    dataset = OpenDataset("own", "own", {name: tables[name] for name in ("train", "test")})
    with pytest.raises(DataError, match="no validation classes"):
        validation_tasks_for(dataset, EvaluationSettings(ways=3), 10)


def test_hours_that_end_before_a_trial_lose_nothing(tmp_path):
    with pytest.raises(RunError, match="more --hours to the same command"):
        tuned(tmp_path, trials=3, hours=1e-6)
    (folder,) = (tmp_path / "tuning").glob("[!.]*")
    found = tuned(tmp_path, trials=3, hours=1.0)
    assert found.folder == folder
    assert found.trials["trial"].nunique() == 3


def command(out):
    few = ["--backbone", "conv4:width=4", "--steps", "20", "--episodes", "20", "--device", "cpu"]
    spec = "protonet:validate_every=2,validate_tasks=10,train_ways=4"
    line = [MLW, "tune", spec, "--trials", "6", "--over", *OVER, *few, "--out", str(out)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def size_of(out):
    return sum(path.stat().st_size for path in out.glob("tuning/*/journal.log"))


@pytest.mark.timeout(1200)
def test_killed_five_times_it_finishes_the_same(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = command(whole)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    for _ in range(5):
        before = size_of(killed)
        process = command(killed)
        until = time.monotonic() + 120
        while size_of(killed) <= before + 200 and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    process = command(killed)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    (one,), (other,) = whole.glob("tuning/[!.]*"), killed.glob("tuning/[!.]*")
    assert one.name == other.name
    pd.testing.assert_frame_equal(
        pd.read_csv(other / "trials.csv"), pd.read_csv(one / "trials.csv"), check_exact=True
    )
    frames = []
    for out in (whole, killed):
        (path,) = out.glob("comparisons/*/tasks.parquet")
        frames.append(pd.read_parquet(path).drop(columns=CLOCKS))
    pd.testing.assert_frame_equal(*frames, check_exact=True)
