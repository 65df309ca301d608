"""The real commands: what they print, what they write, and what bad input gets."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from places import ROOT

from workbench.cli import main

MLW = Path(sys.executable).with_name("mlw")
SMALL = ["--steps", "2", "--device", "cpu"]


@pytest.fixture
def mlw(monkeypatch, capsys, tmp_path):
    """Run a command in this process, in a folder of its own; exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(line, *more):
        words = [*line.split(), *map(str, more)]
        monkeypatch.setattr(sys, "argv", ["mlw", *words])
        code = 0
        try:
            main.run()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


def test_the_story_of_a_run(mlw, tmp_path):
    code, output, errors = mlw("train protonet", *SMALL)
    assert code == 0, errors
    run = Path(output.strip())
    assert (run / "weights.safetensors").is_file()
    assert "on tasks of 20-way 1-shot" in errors
    assert f"next: mlw eval {run}" in errors
    code, output, _ = mlw(f"eval {run} --shots 1 2 --episodes 20")
    assert code == 0
    assert output.count("protonet") == 2
    assert len(list(run.glob("eval/*.parquet"))) == 2
    code, output, _ = mlw(f"eval {run} --episodes 20 --json")
    cell = json.loads(output)[0]
    assert (cell["algorithm"], cell["shots"], cell["episodes"]) == ("protonet", 1, 20)
    facts = json.loads(mlw("info protonet --json")[1])[0]
    assert [row["tasks"] for row in facts["measured"]] == ["20", "20"]
    assert {row["run"] for row in facts["measured"]} == {run.name}
    assert json.loads(mlw("info maml --json")[1])[0]["measured"] == []
    code, output, errors = mlw("report")
    assert code == 0, errors
    assert "<img" in (tmp_path / "report.html").read_text()


def test_compare_prints_one_table_and_writes_its_files(mlw, tmp_path):
    code, output, errors = mlw(
        "compare --shots 1 2 protonet baseline:head_epochs=2 --episodes 20", *SMALL
    )
    assert code == 0, errors
    assert output.count("protonet") == 2
    assert output.count("best") == 3  # one a condition, and the heading
    assert "±" in output
    assert "frames and figures" in errors
    assert len(list(tmp_path.glob("runs/comparisons/*/accuracy.png"))) == 1


def test_published_numbers_say_where_they_come_from(mlw, tmp_path):
    output = mlw("compare protonet --published --episodes 4", *SMALL)[1]
    assert "no number is published" in output
    assert mlw("compare fomaml --episodes 4", *SMALL)[0] == 0
    (run,) = tmp_path.glob("runs/fomaml-*")
    assert "first_order = true" in (run / "run.toml").read_text()


def test_what_was_trained_on_several_data_sets_is_judged_on_each(mlw):
    code, output, errors = mlw("train protonet --on glyphs glyphs:seed=1", *SMALL)
    assert code == 0, errors
    cells = json.loads(mlw(f"eval {output.strip()} --episodes 4 --json")[1])
    assert [cell["test_on"] for cell in cells] == ["glyphs", "glyphs:seed=1"]
    assert {cell["train_on"] for cell in cells} == {"glyphs + glyphs:seed=1"}


def test_a_transductive_method_is_marked(mlw):
    code, output, _ = mlw("compare maml:meta_batch=2,validate_every=0 --episodes 4", *SMALL)
    assert code == 0
    assert "maml" in output
    assert "* transductive" in output


