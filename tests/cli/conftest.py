"""Commands run in this process, and a publisher's server."""

from __future__ import annotations

import shlex
import sys

import pytest
from local_server import serve
from plugin_packages import place
from publisher import drawings, write_zip

from workbench.cli import main
from workbench.plugin.registry import registry


@pytest.fixture
def mlw(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command in this process, in a folder of its own.

    It returns the exit code, standard output and standard error.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(line, *more):
        words = [*shlex.split(line), *map(str, more)]
        monkeypatch.setattr(sys, "argv", ["mlw", *words])
        code = 0
        try:
            main.run()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MLW_CACHE", str(folder))
    return folder


PLUGIN = """
import numpy as np
from workbench import hookimpl
from workbench.data.files.archive import Archive
from workbench.data.dataset import Dataset, ImageClass

class Tiny(Dataset):
    "Drawings."
    manifest = "tiny"
    def classes(self, split, files):
        with Archive(files["tiny.zip"]) as archive:
            names = [name for name in archive.images() if split == "test"]
            images = [archive.image(name, size=8, channels=1) for name in names]
        if images:
            yield ImageClass("all", np.stack(images))

class Asked(Tiny):
    manifest = "asked"

@hookimpl
def register_datasets(register):
    register("tiny", Tiny)
    register("asked", Asked)
"""

MANIFEST = """
[tiny]
homepage = "https://example.invalid"
licence = "CC0"
citation = "Nobody, 2020"
[[tiny.file]]
name = "tiny.zip"
url = "http://127.0.0.1:9/tiny.zip"
mirrors = ["MIRROR"]
counts = { images = 12, characters = 6 }

[asked]
homepage = "https://example.invalid"
licence = "CC0"
citation = "Nobody, 2020"
access = "by hand"
steps = "Ask Nobody for tiny.zip. Then run: mlw download asked --from FILE"
[[asked.file]]
name = "tiny.zip"
counts = { images = 12, characters = 6 }
"""


@pytest.fixture
def server(tmp_path, monkeypatch, cache):
    """A publisher's server, and a plugin with two data sets published there; an empty cache."""
    folder = tmp_path / "published"
    folder.mkdir()
    write_zip(folder / "tiny.zip", drawings())
    site = tmp_path / "site"
    place(site, "mlw-tiny", PLUGIN)
    with serve(folder) as running:
        manifest = MANIFEST.replace("MIRROR", f"{running.url}tiny.zip")
        (site / "mlw_tiny" / "datasets.toml").write_text(manifest)
        monkeypatch.syspath_prepend(str(site))
        registry.cache_clear()
        yield running
    registry.cache_clear()
    sys.modules.pop("mlw_tiny", None)
