"""`mlw new plugin`: what it prints, and what it refuses. tests/scaffold uses what it writes."""

from __future__ import annotations

import pytest


def test_the_default_is_an_algorithm(mlw, tmp_path):
    code, output, errors = mlw("new plugin nearest-mean")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "nearest-mean: a package to begin with; next:",
        "  pip install -e ./nearest-mean",
        "  mlw check nearest-mean",
        "  mlw compare nearest-mean protonet",
    ]
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        "nearest-mean/README.md",
        "nearest-mean/pyproject.toml",
        "nearest-mean/mlw_nearest_mean/__init__.py",
        "nearest-mean/mlw_nearest_mean/algorithm.py",
        "nearest-mean/mlw_nearest_mean/py.typed",
        "nearest-mean/mlw_nearest_mean/recipes.toml",
        "nearest-mean/tests/test_algorithm.py",
    }


def test_a_folder_that_is_there_is_left_alone(mlw, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    code, output, errors = mlw("new plugin mine")
    assert (code, output) == (2, "")
    assert errors == (
        "mlw: mine is there already, and nothing is overwritten; remove it, or choose another "
        "name\n"
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_written_is_one_sentence(mlw, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "mine")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    assert mlw("new plugin mine")[::2] == (
        1,
        "mlw: mine cannot be written: Permission denied\n",
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("new", "mlw new needs two words more, for instance: mlw new plugin nearest-mean"),
        ("new plugin", "mlw new plugin needs a name, for instance: mlw new plugin nearest-mean"),
        ("new plugin My_Method", "run for instance: mlw new plugin my-method"),
        ("new plugin protonet", "run for instance: mlw new plugin my-protonet"),
        ("new plugin check --command", "There is a command mlw check already"),
        ("new plugin a b", "extra argument"),
        ("new method a", "No such command 'method'"),
    ],
)
def test_what_is_refused_is_one_sentence_and_writes_nothing(words, sentence, mlw, tmp_path):
    code, output, errors = mlw(words)
    assert (code, output) == (2, "")
    assert sentence in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
