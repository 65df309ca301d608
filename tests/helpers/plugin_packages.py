"""Plugin packages for tests: from the code blocks of the docs, or written in a test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from places import ROOT

DOCS = ROOT / "docs"
IMPORT = "from workbench import hookimpl\n"


def files_of(page: str) -> dict[str, str]:
    """Return the code blocks that begin with a comment with a file name, by file name."""
    return dict(re.findall(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def sessions_of(page: str) -> dict[str, str]:
    """Return the commands of the console blocks, and what they print."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE))


def install(site: Path, *folders: Path) -> None:
    """Install packages with pip into a folder, not into the environment."""
    quiet = [
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, "--target", site, *folders],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def place(site: Path, distribution: str, code: str, **modules: str) -> None:
    """Write a package as pip would install it. Its entry point is the second half of its name."""
    package = distribution.replace("-", "_")
    (site / package).mkdir(parents=True)
    for name, text in {"__init__": code, **modules}.items():
        (site / package / f"{name}.py").write_text(text, encoding="utf-8")
    about = site / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8"
    )
    (about / "entry_points.txt").write_text(
        f"[mlw]\n{distribution.partition('-')[2]} = {package}\n", encoding="utf-8"
    )
