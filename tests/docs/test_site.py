"""The site builds without a warning, and has a page for all that is public."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from doc_blocks import NAMES
from places import ROOT

MODULES = ("", ".data", ".errors", ".functional", ".testing")


@pytest.mark.timeout(900)  # half a minute of one idle core
def test_the_site_has_every_page_and_every_public_name(tmp_path):
    build = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    places = ["-c", "docs", "-d", str(tmp_path / "doctrees"), ".", str(tmp_path / "html")]
    done = subprocess.run([*build, *places], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    site = tmp_path / "html"
    notebooks = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb")]
    for name in [*NAMES, *notebooks, "CHANGELOG.md", "docs/cli.md"]:
        assert (site / name).with_suffix(".html").is_file(), name
    for name in MODULES:
        module = importlib.import_module(f"workbench{name}")
        page = site / "docs" / "api" / f"{name[1:] or 'workbench'}.html"
        text = page.read_text(encoding="utf-8")
        for public in module.__all__:
            assert f'id="workbench{name}.{public}"' in text, f"workbench{name}.{public}"


def test_each_page_of_an_algorithm_shows_its_picture():
    pages = sorted((ROOT / "docs" / "algorithms").glob("*.md"))
    for page in pages:
        if page.stem != "index":
            assert f"](figures/ideas/{page.stem}.svg)" in page.read_text(encoding="utf-8")
    names = "from ideas.drawings import DRAWINGS; print(*DRAWINGS)"
    place = {"cwd": ROOT / "docs", "capture_output": True, "text": True, "check": True}
    drawn = subprocess.run([sys.executable, "-c", names], **place).stdout.split()
    assert drawn == [page.stem for page in pages if page.stem != "index"]
