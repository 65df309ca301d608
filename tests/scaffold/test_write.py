"""A new plugin installs, passes its tests, is checked and trains: each step is done here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from plugin_packages import install

MLW = Path(sysconfig.get_path("scripts")) / "mlw"
KINDS = {
    "algorithm": "compare fresh protonet --steps 2 --episodes 5",
    "backbone": "compare protonet --backbone fresh --steps 2 --episodes 5",
    "dataset": "compare nearest_pixel --on fresh --episodes 5",
    "command": "fresh --who Ada",
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


def works(tmp_path: Path, *kinds: str) -> None:
    """Write a plugin with such things, install it, run its tests, check it and use it."""
    flags = [f"--{kind}" for kind in kinds]
    printed = run(tmp_path, MLW, "new", "plugin", "fresh", *flags)
    assert printed.splitlines()[1:3] == ["  pip install -e fresh", "  mlw check fresh"]
    folder, site = tmp_path / "fresh", tmp_path / "site"
    assert str((folder / "README.md").read_text()).count(printed.splitlines()[-1].strip()) == 1

    install(site, folder)
    pytest_words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"]
    assert " passed" in run(folder, sys.executable, *pytest_words, site=site)
    rows = json.loads(
        run(tmp_path, MLW, "check", "fresh", "--json", site=site).partition("]\n")[0] + "]"
    )
    assert {row["held"] for row in rows} == {True}
    for kind in kinds:
        used = run(tmp_path, MLW, *KINDS[kind].split(), site=site)
        assert ("hello Ada" if kind == "command" else "accuracy in %") in used


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_works_at_once(kind, tmp_path):
    works(tmp_path, kind)


def test_a_new_plugin_with_everything_works_at_once(tmp_path):
    works(tmp_path, *KINDS)
    line = "compare fresh protonet --backbone fresh --on fresh --steps 2 --episodes 5"
    assert "fresh" in run(tmp_path, MLW, *line.split(), site=tmp_path / "site")


def test_style_and_types_of_a_new_plugin(tmp_path):
    run(tmp_path, MLW, "new", "plugin", "fresh", *(f"--{kind}" for kind in KINDS))
    ruff = ["-m", "ruff", "--isolated"]
    rules = ["--select", "ANN,B,E,F,I,N,RUF,UP,W", "--line-length", "100"]
    run(tmp_path, sys.executable, *ruff[:2], "check", "--isolated", *rules, "fresh")
    run(
        tmp_path,
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--check",
        "--line-length",
        "100",
        "fresh",
    )
