"""Images of the user's own, classified by a run: the numbers of `evaluate`, and what is refused."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image

import workbench as mlw
from workbench.data.opening import open_dataset
from workbench.errors import DataError, RunError, UsageError
from workbench.learning.device import select_device
from workbench.learning.evaluation import evaluate
from workbench.predicting.answer import probabilities
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import domain

METHODS = ("protonet", "nearest_pixel", "maml", "metaoptnet", "anml", "finetune")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a run of each of some methods, hardly trained."""
    out = tmp_path_factory.mktemp("runs")
    made = {}
    for name in METHODS:
        spec = f"{name}:tune_lr=0.001,tune_epochs=2" if name == "finetune" else name
        made[name] = mlw.train(spec, on="glyphs", steps=2, validate_every=0, out=out, shots=5)
    return made


def write(folder, images, names):
    folder.mkdir(parents=True)
    for image, name in zip(images, names, strict=True):
        Image.fromarray(image[0]).save(folder / name)


@pytest.fixture(scope="module")
def drawn():
    """Return the first test task of the glyphs: support, its labels, queries and theirs."""
    table = open_dataset("glyphs").table("test")
    source = Source([domain(open_dataset("glyphs"), "test")], WayShot(5, 5, 3), seed=0)
    rows = next(source.stacks(0, 1, 1))
    images = table.images
    return (
        images[rows.support[0]],
        rows.support_y[0],
        images[rows.query[0]],
        rows.query_y[0],
        source,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory, drawn):
    """Return folders with the task's support and its queries, by class."""
    support, labels, queries, truth, _ = drawn
    root = tmp_path_factory.mktemp("images")
    for label in range(5):
        own = support[labels == label]
        write(root / "known" / f"class{label}", own, [f"{i}.png" for i in range(len(own))])
        own = queries[truth == label]
        write(root / "new" / f"class{label}", own, [f"{i}.png" for i in range(len(own))])
    return root


@pytest.mark.parametrize("name", METHODS)
def test_probabilities_are_those_of_evaluate(name, runs, drawn):
    support, labels, queries, truth, source = drawn
    learner = mlw.load(runs[name])
    found = probabilities(learner, support, labels, queries, device=select_device("cpu"))
    result = evaluate(learner, source, 1)
    assert result.hits[0] == tuple((found.argmax(1) == truth).astype(float))
    assert np.allclose(result.confidences[0], found.max(1), atol=1e-6)
    assert np.allclose(found.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["protonet", "maml"])
def test_folders_give_the_answers_of_the_images_in_them(name, runs, folders, drawn):
    support, labels, queries, truth, _ = drawn
    found = mlw.predict(runs[name], support=folders / "known", query=folders / "new")
    order = np.argsort(truth, kind="stable")
    by_class = np.argsort(labels, kind="stable")
    expected = probabilities(
        mlw.load(runs[name]),
        support[by_class],
        labels[by_class],
        queries[order],
        device=torch.device("cpu"),
    )
    columns = [f"p:class{label}" for label in range(5)]
    assert np.allclose(found.table[columns], expected, atol=1e-6)
    assert found.table["label"].tolist() == [f"class{label}" for label in truth[order]]
    assert found.accuracy == pytest.approx((expected.argmax(1) == truth[order]).mean())
    assert found.confusion().to_numpy().sum() == len(truth)
    assert found.support == (5,) * 5
    assert found.transductive == (name == "maml")


def test_margin_is_the_distance_to_the_next_class(runs, folders):
    table = mlw.predict(runs["protonet"], support=folders / "known", query=folders / "new").table
    numbers = np.sort(table.filter(like="p:").to_numpy(), axis=1)
    assert np.allclose(table["margin"], numbers[:, -1] - numbers[:, -2])
    assert np.allclose(table["probability"], numbers[:, -1])


def test_answers_do_not_depend_on_how_many_images_are_asked(runs, drawn, monkeypatch):
    support, labels, queries, _, _ = drawn
    learner = mlw.load(runs["metaoptnet"])
    device = torch.device("cpu")
    together = probabilities(learner, support, labels, queries, device=device)
    monkeypatch.setattr("workbench.predicting.answer.AT_ONCE", 2)
    apart = probabilities(learner, support, labels, queries, device=device)
    assert np.allclose(together, apart, atol=1e-6)


def test_the_table_is_written_as_csv(runs, folders, tmp_path):
    out = tmp_path / "answers.csv"
    found = mlw.predict(
        runs["protonet"], support=folders / "known", query=folders / "new" / "class3", out=out
    )
    with out.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == found.table["file"].tolist()
    assert [row["predicted"] for row in rows] == found.table["predicted"].tolist()


