"""`mlw recommend` and `mlw predict`: what is typed and refused, and how one leads to the other."""

from __future__ import annotations

import shlex

import pytest
from command_lines import check_refused
from PIL import Image

from workbench.data.opening import open_dataset

SHORT = [
    *("--candidates", "nearest_pixel", "protonet", "--folds", "3", "--steps", "2"),
    *("--backbone", "conv4:width=8", "--train-on", "glyphs:channels=3,size=84"),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Folders that become data sets are forgotten after each test."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def birds(tmp_path):
    """Return a folder of three classes with six images each."""
    table = open_dataset("glyphs").table("test")
    for number in range(3):
        place = tmp_path / "birds" / f"bird{number}"
        place.mkdir(parents=True)
        for row in range(6):
            image = table.images[int(table.starts[number]) + row][0]
            Image.fromarray(image).save(place / f"{row}.png")
    return tmp_path / "birds"


def test_a_folder_is_enough_from_a_recommendation_to_predictions(mlw, birds, tmp_path):
    code, output, errors = mlw("recommend birds", *SHORT)
    assert code == 0, errors
    title = " ".join(output.partition("method")[0].split())
    assert "3 splits of 3 classes, 5 images of each to learn from and 1 query" in title
    assert "nearest_pixel" in output
    words = shlex.split(errors.partition("next: mlw ")[2].splitlines()[0])
    assert words[-1] == "NEW_IMAGES"
    words = [*words[:-1], "birds/bird1"]
    words[words.index("--support") + 1] = "birds"
    code, output, errors = mlw(shlex.join(words))
    assert code == 0, errors
    assert "3 classes, 6 images of each to learn from" in " ".join(output.split())
    assert "bird1/0.png" in output
    assert "6 of the 6 images are in the support too" in errors
    assert "accuracy by the names of the folders" in output
    assert (tmp_path / "predictions.csv").is_file()


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("recommend", 2, ["mlw recommend FOLDER"]),
        ("recommend glyphs --learn-from runs", 2, ["--learn-from runs --experience"]),
        ("recommend glyphs --experience none.csv", 1, ["none.csv", "mlw recommend --learn-from"]),
        ("recommend glyphs --folds 1", 2, ["folds", "2"]),
        ("recommend no-such-folder", 2, ["no-such-folder"]),
        ("predict runs/x", 2, ["--support is missing", "--query FOLDER"]),
        ("predict runs/x --support birds", 2, ["--query is missing"]),
        ("predict runs/x --support birds --query birds", 1, ["runs/x"]),
    ],
)
def test_what_cannot_be_done_is_one_sentence(mlw, line, code, words, birds):
    check_refused(mlw, line, code, words)