def test_list_and_info(mlw):
    assert "protonet" in mlw("list algorithms")[1]
    rows = json.loads(mlw("list --json")[1])
    assert {"kind": "datasets", "name": "glyphs"}.items() <= {
        k: v for r in rows if r["name"] == "glyphs" for k, v in r.items()
    }.items()
    text = mlw("info maml")[1]
    assert all(
        word in text for word in ("1703.03400", "inner_lr", "98.7 ± 0.4", "paper", "first_order")
    )
    text = mlw("info fomaml")[1]
    assert "fomaml is a name for maml:first_order=true" in text
    assert "98.3 ± 0.5" in text
    facts = json.loads(mlw("info fomaml --json")[1])[0]
    assert {o["name"]: o["default"] for o in facts["options"]}["first_order"] == "true"
    assert any(recipe["recipe"] == "paper" for recipe in facts["recipes"])  # its base's
    text = mlw("info omniglot")[1]
    assert all(
        word in text
        for word in ("MIT", "images_background.zip", "vinyals", "mlw download omniglot")
    )
    facts = json.loads(mlw("info conv4 --json")[1])
    assert [option["name"] for option in facts[0]["options"]][:3] == ["width", "norm", "pooling"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("train protonett", 2, ["algorithm 'protonett'", "Did you mean protonet?"]),
        ("compare protonet mamml", 2, ["Did you mean maml?"]),
        ("train protonet --backbone conv5", 2, ["backbone 'conv5'", "Did you mean conv4?"]),
        (
            "train protonet --backbone conv4:widht=3",
            2,
            ["no option 'widht'", "Did you mean width?", "width (int)"],
        ),
        ("train protonet --on omniglott", 2, ["data set 'omniglott'", "Did you mean omniglot?"]),
        ("train maml:inner_step=5", 2, ["Did you mean inner_steps?", "inner_lr (float)"]),
        ("train maml:inner_steps=many", 2, ["inner_steps is int"]),
        ("train maml:", 2, ["ends in a colon"]),
        ("train protonet:meta_batch=0", 2, ["meta_batch=0", "at least 1"]),
        ("train protonet --lr -1", 2, ["lr=-1", "at least 0"]),
        ("train protonet --backbone conv4:width=-4", 2, ["conv4:width=-4 cannot be", "at least 1"]),
        ("train protonet --on glyphs:size=12", 2, ["1 x 12 x 12", "too small for conv4"]),
        ("compare protonet --shots 0", 1, ["0 shots", "at least 1"]),
        ("train protonet --on omniglot", 1, ["run: mlw download omniglot"]),
        ("compare protonet --ways 200", 1, ["200 ways", "160 classes"]),
        (
            "compare protonet --shots 1 10 --queries 15",
            1,
            ["10 shots + 15 queries", "25", "20", "--queries 10"],
        ),
        (
            "compare protonet --train-on glyphs glyphs:size=20",
            2,
            ["1 x 28 x 28", "1 x 20 x 20", "glyphs:size=28"],
        ),
        (
            "compare protonet --train-on glyphs --on glyphs:size=20",
            2,
            ["1 x 28 x 28", "1 x 20 x 20", "choose one form"],
        ),
        ("train protonet --on glyphs omniglott", 2, ["data set 'omniglott'"]),
        ("compare protonet --shots 1 20", 1, ["20 shots leave no query", "--shots 19"]),
        (
            "compare protonet --protocol metadataset",
            2,
            ["protocol 'metadataset'", "Did you mean meta-dataset?"],
        ),
        ("compare protonet --protocol unbalanced:beta=1", 2, ["no option 'beta'", "alpha (int)"]),
        ("compare protonet --protocol within-group", 1, ["no groups", "--protocol way-shot"]),
        ("compare protonet:augment=crp", 2, ["augmentation 'crp'", "Did you mean crop?"]),
        ("compare protonet:train_protocol=stream", 2, ["for tests", "train by way-shot"]),
        ("train protonet --train-ways 500", 1, ["500 ways", "400 classes"]),
        ("train maml --train-ways 7", 2, ["cannot train at 7 ways for 5 at test"]),
        ("train protonet --device cuda", 2, ["no device 'cuda'", "--device cpu"]),
        ("train protonet --device tpu9", 2, ["no device 'tpu9'"]),
        ("train protonet --recipe papre", 2, ["recipe 'papre'", "quick, paper"]),
        ("train protonet --recipe paper", 2, ["no recipe 'paper' for glyphs", "omniglot"]),
        ("train protonet --precision half", 2, ["precision", "float32|bfloat16"]),
        ("train protonet --init nothing", 1, ["nothing is not a finished run"]),
        ("compare protonet --on glyphs maml", 2, ["maml is an algorithm; put it before --on"]),
        ("compare protonet --shots", 2, ["--shots needs a value"]),
        ("eval nothing", 1, ["no runs in nothing"]),
        ("report", 1, ["no runs in runs"]),
        ("info nothing", 2, ["'nothing'"]),
        ("download nothing", 2, ["data set 'nothing'"]),
        ("download omniglot --from nowhere", 2, ["nowhere does not exist"]),
    ],
)
def test_bad_input_gets_one_sentence(mlw, tmp_path, line, code, words):
    found, output, errors = mlw(line)
    assert found == code, errors
    sentence = errors.strip().splitlines()[-1]
    assert sentence.startswith("mlw: ")
    assert all(word in sentence for word in words), sentence
    assert "Traceback" not in errors
    assert output == ""
    assert not list(tmp_path.glob("runs/*/weights.safetensors"))


def test_a_run_of_another_version_is_one_sentence(mlw):
    run = Path(mlw("train protonet", *SMALL)[1].strip())
    about = run / "run.toml"
    about.write_text(about.read_text().replace("format = 1", "format = 7"))
    code, _, errors = mlw(f"eval {run}")
    assert code == 1
    assert "format 7" in errors


def test_a_folder_in_the_way_is_one_sentence(mlw, tmp_path):
    (tmp_path / "runs").write_text("a file")
    code, _, errors = mlw("train protonet", *SMALL)
    assert code == 1
    assert "choose another folder with --out" in errors


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no zip at all", b"<!doctype html><html>quota exceeded</html>"]
)
def test_a_damaged_archive_is_one_sentence_and_nothing_stays(mlw, tmp_path, monkeypatch, content):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images_background_small1.zip").write_bytes(content)
    code, output, errors = mlw(
        "download omniglot_small1 --from", tmp_path / "images_background_small1.zip"
    )
    assert code == 1
    assert errors.strip().splitlines()[-1].startswith("mlw: ")
    assert output == ""
    assert not list((tmp_path / "cache").glob("**/*.zip"))
    assert not list((tmp_path / "cache").glob("prepared/*/index.json"))


def test_an_archive_with_too_few_images_is_refused_by_count(mlw, tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "images_background_small1.zip", "w") as archive:
        archive.writestr("images_background_small1/Greek/character01/0001_01.png", b"x")
    code, _, errors = mlw("download omniglot_small1 --from", tmp_path)
    assert code == 1
    assert "2,720" in errors


def test_debug_shows_the_traceback():
    result = subprocess.run(
        [MLW, "--debug", "train", "nothing"], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "Traceback" in result.stderr
    assert "UnknownName" in result.stderr


def test_the_command_exits_as_promised():
    for words, code in (
        (["list"], 0),
        (["train", "nothing"], 2),
        (["eval", "nothing"], 1),
        (["train", "--nope"], 2),
    ):
        result = subprocess.run(
            [MLW, *words], capture_output=True, text=True, check=False, env={**os.environ}
        )
        assert result.returncode == code, result.stderr
        assert "Traceback" not in result.stderr


def test_the_help_pages_in_the_docs_are_current():
    page = ROOT / "docs" / "generate.py"
    subprocess.run([sys.executable, page, "--check"], check=True)