def test_unequal_numbers_of_images_and_any_number_of_classes(runs, folders, tmp_path):
    few = tmp_path / "few"
    for label, count in enumerate([1, 4, 2]):
        names = [f"{number}.png" for number in range(count)]
        known = folders / "known" / f"class{label}"
        write(few / f"class{label}", [np.array(Image.open(known / n))[None] for n in names], names)
    found = mlw.predict(runs["protonet"], support=few, query=folders / "new" / "class1")
    assert found.support == (1, 4, 2)
    assert set(found.table["predicted"]) <= {"class0", "class1", "class2"}
    with pytest.raises(UsageError, match=r"trained for 5 classes, and the support has 3.*protonet"):
        mlw.predict(runs["maml"], support=few, query=folders / "new" / "class1")


def test_images_of_the_support_among_those_asked_are_said(runs, folders):
    notes = []
    mlw.predict(
        runs["protonet"], support=folders / "known", query=folders / "known", note=notes.append
    )
    assert any("25 of the 25 images are in the support too" in note for note in notes)


def test_an_image_that_cannot_be_read_is_left_out_and_said(runs, folders, tmp_path):
    images = tmp_path / "mixed"
    images.mkdir()
    (images / "bad.png").write_bytes(b"no image")
    (images / "good.png").write_bytes((folders / "new" / "class0" / "0.png").read_bytes())
    notes = []
    found = mlw.predict(
        runs["protonet"], support=folders / "known", query=images, note=notes.append
    )
    assert [row.rpartition("/")[2] for row in found.table["file"]] == ["good.png"]
    assert [name.rpartition("/")[2] for name in found.unreadable] == ["bad.png"]
    assert "bad.png" in notes[0]
    with pytest.raises(DataError, match="no image could be read"):
        mlw.predict(runs["protonet"], support=folders / "known", query=images / "bad.png")


def test_what_cannot_be_predicted_is_refused(runs, folders, tmp_path):
    (tmp_path / "one" / "cats").mkdir(parents=True)
    picture = (folders / "new" / "class0" / "0.png").read_bytes()
    (tmp_path / "one" / "cats" / "a.png").write_bytes(picture)
    query = folders / "new"
    with pytest.raises((UsageError, DataError), match=r"one class|no class folders|one folder"):
        mlw.predict(runs["protonet"], support=tmp_path / "one", query=query)
    with pytest.raises(DataError, match="does not exist"):
        mlw.predict(runs["protonet"], support=folders / "known", query=tmp_path / "nothing")
    with pytest.raises(RunError):
        mlw.predict(tmp_path, support=folders / "known", query=query)
    with pytest.raises(RunError, match=r"holds \d runs; name one"):
        mlw.predict(runs["protonet"].folder.parent, support=folders / "known", query=query)


def test_a_data_set_can_be_the_support(runs, folders):
    found = mlw.predict(runs["nearest_pixel"], support="glyphs", query=folders / "new" / "class0")
    assert found.classes == tuple(sorted(open_dataset("glyphs").table("test").names))
    assert (found.table["probability"] > 0).all()
    with pytest.raises(UsageError, match=r"1 x 28 x 28.*3 x 84 x 84"):
        mlw.predict(
            runs["nearest_pixel"],
            support="glyphs:size=84,channels=3",
            query=folders / "new" / "class0",
        )


def test_the_contact_sheet_shows_every_image_and_escapes_names(runs, folders, tmp_path):
    known, new = tmp_path / "known", tmp_path / "new"
    for name in ("<script>alert(1)", "b & c"):
        (known / name).mkdir(parents=True)
        picture = (folders / "known" / "class0" / "0.png").read_bytes()
        (known / name / "a.png").write_bytes(picture)
    new.mkdir()
    for number in range(3):
        picture = (folders / "new" / "class1" / f"{number}.png").read_bytes()
        (new / f"'{number}\">.png").write_bytes(picture)
    page = tmp_path / "sheet.html"
    mlw.predict(runs["protonet"], support=known, query=new, html=page)
    text = page.read_text(encoding="utf-8")
    assert text.count("<figure>") == 3 + 2
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "b &amp; c" in text
    assert '">.png' not in text
    assert text.count("data:image/png;base64,") == 5


# --- images that are left open


def test_images_without_one_possible_class_have_none(runs, folders):
    found = mlw.predict(
        runs["protonet"], support=folders / "known", query=folders / "new", reject=0.9
    )
    everything = mlw.predict(runs["protonet"], support=folders / "known", query=folders / "new")
    classes = found.table["possible"].str.split("; ")
    for names, predicted, surest in zip(
        classes, found.table["predicted"], everything.table["predicted"], strict=True
    ):
        assert predicted == (surest if names == [surest] else "")
    assert 0 < len(found.answered) < len(found.table)
    right = (found.answered["label"] == found.answered["predicted"]).mean()
    assert found.accuracy == right
    assert len(everything.answered) == len(everything.table)


def test_a_level_that_the_images_cannot_give_is_refused(runs, folders):
    support = folders / "known"
    with pytest.raises(UsageError, match=r"--reject 0.99 needs at least 99 images"):
        mlw.predict(runs["protonet"], support=support, query=folders / "new", reject=0.99)
    with pytest.raises(UsageError, match=r"reject=2: must be from 0.5 to 0.999"):
        mlw.predict(runs["protonet"], support=support, query=folders / "new", reject=2)
