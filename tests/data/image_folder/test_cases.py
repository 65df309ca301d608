"""Forms in which people really bring their images, made by a script beside the project.

What each must do is said in the script, and here. Tests of the same kinds of folders that need no
script are in the other files of this folder.
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path

import pytest
from image_folders import tables
from places import SHARED

import workbench as mlw
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError

SCRIPT = SHARED.parent / "cases" / "make.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason=f"there is no script {SCRIPT}")


@pytest.fixture(scope="module")
def cases():
    """Make all cases in a folder; return it."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPT), f"{place}/cases"])
        runpy.run_path(str(SCRIPT))
        yield Path(place).resolve() / "cases"


SIX = {"test": {f"class{number}": 6 for number in range(6)}}
FOLDERS = {"test": {f"class{number:02}": 12 for number in range(6)}}


@pytest.mark.parametrize(
    ("case", "images"),
    [
        ("table-no-header", SIX),
        ("table-utf16", SIX),
        ("table-one-hot", SIX),
        ("table-id-breed", SIX),
        ("table-foreign-paths", SIX),
        ("split-below-class", {"test": {f"species{number}": 12 for number in range(6)}}),
        ("links", FOLDERS),
        ("links-source", FOLDERS),
        ("same-a", FOLDERS),
        ("same-b", FOLDERS),
        ("scan8", {"test": {f"lesion{number}": 20 for number in range(6)}}),
        ("scan12", {"test": {f"lesion{number}": 20 for number in range(6)}}),
        ("one-small-class", {"test": {f"class{n:02}": 20 if n else 6 for n in range(6)}}),
    ],
)
def test_classes_of_a_case(cases, case, images):
    record = add_folder("own:size=20", cases / case)
    assert record.images == images
    assert len(tables("own:size=20")["test"].images) == record.count


def test_a_table_with_an_unknown_label_is_asked_about(cases):
    with pytest.raises(DataError, match=r"metadata.csv, which names 84 of .* --label dx$"):
        add_folder("own", cases / "lesions")
    record = add_folder("own", cases / "lesions", LayoutChoice(label="dx"))
    names = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert record.images == {"test": dict.fromkeys(names, 12)}


def test_the_reason_is_told_when_no_image_can_be_decoded(cases):
    with pytest.raises(DataError, match=r"72 files: each has floating-point pixels"):
        add_folder("own", cases / "float-tiff")


def test_linked_images_are_the_images(cases):
    add_folder("linked:size=20", cases / "links")
    add_folder("own:size=20", cases / "links-source")
    linked, own = tables("linked:size=20")["test"], tables("own:size=20")["test"]
    assert linked.fingerprint == own.fingerprint


def test_copied_files_are_told_and_left_out(cases):
    record = add_folder("own:size=20", cases / "copies")
    assert record.images == {"test": {f"class{number:02}": 8 for number in range(6)}}
    assert "24 copies left out (24 by their bytes, 0 by their pixels)" in str(record)


def accuracy(name, out):
    """Return the accuracy of raw pixels, 5-way 5-shot, on 50 tasks."""
    frame = mlw.compare("nearest_pixel", train_on="glyphs", on=name, shots=5, episodes=50, out=out)
    return frame["accuracy"].mean()


def test_twelve_bits_score_what_eight_bits_score(cases, tmp_path):
    for case in ("scan8", "scan12"):
        add_folder(f"{case}:size=28,channels=1", cases / case)
    eight, twelve = (accuracy(f"{c}:size=28,channels=1", tmp_path) for c in ("scan8", "scan12"))
    assert twelve >= eight > 0.5


def test_a_small_class_shortens_all_tasks_and_is_named(cases, tmp_path):
    add_folder("own:size=28,channels=1", cases / "one-small-class")
    frame = mlw.compare(
        "nearest_pixel",
        train_on="glyphs",
        on="own:size=28,channels=1",
        shots=5,
        episodes=5,
        out=tmp_path,
    )
    (departures,) = frame["departures"].drop_duplicates()
    assert any("1 query per class instead of 15, because class class00" in d for d in departures)


def test_the_same_files_under_another_name_cannot_be_learned_from(cases, tmp_path):
    """Six classes are all for testing, so there is nothing to train on."""
    for case in ("same-a", "same-b"):
        add_folder(f"{case}:size=28,channels=1", cases / case)
    with pytest.raises(DataError, match=r"same-a.* has no train classes"):
        mlw.compare(
            "protonet",
            train_on="same-a:size=28,channels=1",
            on="same-b:size=28,channels=1",
            out=tmp_path,
        )
