"""A new plugin installs, passes its tests, is checked and trains: each step is done here."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
from plugin_packages import install

MLW = Path(sysconfig.get_path("scripts")) / "mlw"
FEW = "--steps 2 --episodes 5"
USES = {  # by what a plugin registers: a command that uses it, and what it prints
    ("algorithm",): (f"compare fresh protonet {FEW}", "glyphs: accuracy in %"),
    ("backbone",): (f"compare protonet --backbone fresh {FEW}", "glyphs: accuracy in %"),
    ("dataset",): ("compare nearest_pixel --on fresh --episodes 5", "fresh: accuracy in %"),
    ("command",): ("fresh --who Ada", "hello Ada"),
    ("algorithm", "backbone", "dataset", "command"): (
        f"compare fresh protonet --backbone fresh --on fresh {FEW}",
        "fresh: accuracy in %",
    ),
}
KINDS = list(USES)


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


class Installed(NamedTuple):
    """A new plugin, and where it is installed."""

    folder: Path
    site: Path


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def kinds(request):
    """What the plugin registers."""
    return request.param


@pytest.fixture(scope="module")
def fresh(kinds, tmp_path_factory):
    """A new plugin of these kinds, written by the command and installed by pip."""
    above = tmp_path_factory.mktemp("new")
    flags = [f"--{kind}" for kind in kinds]
    printed = run(above, MLW, "new", "plugin", "fresh", *flags).splitlines()
    assert printed[1:3] == ["  pip install -e ./fresh", "  mlw check fresh"]
    assert printed[-1].strip() in (above / "fresh" / "README.md").read_text(encoding="utf-8")
    install(above / "site", above / "fresh")
    return Installed(above / "fresh", above / "site")


def test_a_new_plugin_passes_its_tests(fresh):
    words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"]
    assert " passed" in run(fresh.folder, sys.executable, *words, site=fresh.site)


def test_a_new_plugin_keeps_the_contract(fresh):
    table = run(fresh.folder, MLW, "check", "fresh", site=fresh.site)
    assert "fresh · plugin of mlw-fresh: 2 held" in table
    assert "not asked" not in table


def test_a_new_plugin_is_used_at_once(fresh, kinds, tmp_path):
    words, printed = USES[kinds]
    assert printed in run(tmp_path, MLW, *words.split(), site=fresh.site)


def test_the_style_of_a_new_plugin(tmp_path):
    run(tmp_path, MLW, "new", "plugin", "fresh", *(f"--{kind}" for kind in KINDS[-1]))
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--isolated", "--line-length", "100", "."]
    folder = tmp_path / "fresh"
    run(folder, *ruff, "check", "--select", "ANN,B,E,F,I,N,UP,W", *settings)
    run(folder, *ruff, "format", "--check", *settings)
