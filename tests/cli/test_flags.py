"""What a word on the command line is taken for, and what is said where that was not meant."""

from __future__ import annotations

import pytest
from command_lines import check_refused


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "compare --on omniglot protonet",
            ["--on took protonet", "put the algorithms before it: mlw compare protonet --on omni"],
        ),
        (
            "compare --on protonet maml:inner_steps=2 --shots 1",
            ["--on took protonet maml:inner_steps=2", ": mlw compare protonet maml:inner_steps=2"],
        ),
        ("train --on glyphs protonet", ["mlw train protonet --on glyphs"]),
        ("compare protonet --shots five", ["--shots takes whole numbers, not 'five'", "1 5"]),
        ("compare protonet --on a,b", ["'a,b' is not one name", "a b"]),
        ("compare protonet,maml", ["'protonet,maml' is not one name", "protonet maml"]),
        ("compare protonet --backbone resnet50", ["write torchvision:name=resnet50"]),
        ("compare protonet --shot 5", ["no argument '--shot'", "Did you mean --shots?"]),
        ("compare protonet --n-shot 5", ["Did you mean --shots?"]),
        ("compare protonet --k_shot=5", ["Did you mean --shots?"]),
        ("compare protonet --n-way 5", ["Did you mean --ways?"]),
        ("train protonet --epochs 5", ["Did you mean --steps?"]),
        ("train protonet --learning-rate 0.1", ["Did you mean --lr?"]),
        ("compare maml --inner-steps 3", ["as an option of maml, write maml:inner_steps=3"]),
        ("compare maml:inner_lr=1 --meta-batch 3", ["write maml:inner_lr=1,meta_batch=3"]),
        (
            "compare protonet:shots=5",
            ["an argument of mlw train, eval, compare, tune or recommend: --shots"],
        ),
        ("compare protonet:k_shot=5", ["--shots 5"]),
        ("train protonet:task_seed=3", ["an argument of mlw eval, compare or tune: --task-seed 3"]),
        (
            "compare protonet --on glyphs:steps=5",
            ["mlw train, compare, tune or recommend: --steps"],
        ),
        ("compare protonet --backbone conv4:steps=5", ["tune or recommend: --steps 5"]),
        ("eval runs --steps 3", ["--steps belongs to mlw train, compare, tune or recommend."]),
        ("compare protonet --split train", ["--split belongs to mlw eval."]),
        ("report runs --on glyphs", ["--on belongs to mlw train, eval, compare, tune or runs."]),
        ("compare protonet:epochs=5", ["Did you mean steps?"]),
        ("list --jsn", ["Did you mean --json?"]),
        ("train protonet --seed 18446744073709551616", ["must be at most 9,223,372,036"]),
        ("compare protonet --episodes 1000000000000", ["must be from 2 to 1,000,000"]),
        ("compare protonet:meta_batch=100000000", ["must be from 1 to 100,000"]),
        ("compare protonet --seeds 1000000000000", ["must be from 1 to 1,000"]),
        ("train protonet --on glyphs:size=1000000", ["glyphs:size=1000000: must be at most 4,096"]),
    ],
)
def test_what_was_not_meant_is_one_sentence(mlw, line, words):
    check_refused(mlw, line, 2, words)


def test_a_file_that_is_no_run(mlw, tmp_path):
    (tmp_path / "notes.txt").touch()
    check_refused(mlw, "eval notes.txt", 1, ["notes.txt is a file, not a run folder"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").touch()
    (tmp_path / "run" / "weights.safetensors").touch()
    words = ["a file of the run run; give the folder: run"]
    check_refused(mlw, "eval run/weights.safetensors", 1, words)


def test_folders_that_a_list_took(mlw, tmp_path):
    (tmp_path / "runs").mkdir()
    check_refused(mlw, "eval --on glyphs runs", 2, ["mlw eval runs --on glyphs"])


def test_too_little_memory_is_one_sentence(mlw, monkeypatch):
    def grow(*given, **options):
        raise MemoryError("Unable to allocate 72.8 TiB")

    monkeypatch.setattr("workbench.data.opening.prepare", grow)
    words = ["not enough memory: Unable to allocate 72.8 TiB; ask for less at once"]
    check_refused(mlw, "train protonet --on glyphs:size=21", 1, words)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "compare",
            "mlw compare needs a word more, for instance: mlw compare protonet maml --shots",
        ),
        ("info", "mlw info needs a word more, for instance: mlw info protonet"),
        ("train protonet maml", "takes one algorithm; for several: mlw compare protonet maml"),
        ("train protonet x", "takes one word, not also x; without the rest: mlw train protonet"),
        ("compare protonet --episodes", "--episodes needs a value; see mlw compare --help"),
        ("compare protonet --steps abc", "'--steps'"),
        ("compar protonet", "There is no command 'compar'. Did you mean compare?"),
        ("info mini", "Did you mean miniimagenet? Run: mlw list"),
        ("info maml:inner_lr", "mlw info takes a name without options: mlw info maml"),
        ("list everything", "see mlw list --help"),
        ("--hepl", "see mlw --help"),
    ],
)
def test_what_the_parser_refuses_is_one_sentence_too(mlw, line, sentence):
    check_refused(mlw, line, 2, [sentence])


def test_no_word_shows_the_help(mlw):
    code, output, errors = mlw("")
    assert (code, errors) == (0, "")
    assert "Usage: mlw" in output
