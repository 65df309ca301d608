"""`mlw eval`: runs on test tasks, as they were trained for or as asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_lines import SMALL, check_refused
from resealed import rewrite

import workbench
from workbench.experiments.run import Run
from workbench.experiments.traced import traces
from workbench.results.frame import read_tasks
from workbench.results.traces import read_traces, write_traces


@pytest.fixture
def run(mlw):
    """A trained run folder."""
    code, output, errors = mlw("train protonet --shots 2", *SMALL)
    assert code == 0, errors
    return Path(output.strip())


def cells_of(mlw, line):
    code, output, errors = mlw(f"eval {line} --json --device cpu")
    assert code == 0, errors
    return json.loads(output)


def test_one_row_per_ways_and_shots(mlw, run):
    code, output, errors = mlw(f"eval {run} --shots 1 2 --episodes 20")
    assert code == 0
    assert output.partition("\n§")[0].count("protonet") == 2
    assert len(list(run.glob("eval/*.parquet"))) == 2
    assert f"one row per task: {run}/eval" in errors
    cells = cells_of(mlw, f"{run} --ways 3 4 --episodes 4")
    assert [(cell["ways"], cell["shots"]) for cell in cells] == [(3, 2), (4, 2)]


def test_what_is_omitted_is_what_it_was_trained_for(mlw, run):
    (cell,) = cells_of(mlw, f"{run} --episodes 4")
    expected = {
        "algorithm": "protonet",
        "test_on": "glyphs",
        "ways": 5,
        "shots": 2,
        "queries": 15,
        "episodes": 4,
        "task_seed": 0,
        "split": "test",
        "oracle": False,
        "train_sets": ["glyphs"],
    }
    assert {name: cell[name] for name in expected} == expected


def test_options_reach_the_test_tasks(mlw, run):
    line = f"{run} --queries 3 --task-seed 7 --split val --protocol unbalanced:alpha=5"
    (cell,) = cells_of(mlw, f"{line} --episodes 4 --on glyphs:seed=1")
    assert (cell["queries"], cell["task_seed"], cell["split"]) == (3, 7, "val")
    assert (cell["protocol"], cell["test_on"]) == ("unbalanced:alpha=5", "glyphs:seed=1")


def test_ways_that_vary_are_null_in_json(mlw, run):
    (cell,) = cells_of(mlw, f"{run} --protocol meta-dataset --episodes 4")
    assert (cell["ways"], cell["shots"], cell["queries"]) == (None, None, None)
    output = mlw(f"eval {run} --protocol meta-dataset --episodes 4")[1]
    assert "vary" in output


def test_two_specs_of_one_data_set_are_one_row(mlw, run):
    cells = cells_of(mlw, f"{run} --on glyphs glyphs:seed=0 --episodes 4")
    assert [cell["test_on"] for cell in cells] == ["glyphs"]
    assert cells[0]["episodes"] == 4


def test_what_is_named_twice_is_evaluated_once(mlw, run):
    (cell,) = cells_of(mlw, f"{run} {run} runs --shots 1 1 --ways 5 5 --episodes 4")
    assert (cell["episodes"], cell["seeds"]) == (4, 1)


def test_what_was_trained_on_several_data_sets_is_evaluated_on_each(mlw):
    code, output, errors = mlw("train protonet --on glyphs glyphs:seed=1", *SMALL)
    assert code == 0, errors
    cells = cells_of(mlw, f"{output.strip()} --episodes 4")
    assert [cell["test_on"] for cell in cells] == ["glyphs", "glyphs:seed=1"]
    assert {cell["train_on"] for cell in cells} == {"glyphs + glyphs:seed=1"}
    assert [cell["train_sets"] for cell in cells] == [["glyphs", "glyphs:seed=1"]] * 2


def test_a_folder_of_runs_is_evaluated_on_the_same_tasks(mlw, run):
    mlw("train baseline", *SMALL)
    code, output, errors = mlw("eval runs --ways 5 --shots 1 --episodes 4 --device cpu")
    assert code == 0, errors
    assert "best" in output
    assert "one row per task: eval/ in each run folder" in errors


def test_a_renamed_run_and_its_copy(mlw, run):
    (before,) = cells_of(mlw, f"{run} --episodes 4")
    renamed = run.rename(run.with_name("my $x$ [bold] run"))
    shutil.copytree(renamed, run.with_name("the same again"))
    code, output, errors = mlw("eval runs --json --episodes 4")
    assert code == 0, errors
    assert json.loads(output) == [before]
    assert f"left out: runs/the same again, because {renamed} is a copy of it" in errors
    frame = workbench.evaluate(renamed, episodes=4)
    assert set(frame["run"]) == {renamed.name}


def test_a_run_of_another_format_is_one_sentence(mlw, run):
    rewrite(run, "format = 3", "format = 1")
    words = ["was written in format 1", "reads format 3", "train again"]
    check_refused(mlw, f"eval {run}", 1, words)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("nothing", 1, ["no runs in nothing"]),
        ("RUN --ways 200", 1, ["200 ways", "160 classes"]),
        ("RUN --ways 1", 2, ["ways=1: must be at least 2"]),
        ("RUN --split holdout", 2, ["split=holdout: must be train|val|test"]),
        ("RUN --on glyphs:size=20", 2, ["was trained on images of 1 x 28 x 28"]),
        ("RUN --on omniglott", 2, ["Did you mean omniglot?"]),
        ("RUN --device tpu9", 2, ["no device 'tpu9'"]),
        ("RUN --shots", 2, ["--shots needs a value"]),
        ("RUN --shots=x", 2, ["whole numbers, not 'x'"]),
    ],
)
def test_bad_input_gets_one_sentence(mlw, run, line, code, words):
    check_refused(mlw, f"eval {line.replace('RUN', str(run))}", code, words)


@pytest.mark.parametrize("option", ["--seed 1", "--train-queries 3"])
def test_options_of_a_training_are_no_options_of_an_evaluation(mlw, run, option):
    code, output, errors = mlw(f"eval {run} {option}")
    assert (code, output) == (2, "")
    assert "There is no argument" in errors
    assert not (run / "eval").exists()


def test_a_list_says_by_which_seed_its_rows_differ(mlw, run):
    assert mlw(f"eval {run} --episodes 4")[0] == 0
    assert mlw(f"eval {run} --episodes 4 --task-seed 3")[0] == 0
    output = mlw("report")[1]
    assert "task seed" in output


def test_runs_that_cannot_be_evaluated_are_left_out_with_the_reason(mlw, run):
    for name in ("unfinished", "damaged", "unreadable"):
        shutil.copytree(run, run.with_name(name))
    Path("runs/unfinished/weights.safetensors").unlink()
    weights = Path("runs/damaged/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\0")
    Path("runs/unreadable/run.toml").write_text("format = ")
    Path("runs/comparisons/protonet-1").mkdir(parents=True)
    every = " ".join(map(str, Path("runs").glob("[!.]*")))  # as a shell writes `runs/*`
    for places in ("runs", every):
        code, output, errors = mlw(f"eval {places} --episodes 4 --json --device cpu")
        assert code == 0, errors
        (cell,) = json.loads(output)
        assert cell["algorithm"] == "protonet"
        assert "left out: runs/unfinished lacks weights.safetensors; run again: mlw train" in errors
        assert "left out: runs/damaged" in errors  # as damaged, or as a copy
        assert "left out: runs/unreadable/run.toml could not be read" in errors
        assert "comparisons" not in errors
    code, output, errors = mlw(f"report {every}")
    assert code == 0, errors
    assert Path("report.html").is_file()
    check_refused(mlw, "eval runs/damaged runs/unreadable", 1, ["is damaged, or was changed"])


def test_a_run_by_a_plugin_that_is_gone_is_left_out(mlw, run):
    gone = run.with_name("gone")
    shutil.copytree(run, gone)
    rewrite(gone, 'algorithm = "protonet"', 'algorithm = "vanished"')
    code, output, errors = mlw("eval runs --episodes 4 --json --device cpu")
    assert code == 0, errors
    (cell,) = json.loads(output)
    assert cell["algorithm"] == "protonet"
    assert f"left out: {gone}, because There is no algorithm 'vanished'" in errors
    check_refused(mlw, f"eval {gone}", 2, ["There is no algorithm 'vanished'"])


def test_a_trace_shows_each_step_of_adapting(mlw):
    code, output, errors = mlw(
        "train maml:test_steps=2 --shots 2", *SMALL[:-2], "--backbone", "conv4:norm=batch,width=4"
    )
    assert code == 0, errors
    folder = Path(output.strip())
    code, _, errors = mlw(f"eval {folder} --episodes 6 --trace 3")
    assert code == 0, errors
    assert f"one row per task and step of adapting: {folder}/eval/traces" in errors
    frame = traces([folder.name], folder.parent)
    assert frame.groupby(["task", "step", "part"]).ngroups == len(frame) == 3 * 3 * 2
    (path,) = folder.glob("eval/traces/*.parquet")
    written = path.stat().st_mtime_ns
    assert mlw(f"eval {folder} --episodes 6 --trace 3")[0] == 0
    assert path.stat().st_mtime_ns == written  # what was traced before is read
    assert mlw("report")[0] == 0
    assert "Inside adaptation" in Path("report.html").read_text()
    path.write_bytes(b"damaged")
    code, _, errors = mlw("report")
    assert code == 0
    assert f"left out: {path} is damaged" in errors
    assert "Inside adaptation" not in Path("report.html").read_text()


def test_a_trace_keeps_every_question_of_a_sequence(mlw, run):
    code, _, errors = mlw(f"eval {run} --protocol prequential --shots 2 --episodes 3 --trace 3")
    assert code == 0, errors
    frame = traces([run.name], run.parent)
    ways = frame["ways"].iloc[0]
    assert len(frame) == 3 * (2 * ways - 1) * 2  # all but the first example, support and query
    query = frame[frame["part"] == "query"]
    assert set(query["support"]) == set(range(1, 2 * ways))
    (path,) = run.glob("eval/*-3-*.parquet")
    second = read_tasks(path).query("instance == 2").set_index("task")["accuracy"]
    by_task = query[query["instance"] == 2].groupby("task")["accuracy"].mean()
    assert by_task.to_list() == second.to_list()
    assert mlw("report")[0] == 0
    assert "Inside adaptation" in Path("report.html").read_text()


def test_a_report_shows_no_trace_of_other_images_or_code(mlw, run):
    assert mlw(f"eval {run} --episodes 6 --trace 3")[0] == 0
    (path,) = run.glob("eval/traces/*.parquet")
    for column, value in (("code", "0000000"), ("test_fingerprint", "0000000")):
        write_traces(read_traces(path).assign(**{column: value}), path)
        assert mlw("report")[0] == 0
        assert "Inside adaptation" not in Path("report.html").read_text()


def test_how_many_tasks_to_trace(mlw, run):
    check_refused(mlw, f"eval {run} --trace 0", 2, ["trace", "1 to 10"])


def test_several_shots_where_the_protocol_draws_them_are_refused_before_anything_runs(mlw, run):
    words = ["meta-dataset draws the shots of each task itself", "--shots", "give one"]
    check_refused(mlw, "compare protonet --protocol meta-dataset --shots 1 5", 2, words)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("eval {run} --protocol meta-dataset --shots 1 5", "shots"),
        ("eval {run} --protocol meta-dataset:max_ways=9 --ways 5", "ways"),
        ("eval {run} --protocol meta-dataset --queries 3", "queries"),
        ("eval {run} --protocol prequential --shots 3 --queries 3", "queries"),
        ("compare protonet --protocol meta-dataset --ways 5 --shots 5 --queries 3", "queries"),
        ("compare protonet --protocol prequential --shots 3 --queries 3", "queries"),
    ],
)
def test_numbers_that_the_protocol_does_not_take_are_refused(mlw, run, line, name):
    words = [f"draws the {name} of each task itself, so --{name} would change nothing; omit it"]
    check_refused(mlw, line.format(run=run), 2, words)
    assert not list(run.glob("eval/*"))


def test_it_says_where_validation_classes_allow_fewer_ways_or_shots_than_asked(mlw):
    """A run is validated on tasks of as many ways as there are, and evaluated alike."""
    run = mlw("train protonet --ways 500 --shots 40 --train-ways 5 --train-shots 2", *SMALL)[1]
    folder = Path(run.strip())
    shape = Run(folder).plan.validation
    errors = mlw(f"eval {folder} --episodes 4")[2]
    for name in ("ways", "shots"):
        used = getattr(shape, name)
        words = f"evaluated at {used} {name}, as many as the validation classes of glyphs allow"
        assert words in errors
    errors = mlw(f"eval {folder} --episodes 4 --ways 5 --shots 1")[2]
    assert "as many as" not in errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--split val", ", of val classes"),
        ("--protocol unbalanced:alpha=5", ", drawn by unbalanced:alpha=5"),
        ("--queries 3", ", queries per class: 3"),
        ("", "over 4 tasks"),
    ],
)
def test_the_table_says_what_is_not_as_usual_of_its_tasks(mlw, run, options, words):
    output = mlw(f"eval {run} --episodes 4 {options}")[1]
    title = " ".join(output.partition("algorithm")[0].split())
    assert title.endswith(words)
