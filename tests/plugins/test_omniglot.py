"""Omniglot's splits, rotations and options, on drawings in its layout and on the real ones."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from mlw_vision.data.omniglot import Omniglot, OmniglotSmall1, OmniglotSmall2, characters
from open_tables import open_tables
from PIL import Image
from places import SHARED, needs_published

from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import entry_of
from workbench.errors import DataError

real = needs_published(
    "images_background.zip",
    "images_evaluation.zip",
    "images_background_small1.zip",
    "images_background_small2.zip",
    "splits",
)

COUNTS = {"vinyals": (1028, 172, 423), "lake": (964, 0, 659), "alphabets": (883, 81, 659)}
HASHES = {
    "vinyals": "42338d8ccad07479",
    "lake": "64ba0c1e049239e6",
    "alphabets": "83841039c5f11e10",
}  # of the lists, one character per line; see `digest`


def digest(scheme: str) -> str:
    lines = [
        f"{split} {name}\n"
        for split in ("train", "val", "test")
        for name in characters(scheme, split)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


# --- the split lists


@pytest.mark.parametrize("scheme", COUNTS)
def test_split_lists(scheme):
    lists = [characters(scheme, split) for split in ("train", "val", "test")]
    assert tuple(map(len, lists)) == COUNTS[scheme]
    assert len(set().union(*lists)) == 1623  # disjoint and complete
    assert all(names == sorted(names) for names in lists)
    assert digest(scheme) == HASHES[scheme]


def test_alphabets_do_not_straddle_a_split():
    groups = [
        {name.split("/")[0] for name in characters("alphabets", split)}
        for split in ("train", "val", "test")
    ]
    assert [len(group) for group in groups] == [25, 5, 20]
    assert len(set.union(*groups)) == 50


@real
def test_split_lists_are_the_published_ones():
    vinyals = json.loads((SHARED / "splits" / "omniglot-vinyals.json").read_text())
    alphabets = json.loads((SHARED / "splits" / "meta-dataset-omniglot.json").read_text())
    for split in ("train", "val", "test"):
        assert characters("vinyals", split) == sorted(vinyals[split])
        assert {name.split("/")[0] for name in characters("alphabets", split)} == set(
            alphabets[split]
        )
    for name, split in (("images_background", "train"), ("images_evaluation", "test")):
        with zipfile.ZipFile(SHARED / f"{name}.zip") as archive:
            held = {
                "/".join(member.split("/")[1:3])
                for member in archive.namelist()
                if member.endswith(".png")
            }
        assert characters("lake", split) == sorted(held)


# --- our own drawings


def drawing() -> bytes:
    """Draw one stroke, black on white, in the upper half: all rotations differ."""
    paper = np.ones((105, 105), bool)
    paper[10:20, 30:90] = False
    stream = io.BytesIO()
    Image.fromarray(paper).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def small1(tmp_path_factory):
    """Return an archive in the layout of the first small set, with one drawing."""
    path = tmp_path_factory.mktemp("small1") / "images_background_small1.zip"
    wanted = {"Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"}
    content = drawing()
    with zipfile.ZipFile(path, "w") as archive:
        for name in characters("lake", "train"):
            if name.split("/")[0] in wanted:
                for drawer in range(1, 21):
                    archive.writestr(f"{path.stem}/{name}/0001_{drawer:02d}.png", content)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))


def test_from_archive_to_tables(cache, small1):
    dataset = OmniglotSmall1()
    with pytest.raises(
        DataError, match=r"^omniglot_small1 is not downloaded; run: mlw download omniglot_small1$"
    ):
        open_tables("omniglot_small1", dataset)
    assert fetch(entry_of(dataset), small1).counts == {
        "images": 2720,
        "characters": 136,
        "alphabets": 5,
    }
    tables = open_tables("omniglot_small1", dataset)
    assert {split: len(table.names) for split, table in tables.items()} == {
        "train": 86,
        "val": 24,
        "test": 26,
    }
    table = tables["val"]
    assert table.names[:2] == ("Greek/character01", "Greek/character02")
    assert table.images.shape == (480, 1, 28, 28)
    assert np.diff(table.starts).tolist() == [20] * 24


def test_strokes_are_white_on_black(small1):
    first = next(OmniglotSmall1().classes("val", {small1.name: small1}))
    strokes = first.images[0, 0]
    assert strokes[20:].max() == 0
    assert strokes[4, 10:22].min() > 200
    assert len(np.unique(strokes)) > 2  # antialiased


@pytest.mark.parametrize(
    ("rotations", "turned"), [("auto", ""), ("none", ""), ("train", "train"), ("all", "train val")]
)
def test_rotations(small1, rotations, turned):
    for split in ("train", "val"):
        classes = OmniglotSmall1(rotations=rotations, size=9).classes(split, {small1.name: small1})
        first, second = next(classes), next(classes)
        if split in turned.split():
            assert second.name == f"{first.name}/rot090"
            assert (second.images == np.rot90(first.images, axes=(2, 3))).all()
            assert [next(classes).name.rpartition("/")[2] for _ in range(2)] == ["rot180", "rot270"]
        assert next(classes).name.endswith(
            "/character02" if split in turned.split() else "/character03"
        )
        classes.close()


def test_each_drawing_is_decoded_once(small1, monkeypatch):
    from workbench.data.files.archive import Archive

    read = []
    original = Archive.image
    monkeypatch.setattr(
        Archive, "image", lambda self, name, **how: read.append(name) or original(self, name, **how)
    )
    classes = OmniglotSmall1(rotations="all", size=9).classes("val", {small1.name: small1})
    assert len(list(classes)) == 4 * 24
    assert len(read) == len(set(read)) == 24 * 20


def test_grey_strokes_as_colour(small1):
    name = small1.name
    plain = next(OmniglotSmall1(size=84).classes("val", {name: small1})).images
    like = next(OmniglotSmall1(size=84, channels=3).classes("val", {name: small1})).images
    assert (like == np.repeat(plain, 3, axis=1)).all()


@pytest.mark.parametrize("dataset", [OmniglotSmall2(), Omniglot(), Omniglot(split="lake")])
def test_absent_character_is_named(small1, dataset):
    with pytest.raises(
        DataError, match=r"\S+/character01 has 0 of 20 drawings in images_background_small1.zip"
    ):
        list(dataset.classes("train", {small1.name: small1}))


# --- the real drawings


@real
def test_small_sets(cache):
    for cls, name, sizes in (
        (OmniglotSmall1, "omniglot_small1", {"train": 86, "val": 24, "test": 26}),
        (OmniglotSmall2, "omniglot_small2", {"train": 106, "val": 24, "test": 26}),
    ):
        fetched = fetch(entry_of(cls), SHARED)
        assert [file.verified for file in fetched.files] == ["checksum"]
        tables = open_tables(name, cls())
        assert {split: len(table.names) for split, table in tables.items()} == sizes


@real
@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, {"train": 4112, "val": 688, "test": 1692}),
        ({"split": "lake", "rotations": "train"}, {"train": 3856, "test": 659}),
    ],
)
def test_all_of_omniglot(cache, options, sizes):
    dataset = Omniglot(**options, size=4)
    fetched = fetch(entry_of(dataset), SHARED)
    assert fetched.counts == {"images": 32_460, "characters": 1_623, "alphabets": 50}
    tables = open_tables("omniglot", dataset)
    assert {split: len(table.names) for split, table in tables.items()} == sizes
    for table in tables.values():
        assert list(table.names) == sorted(table.names)
        assert set(np.diff(table.starts)) == {20}
        assert sorted(name for group in table.groups.members for name in group) == list(table.names)
