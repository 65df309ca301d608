"""`mlw info NAME`: all that is known of a method, a backbone or a data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_lines import SMALL, check_refused


def facts_of(mlw, name):
    return json.loads(mlw(f"info {name} --json")[1])[0]


def test_a_method_has_paper_options_recipes_and_published_numbers(mlw):
    text = mlw("info maml")[1]
    for word in ("1703.03400", "inner_lr", "98.7 ± 0.4", "paper", "first_order"):
        assert word in text


def test_an_alias_says_what_it_stands_for(mlw):
    text = mlw("info fomaml")[1]
    assert "fomaml is a name for maml:first_order=true" in text
    assert "98.3 ± 0.5" in text
    facts = facts_of(mlw, "fomaml")
    defaults = {option["name"]: option["default"] for option in facts["options"]}
    assert defaults["first_order"] == "true"
    assert "paper" in {recipe["recipe"] for recipe in facts["recipes"]}  # its base's


def test_published_numbers_of_variants_are_told_apart(mlw):
    text = mlw("info maml")[1]
    assert "48.70 ± 1.84" in text
    rows = [line for line in text.splitlines() if "omniglot 5-way 1-shot" in line and "±" in line]
    plain, variant = rows
    assert "98.7 ± 0.4" in plain
    assert "98.3 ± 0.5" in variant
    assert "first_order=true" in variant.partition("±")[0]
    assert "first_order=true" not in plain


@pytest.mark.parametrize("name", ["maml", "eurosat", "conv4", "omniglot", "film"])
def test_prose_fits_a_narrow_terminal(mlw, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    prose = mlw(f"info {name}")[1].partition("options, for instance")[0]
    assert max(map(len, prose.splitlines())) <= 80
    assert facts_of(mlw, name)["about"].split() == prose.split("\n\n", 1)[1].split()


def test_an_example_of_an_option_changes_something(mlw):
    assert "for instance eurosat:split=train" in mlw("info eurosat")[1]
    assert "for instance maml:first_order=true" in mlw("info maml")[1]


def test_it_says_that_one_form_of_the_files_is_enough(mlw):
    text = mlw("info eurosat")[1]
    assert "files in 2 forms, of which one is enough: zenodo, dfki" in text
    assert "direct: mlw downloads it" in text
    assert "of which one" not in mlw("info omniglot")[1]


def test_options_that_are_chosen_at_test_say_so(mlw):
    options = {option["name"]: option for option in facts_of(mlw, "finetune")["options"]}
    words = "; if omitted, the best of 5e-05, 0.0005, 0.005 on validation tasks"
    assert options["tune_lr"]["help"].endswith(words)


def test_a_data_set_has_licence_files_and_the_next_command(mlw):
    text = mlw("info omniglot")[1]
    for word in ("MIT", "images_background.zip", "vinyals", "mlw download omniglot"):
        assert word in text


def test_a_backbone_has_options(mlw):
    options = [option["name"] for option in facts_of(mlw, "conv4")["options"]]
    assert options[:3] == ["width", "norm", "pooling"]


def test_evaluations_of_the_runs_here_are_shown(mlw):
    code, output, errors = mlw("train protonet", *SMALL)
    assert code == 0, errors
    run = Path(output.strip())
    assert facts_of(mlw, "protonet")["measured"] == []
    assert mlw(f"eval {run} --shots 1 2 --episodes 20")[0] == 0
    assert mlw(f"eval {run} --protocol meta-dataset --episodes 10")[0] == 0
    measured = facts_of(mlw, "protonet")["measured"]
    assert sorted(row["tasks"] for row in measured) == ["10", "20", "20"]
    assert {row["run"] for row in measured} == {run.name}
    assert all("±" in row["accuracy"] for row in measured)
    assert facts_of(mlw, "maml")["measured"] == []
    assert run.name in mlw("info protonet")[1]


def test_how_a_data_set_is_downloaded(mlw, server):
    output = mlw("info asked")[1]
    for part in (
        "by hand",
        "Ask Nobody for tiny.zip. Then run: mlw download asked --from FILE",
        "CC0",
        "Nobody, 2020",
        "learnt at the first download",
        "12 images, 6 characters",
    ):
        assert part in output
    files = facts_of(mlw, "tiny")["files"]
    assert files["access"] == "direct"
    assert files["files"][0] | {"urls": []} == {
        "name": "tiny.zip",
        "form": "",
        "urls": [],
        "megabytes": 0.0,
        "checksum": "",
        "counts": {"images": 12, "characters": 6},
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [("nothing", ["'nothing'"]), ("omniglto", ["Did you mean omniglot?"])],
)
def test_an_unknown_name_is_one_sentence(mlw, line, words):
    check_refused(mlw, f"info {line}", 2, words)


def test_measured_results_are_told_apart(mlw):
    code, output, errors = mlw("train protonet", *SMALL)
    assert code == 0, errors
    run = output.strip()
    for more in ("", "--split val", "--task-seed 3"):
        assert mlw(f"eval {run} --episodes 4 {more}")[0] == 0
    tasks = [row["task"] for row in facts_of(mlw, "protonet")["measured"]]
    assert len(set(tasks)) == len(tasks) == 3
    assert "split val" in " ".join(tasks)


def test_runs_of_another_format_do_not_hide_a_method(mlw):
    old = Path("runs/old")
    old.mkdir(parents=True)
    (old / "run.toml").write_text("format = 1\n")
    code, output, errors = mlw("info protonet")
    assert code == 0
    assert "1703.05175" in output
    assert "no results of runs are shown" in errors
