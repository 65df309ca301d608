"""A new plugin installs, passes its tests, is checked and trains: each step is done here."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from plugin_packages import install

MLW = Path(sysconfig.get_path("scripts")) / "mlw"
USES = {  # a command that uses the plugin, and what it prints
    "algorithm": ("compare fresh protonet --steps 2 --episodes 5", "glyphs: accuracy in %"),
    "backbone": (
        "compare protonet --backbone fresh --steps 2 --episodes 5",
        "glyphs: accuracy in %",
    ),
    "dataset": ("compare nearest_pixel --on fresh --episodes 5", "fresh: accuracy in %"),
    "command": ("fresh --who Ada", "hello Ada"),
}


def run(folder: Path, *words: str, site: Path | None = None, code: int = 0) -> str:
    """Run a command in a new process, with the package installed in `site`; return its output."""
    environment = {key: value for key, value in os.environ.items() if key != "MLW_PLUGINS"}
    if site:
        environment["PYTHONPATH"] = str(site)
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def installed(tmp_path: Path, *kinds: str) -> Path:
    """Write a plugin with such things, install it, run its tests and check it."""
    flags = [f"--{kind}" for kind in kinds]
    printed = run(tmp_path, MLW, "new", "plugin", "fresh", *flags).splitlines()
    assert printed[1:3] == ["  pip install -e fresh", "  mlw check fresh"]
    folder, site = tmp_path / "fresh", tmp_path / "site"
    assert printed[-1].strip() in (folder / "README.md").read_text(encoding="utf-8")

    install(site, folder)
    words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"]
    assert " passed" in run(folder, sys.executable, *words, site=site)
    table = run(tmp_path, MLW, "check", "fresh", site=site)
    assert "fresh · plugin of mlw-fresh: 2 held" in table
    assert "not asked" not in table
    return site


@pytest.mark.parametrize("kind", USES)
def test_a_new_plugin_works_at_once(kind, tmp_path):
    site = installed(tmp_path, kind)
    words, printed = USES[kind]
    assert printed in run(tmp_path, MLW, *words.split(), site=site)


def test_a_new_plugin_with_everything_works_at_once(tmp_path):
    site = installed(tmp_path, *USES)
    words = "compare fresh protonet --backbone fresh --on fresh --steps 2 --episodes 5"
    assert "fresh: accuracy in %" in run(tmp_path, MLW, *words.split(), site=site)


def test_the_style_of_a_new_plugin(tmp_path):
    run(tmp_path, MLW, "new", "plugin", "fresh", *(f"--{kind}" for kind in USES))
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--isolated", "--line-length", "100", "fresh"]
    run(tmp_path, *ruff, "check", "--select", "ANN,B,E,F,I,N,UP,W", *settings)
    run(tmp_path, *ruff, "format", "--check", *settings)
