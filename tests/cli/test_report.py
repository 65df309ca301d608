"""`mlw report`: a table and a page of all evaluations, of each method the newest run."""

from __future__ import annotations

import json
import os
import resource
import shutil
from pathlib import Path

import pytest
from command_lines import SMALL, check_refused
from image_folders import write_noise
from resealed import rewrite

from workbench.data.image_folder.register import add_folder


def trained(mlw, line):
    code, output, errors = mlw(f"train {line}", *SMALL)
    assert code == 0, errors
    return Path(output.strip())


@pytest.fixture
def run(mlw):
    """A trained and evaluated run folder."""
    folder = trained(mlw, "protonet")
    assert mlw(f"eval {folder} --episodes 20")[0] == 0
    return folder


@pytest.fixture
def leaves(mlw, tmp_path):
    """A data set of one's own with this name, gone after the test, and a folder of other images."""
    write_noise(tmp_path / "a", 8, 6)
    assert mlw("download leaves --from a")[0] == 0
    yield write_noise(tmp_path / "b", 9, 6)
    assert mlw("download leaves --remove")[0] == 0


def test_a_page_with_figures_is_written(mlw, run, tmp_path):
    code, output, errors = mlw("report")
    assert code == 0, errors
    assert "<img" in (tmp_path / "report.html").read_text()
    assert "protonet" in output
    size = (tmp_path / "report.html").stat().st_size
    assert f"report: report.html ({size / 1e6:.1f} MB)" in errors
    assert "other images" not in errors
    code, _, errors = mlw(f"report {run} --out page.html")
    assert code == 0, errors
    assert (tmp_path / "page.html").is_file()


def test_test_tasks_are_shown_as_pictures_if_asked(mlw, run, tmp_path):
    assert "mlw report --examples 4" in written(mlw, tmp_path, "report")
    page = written(mlw, tmp_path, "report --examples 2")
    assert [f"Task {number}: of 75 queries right: protonet" in page for number in range(3)] == [
        True,
        True,
        False,
    ]
    assert "in the first 20 tasks" in page
    assert "not as right or wrong as in the evaluation" not in page
    check_refused(mlw, "report --examples 0", 2, ["examples", "1"])


def written(mlw, folder, line):
    code, _, errors = mlw(line)
    assert code == 0, errors
    return (folder / "report.html").read_text(encoding="utf-8")


def test_runs_in_a_folder_whose_name_is_not_utf_8(mlw, tmp_path):
    out = os.fsdecode(b"caf\xe9 'a'")
    code, _, errors = mlw("train protonet", *SMALL, "--out", out)
    assert code == 0, errors
    assert mlw("eval --episodes 4", out)[0] == 0
    code, _, errors = mlw("report", out)
    assert code == 0, errors
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert r"--out $&#x27;caf\xe9 \&#x27;a\&#x27;&#x27;" in page
    check_refused(
        mlw, f"train protonet:init={out.split()[0]}", 2, ["init", "must be text in UTF-8"]
    )


def test_a_run_that_is_named_twice_is_reported_once(mlw, run):
    code, output, errors = mlw(f"report {run} {run} runs --json")
    assert code == 0, errors
    (cell,) = json.loads(output)
    assert (cell["algorithm"], cell["episodes"]) == ("protonet", 20)


def test_runs_with_other_numbers_of_tasks_are_compared_on_those_they_share(mlw, run):
    other = trained(mlw, "protonet --lr 0.5")
    assert mlw(f"eval {other} --episodes 12")[0] == 0
    code, output, errors = mlw("report --json")
    assert code == 0, errors
    cells = json.loads(output)
    assert [cell["episodes"] for cell in cells] == [12, 12]
    assert sorted(cell["difference"] == 0 for cell in cells) == [False, True]
    assert "glyphs, 5-way 1-shot: only the 12 tasks that all runs met are compared, " in errors
    assert f"because of {other.name}; others met up to 20. To compare on as many: " in errors
    command = errors.split("To compare on as many: mlw ")[1].splitlines()[0]
    assert mlw(command)[0] == 0
    assert [cell["episodes"] for cell in json.loads(mlw("report --json")[1])] == [20, 20]


def test_methods_have_the_order_in_which_they_were_trained(mlw, run):
    later = trained(mlw, "baseline")
    assert mlw(f"eval {later} --episodes 20")[0] == 0
    cells = json.loads(mlw("report --json")[1])
    assert [cell["algorithm"] for cell in cells] == ["protonet", "baseline"]


def test_runs_that_differ_by_a_flag_are_reported_side_by_side(mlw, run):
    newer = trained(mlw, "protonet --lr 0.5")
    assert mlw(f"eval {newer} --episodes 20")[0] == 0
    not_evaluated = trained(mlw, "baseline")
    code, output, errors = mlw("report --json")
    assert code == 0, errors
    labels = {cell["method"] for cell in json.loads(output)}
    assert labels == {"protonet (lr=0.001)", "protonet (lr=0.5)"}
    assert "newer run" not in errors
    assert f"left out, because not evaluated yet (mlw eval): {not_evaluated.name}" in errors


def test_of_a_method_that_was_trained_twice_the_newest_is_reported(mlw, run):
    """The same training by other code has another folder, and nothing else tells them apart."""
    newer = run.with_name("protonet-glyphs-5w1s-newer")
    shutil.copytree(run, newer)
    rewrite(newer, "ended = 1", "ended = 2")  # billions of seconds later
    os.utime(newer / "weights.safetensors", (1, 1))  # a time that a copy may have
    check_that_the_newer_is_reported(mlw, run, newer)


