"""`mlw tune`: what is typed, what is refused, and what it ends with."""

from __future__ import annotations

import shlex

import pytest
from command_lines import SMALL, check_refused, sentence

FEW = ["--trials", "3", "--episodes", "10", "--over", "lr=1e-4..1e-1", *SMALL]


def test_it_ends_with_a_table_a_comparison_and_the_next_command(mlw, tmp_path):
    code, output, errors = mlw("tune protonet:train_ways=4", *FEW)
    assert code == 0, errors
    trials, _, compared = output.partition("\nglyphs: ")
    title = " ".join(trials.split())
    assert title.startswith("the best of 3 trials: accuracy in % on validation tasks")
    assert "the defaults" in trials
    assert "±" in compared
    assert "trials and figures: runs/tuning/protonet-glyphs-" in errors
    if "they are kept" in errors:
        return
    assert "^ tuned on validation tasks of glyphs, 3 trials (protonet:" in compared
    words = shlex.split(errors.partition("next: mlw ")[2].splitlines()[0])
    before = {path.name for path in tmp_path.glob("runs/protonet-*")}
    code, again, errors = mlw(shlex.join(words))
    assert code == 0, errors
    assert "^ tuned on" in again
    assert {path.name for path in tmp_path.glob("runs/protonet-*")} == before  # nothing is trained


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tune", ["mlw tune maml --on omniglot --trials 20"]),
        ("tune protonet maml", ["mlw compare protonet maml --tuned 20"]),
        ("tune protonet --on glyphs omniglot", ["one data set", "mlw tune protonet --on omniglot"]),
        ("tune protonet --over", ["--over needs a value", "inner_lr=1e-3..1"]),
        ("tune protonet --over lr", ["write OPTION=LOW..HIGH"]),
        ("tune protonet --over lr=1..1e-3", ["is empty"]),
        ("tune protonet --over rate=1..2", ["protonet has no option 'rate'"]),
        ("tune protonet --over steps=1..2", ["decides how far"]),
        ("tune protonet --trials 0", ["trials=0"]),
        ("tune protonet --hours -1", ["hours"]),
        ("tune protonet --sampler grid", ["tpe|random"]),
        ("tune protonet --shots 1 5", ["one kind of task"]),
        ("compare protonet --tuned 2 --shots 1 5", ["one kind of task"]),
        ("compare protonet --tuned 2 --leave-one-out", ["omit --train-on and --leave-one-out"]),
    ],
)
def test_what_cannot_be_searched_is_refused(mlw, line, words):
    check_refused(mlw, line, 2, words)


def test_a_damaged_journal_says_which_file_to_remove(mlw, tmp_path):
    assert mlw("tune protonet:train_ways=4", *FEW)[0] == 0
    (journal,) = tmp_path.glob("runs/tuning/*/journal.log")
    journal.write_bytes(b"x\n" + journal.read_bytes())
    code, _, errors = mlw("tune protonet:train_ways=4", *FEW)
    assert code == 1
    assert f"rm runs/tuning/{journal.parent.name}/journal.log" in sentence(errors)
    journal.unlink()
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/tuning/*/*/weights*")}
    assert mlw("tune protonet:train_ways=4", *FEW)[0] == 0
    assert runs == {
        path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/tuning/*/*/weights*")
    }  # nothing was trained again
