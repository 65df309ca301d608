"""`mlw list`: what is available, without importing it."""

from __future__ import annotations

import json

from command_lines import check_refused
from image_folders import class_folders

from workbench.data.image_folder.record import record_path
from workbench.data.image_folder.register import add_folder
from workbench.plugin.registry import KINDS, registry


def rows_of(mlw, line="list"):
    return {(row["kind"], row["name"]): row for row in json.loads(mlw(f"{line} --json")[1])}


def test_all_kinds_are_listed_with_a_line_about_each(mlw):
    output = mlw("list")[1]
    for kind in KINDS:
        assert kind in output
    rows = rows_of(mlw)
    assert {kind for kind, _ in rows} == set(KINDS)
    assert rows["datasets", "glyphs"]["plugin"] == "mlw-vision"
    assert rows["algorithms", "fomaml"]["about"] == "Short for maml:first_order=true"
    for kind in KINDS:
        for name in registry().entries(kind):
            assert rows[kind, name]["about"], name


def test_one_kind_is_listed_alone(mlw):
    assert "protonet" in mlw("list algorithms")[1]
    assert {kind for kind, _ in rows_of(mlw, "list backbones")} == {"backbones"}


def test_folders_of_one_s_own_are_data_sets(mlw, cache, tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("my-birds", folder)
    row = rows_of(mlw, "list datasets")["datasets", "my-birds"]
    assert row["plugin"] == "your own"
    assert row["about"] == f"3 classes, 9 images from {folder}."
    record_path("my-birds").write_text("name = 3")
    assert "mlw download my-birds" in rows_of(mlw, "list datasets")["datasets", "my-birds"]["about"]
    assert ("algorithms", "my-birds") not in rows_of(mlw)


def test_an_unknown_kind_is_refused(mlw):
    code, output, errors = mlw("list methods")
    assert (code, output) == (2, "")
    assert "'methods'" in errors


def test_bad_input_gets_one_sentence(mlw):
    check_refused(mlw, "info nothing", 2, ["'nothing'", "no algorithm, backbone or data set"])