def test_the_newest_of_runs_that_do_not_say_when_they_were_trained(mlw, run):
    newer = run.with_name("protonet-glyphs-5w1s-newer")
    rewrite(run, "ended = ", "was_ended = ")
    shutil.copytree(run, newer)
    rewrite(run, "parameters = ", "parameters = 1")
    os.utime(run / "weights.safetensors", (1, 1))
    check_that_the_newer_is_reported(mlw, run, newer)


def check_that_the_newer_is_reported(mlw, run, newer):
    code, output, errors = mlw("report --json")
    assert code == 0, errors
    assert len(json.loads(output)) == 1
    assert f"left out: {run.name}, because {newer.name} is a newer run of the same" in errors


def test_a_page_that_does_not_fit_leaves_the_earlier_one(mlw, run):
    page = Path("report.html")
    page.write_text("<!doctype html>the earlier page")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7_000, limits[1]))
    try:
        code, _, errors = mlw("report")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "cannot be written: File too large; choose another folder with --out" in errors
    assert page.read_text() == "<!doctype html>the earlier page"
    assert list(Path().glob(".*.part")) == []


def test_a_page_replaces_no_file_of_another_kind(mlw, run):
    weights = run / "weights.safetensors"
    before = weights.read_bytes()
    code, _, errors = mlw(f"report --out {weights}")
    assert code == 2
    assert "is there already, and is another kind of file; it is kept" in errors
    assert weights.read_bytes() == before


def test_a_run_without_its_weights_is_named(mlw, run):
    shutil.copytree(run, run.with_name("bare"))
    (run.with_name("bare") / "weights.safetensors").unlink()
    code, _, errors = mlw("report")
    assert code == 0, errors
    assert "left out: runs/bare lacks weights.safetensors; run again: mlw train" in errors


def test_a_folder_inside_a_run_names_the_run(mlw, run):
    code, _, errors = mlw(f"report {run}/eval")
    assert code == 1
    assert f"{run}/eval is a folder of the run {run}; give the folder: {run}" in errors


def test_a_run_and_its_copy_are_one(mlw, run, tmp_path):
    shutil.copytree(run, tmp_path / "elsewhere" / run.name)
    shutil.copytree(run, run.with_name("renamed"))
    code, output, errors = mlw("report runs elsewhere --json")
    assert code == 0, errors
    assert len(json.loads(output)) == 1
    assert errors.count("is a copy of it") == 2
    assert mlw("report elsewhere")[0] == 0


def test_images_that_changed_are_not_what_an_older_evaluation_says(mlw, run, leaves):
    """A longer evaluation on the images of before does not hide the one on those of today."""
    on = "--on leaves:size=28,channels=1 --queries 3"
    assert mlw(f"eval {run} {on} --episodes 40 --json")[0] == 0
    add_folder("leaves", leaves)
    code, output, _ = mlw(f"eval {run} {on} --episodes 4 --json")
    assert code == 0
    (expected,) = json.loads(output)
    code, output, errors = mlw("report --json")
    assert code == 0, errors
    found = [cell for cell in json.loads(output) if cell["test_on"].startswith("leaves")]
    assert [cell["accuracy"] for cell in found] == [expected["accuracy"]]
    assert found[0]["episodes"] == 4
    assert "because the images of leaves:channels=1,size=28 have changed since" in errors


def test_methods_on_other_images_of_one_name_stand_apart(mlw, run, leaves, tmp_path):
    on = "--on leaves:size=28,channels=1 --queries 3 --episodes 4"
    other = trained(mlw, "protonet --lr 0.5")
    assert mlw(f"eval {run} {on}")[0] == 0
    add_folder("leaves", leaves)
    assert mlw(f"eval {other} {on}")[0] == 0
    code, output, errors = mlw("report")
    assert code == 0, errors
    changed = "leaves:channels=1,size=28 has other images today than in the results of "
    assert f"{changed}{run.name} (fingerprint " in errors
    assert errors.count("has other images today") == 1
    assert "not compared: leaves:channels=1,size=28 had different images in these runs" in output
    assert "results on different images stand apart" in (tmp_path / "report.html").read_text()
    cells = json.loads(mlw("report --json")[1])
    apart = [cell for cell in cells if cell["test_on"].startswith("leaves")]
    assert len({cell["test_on"] for cell in apart}) == 2
    assert [cell["difference_interval"] for cell in apart] == [None, None]


def test_a_baseline_is_named(mlw, run):
    assert mlw("report --baseline protonet")[0] == 0
    code, _, errors = mlw("report --baseline protonets")
    assert code == 2
    assert "Did you mean protonet?" in errors


def test_a_damaged_curve_is_the_reason_where_no_other_run_is_left(mlw, run):
    (run / "train.csv").write_text("nothing")
    words = [f"{run.name}/train.csv is damaged", "train again with --fresh"]
    check_refused(mlw, "report", 1, words)


def test_runs_without_evaluations_are_one_sentence(mlw):
    trained(mlw, "protonet")
    check_refused(mlw, "report", 1, ["None of these runs was trained and evaluated", "mlw eval"])


@pytest.mark.parametrize("line", ["report", "report nothing"])
def test_no_runs_are_one_sentence(mlw, line):
    place = line.partition(" ")[2] or "runs"
    check_refused(mlw, line, 1, [f"no runs in {place}"])
