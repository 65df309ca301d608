"""A plugin that needs a newer interface is not used, and `mlw plugins` says so."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import pytest
from plugin_packages import IMPORT, place

import workbench
from workbench.plugin import registry as registries

CODE = IMPORT + "@hookimpl\ndef register_backbones(register): register('net', 'mlw_later.net:Net')"
NEWER = workbench.INTERFACE + 1


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Return a function that installs a plugin whose package has such keywords, and loads it."""

    def load(keywords, code=CODE):
        place(tmp_path, "mlw-later", code)
        if keywords:
            with (tmp_path / "mlw_later-1.0.dist-info" / "METADATA").open("a") as file:
                file.write(f"Keywords: {keywords}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        (plugin,) = registries.load(list(entry_points(group="mlw", name="later"))).plugins
        monkeypatch.delitem(sys.modules, "mlw_later", raising=False)
        return plugin

    return load


@pytest.mark.parametrize(
    "keywords", ["", "few-shot learning", "mlw-interface-1", f"a,mlw-interface-{NEWER - 1},b"]
)
def test_a_plugin_that_needs_no_newer_interface_is_used(keywords, loaded):
    plugin = loaded(keywords)
    assert plugin.error == ""
    assert [entry.name for entry in plugin.entries] == ["net"]


def test_a_plugin_that_needs_a_newer_one_is_not_imported(loaded):
    plugin = loaded(f"few-shot,mlw-interface-{NEWER}", code="from workbench import NotYetThere")
    assert plugin.entries == []
    assert plugin.error == (
        f"PluginError: it needs version {NEWER} of the plugin interface, and this workbench has "
        f"{NEWER - 1}; run: pip install --upgrade meta-learning-workbench"
    )


@pytest.mark.parametrize("text", ["two", "1.5", "", "-1"])
def test_a_keyword_without_a_number_is_told(text, loaded):
    error = loaded(f"mlw-interface-{text}").error
    assert error.startswith(f"PluginError: its keyword mlw-interface-{text} has no number")
