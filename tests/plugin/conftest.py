"""Plugins that are written and loaded within a test."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from workbench.plugin import hookspecs
from workbench.plugin import registry as registries


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that writes modules and loads them as plugins of the same names."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(**modules: str) -> registries.Registry:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return registries.load([EntryPoint(name, name, hookspecs.GROUP) for name in modules])

    yield run
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and tmp_path in Path(file).parents:
            del sys.modules[name]
