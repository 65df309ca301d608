"""Prose is plain English: some phrases do not come back. The lists in the docs are complete."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from places import ROOT

FOLDERS = ("benchmarks", "docs", "notebooks", "plugins", "workbench")
SUFFIXES = {".ipynb", ".md", ".py", ".template", ".toml"}
PAGES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in SUFFIXES
]
PAGES += [ROOT / name for name in ("CHANGELOG.md", "Makefile", "README.md", "datasets.toml")]

# What not to write, as regular expressions, and what to write instead.
PHRASES = {
    r"\banew\b": "again",
    r"\bas we remember\b": "to our knowledge",
    r"\bas (it|they) must be\b": "invalid",
    r"\bcannot be had\b": "could not be downloaded",
    r"\bcannot be: it must\b": "Invalid value ...: must be",
    r"\bfor a program to read\b": "as JSON",
    r"\bgo(es)? on where\b": "resume",
    r"\bif left out\b": "if omitted",
    r"\b(is|are|be) had\b": "is available, is downloaded",
    r"\bjudg(e|ed|es|ing)\b": "evaluate",
    r"\bthe usual way\b": "the reference",
    r"\bthat is what\b": "that",
    r"\bto be had\b": "available",
    r"\btype: mlw\b": "run: mlw",
    r"\bwhat to type\b": "what to run",
}


def words_of(path: Path) -> str:
    """The text of a file on one line, without the marks of comments and the quotes of notebooks."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    lines = [line.strip().lstrip("#").strip('"') for line in text.splitlines()]
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_prose_is_plain(path):
    words = words_of(path)
    for phrase, better in PHRASES.items():
        found = re.search(rf".{{0,40}}{phrase}.{{0,40}}", words, re.IGNORECASE)
        assert not found, f"write {better!r} in: ...{found[0]}..."


def test_a_phrase_is_found_over_two_lines(tmp_path):
    page = tmp_path / "page.py"
    page.write_text(
        "x = 1  # the second\n# the file goes\n# on where it stopped\n", encoding="utf-8"
    )
    with pytest.raises(AssertionError, match=r"write 'resume' in: .*goes on where it stopped"):
        test_the_prose_is_plain(page)


def test_the_tutorial_lists_what_a_plugin_may_import():
    page = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(workbench[\w.]*)` \| .+? \| (.+) \|$", page, re.MULTILINE)
    assert [module for module, _ in rows] == [
        "workbench",
        "workbench.data",
        "workbench.errors",
        "workbench.functional",
        "workbench.testing",
    ]
    for module, names in rows:
        assert re.findall(r"`(\w+)`", names) == importlib.import_module(module).__all__


def test_the_design_page_describes_every_package():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Packages\n")
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", section.partition("\n## ")[0], re.MULTILINE)
    described = re.findall(r"`([\w/]+)`", " ".join(rows))
    core = ROOT / "workbench"
    packages = [f"{path.parent.relative_to(core)}/" for path in core.rglob("*/__init__.py")]
    modules = [path.stem for path in core.glob("*.py") if path.stem != "__init__"]
    assert sorted(described) == sorted([*packages, *modules])
