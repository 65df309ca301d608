"""docs/own-images.md: its examples do what they show, and its lists are complete."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from image_folders import image
from places import ROOT

from workbench.data.files.archive import SUFFIXES
from workbench.data.files.decode import PIXEL_LIMIT
from workbench.data.image_folder.image_table import key
from workbench.data.image_folder.label_columns import LABEL_COLUMNS, SPLIT_COLUMNS
from workbench.data.image_folder.labels import SPLIT_NAMES

PAGE = (ROOT / "docs" / "own-images.md").read_text(encoding="utf-8")
INDENT = "    "


class Example(NamedTuple):
    files: dict[str, list[str]]  # the lines of a table; none for an image
    commands: list[tuple[str, list[str]]]  # with parts of what they print


def examples() -> list[Example]:
    """The examples of the page: a block of files, and one of commands."""
    blocks = re.findall(r"(?:^    .+\n)+", PAGE, re.MULTILINE)
    found = []
    for files, commands in zip(blocks[::2], blocks[1::2], strict=True):
        listed: dict[str, list[str]] = {}
        for line in files.splitlines():
            text = line.removeprefix(INDENT)
            if text.startswith(INDENT):
                listed[list(listed)[-1]].append(text.strip())
            else:
                listed[text] = []
        given: list[tuple[str, list[str]]] = []
        for line in commands.splitlines():
            text = line.removeprefix(INDENT)
            if text.startswith("$ mlw "):
                given.append((text.removeprefix("$ mlw "), []))
            else:
                given[-1][1].append(text)
        found.append(Example(listed, given))
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.commands[0][0])
def test_an_example_does_what_it_shows(mlw, cache, tmp_path, example):
    for number, (name, lines) in enumerate(example.files.items()):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("\n".join(lines).encode() if lines else image(number))
    for command, parts in example.commands:
        _, output, errors = mlw(command)
        printed = " ".join((output + errors).split())
        for part in parts:
            assert part in printed
    shutil.rmtree(tmp_path)


def test_the_page_has_examples():
    assert len(examples()) == 7


def named(pattern: str) -> set[str]:
    """The names of columns in a sentence of the page."""
    (sentence,) = re.findall(pattern, PAGE)
    return {key(word) for word in re.split(r", | or ", sentence)}


def test_the_page_lists_what_is_known():
    assert named("- a column called (.+?);") == set(LABEL_COLUMNS)
    assert named("Splits come from a column called (.+?), from the name") == set(SPLIT_COLUMNS)
    for name in SPLIT_NAMES:
        assert f"`{name}`" in PAGE
    (suffixes,) = re.findall("these suffixes are images: (.+?)[.] An image", PAGE)
    assert tuple(suffixes.split(", ")) == SUFFIXES
    assert f"{PIXEL_LIMIT // 2**20} megapixels ({PIXEL_LIMIT:,} pixels)" in PAGE
