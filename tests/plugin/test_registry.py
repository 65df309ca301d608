"""Loading plugins, and looking up what they register."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

import pytest
from plugin_packages import IMPORT, place

from workbench.errors import PluginError, UnknownName, UsageError
from workbench.plugin import registry as registries

BACKBONE = IMPORT + "@hookimpl\ndef register_backbones(register): register('net', 'a:A')"


@pytest.mark.parametrize("kind", registries.KINDS)
def test_a_name_that_two_plugins_register_needs_its_full_name(load, tmp_path, kind):
    for side in ("left", "right"):
        code = f"@hookimpl\ndef register_{kind}(register): register('a', 'a:{side}')"
        place(tmp_path, f"mlw-{side}", IMPORT + code)
    left, right = entry_points(group="mlw", name="left"), entry_points(group="mlw", name="right")
    registry = registries.load([*left, *right])
    assert list(registry.entries(kind)) == ["mlw-left/a", "mlw-right/a"]
    assert registry.find(kind, "mlw-right/a").target == "a:right"
    assert not registry.knows(kind, "a")
    sentence = (
        f"Two plugins register the {registries.KINDS[kind]} 'a'; "
        "use the full name: mlw-left/a and mlw-right/a."
    )
    with pytest.raises(UsageError, match=re.escape(sentence)):
        registry.find(kind, "a")


def test_a_class_can_be_registered_directly(load):
    code = "class Net: ...\n@hookimpl\ndef register_backbones(register): register('net', Net)"
    assert load(example=IMPORT + code).find("backbones", "net").load().__name__ == "Net"


def test_what_a_plugin_registers_before_it_fails_is_kept(load):
    code = "@hookimpl\ndef register_backbones(register): register('a', 'a:A'); 1 / 0"
    registry = load(example=IMPORT + code)
    assert registry.plugins[0].error == "ZeroDivisionError: division by zero"
    sentence = r"\?/a names 'a:A', which cannot be imported: ModuleNotFoundError"
    with pytest.raises(PluginError, match=sentence):
        registry.find("backbones", "a").load()


def test_two_entry_points_of_the_same_name(load, tmp_path):
    (tmp_path / "first.py").write_text(BACKBONE, encoding="utf-8")
    points = [EntryPoint("same", "first", "mlw"), EntryPoint("same", "second", "mlw")]
    registry = registries.load(points)
    assert [plugin.name for plugin in registry.plugins] == ["same", "?/same"]
    errors = [plugin.error for plugin in registry.plugins]
    assert errors == ["", "ModuleNotFoundError: No module named 'second'"]


def test_the_error_for_an_unknown_name_says_that_a_plugin_is_broken(load):
    registry = load(example="1 / 0")
    sentence = r"There is no algorithm 'x'\. .* did not load \(example\); run: mlw plugins"
    with pytest.raises(UnknownName, match=sentence):
        registry.find("algorithms", "x")


def test_the_nearest_name_is_suggested(load):
    registry = load(example=BACKBONE)
    sentence = r"There is no backbone 'nett'\. Did you mean net\? .* Run: mlw list backbones"
    with pytest.raises(UnknownName, match=sentence):
        registry.find("backbones", "nett")
    with pytest.raises(UsageError, match=r"There is no data set 'x'\. Available: none"):
        registry.find("datasets", "x")


def test_the_installed_plugins_are_loaded(monkeypatch):
    monkeypatch.delenv("MLW_PLUGINS", raising=False)
    found = {plugin.name: plugin for plugin in registries.registry.__wrapped__().plugins}
    assert {"metric", "optimization", "transfer", "vision"} <= found.keys()
    assert found["metric"].version == "0.1.0"


def test_only_the_plugins_that_are_named_are_loaded(monkeypatch):
    monkeypatch.setenv("MLW_PLUGINS", "metric, nothing")
    registry = registries.registry.__wrapped__()
    assert [(plugin.name, plugin.error) for plugin in registry.plugins] == [
        ("metric", ""),
        ("nothing", "MLW_PLUGINS names this plugin, but it is not installed"),
    ]
    sentence = r"There is no backbone 'conv4'\. Available: none.* did not load \(nothing\)"
    with pytest.raises(UnknownName, match=sentence):
        registry.find("backbones", "conv4")
    monkeypatch.setenv("MLW_PLUGINS", "")
    assert registries.registry.__wrapped__().plugins == []


def test_a_name_with_options_is_an_alias(load):
    code = """
class Tiny: ...

@hookimpl
def register_algorithms(register):
    register("tiny", Tiny)
    register("tinier", Tiny, depth=1, wide=False)
"""
    found = load(example=IMPORT + code).find("algorithms", "tinier")
    assert (found.base, dict(found.preset)) == ("tiny", {"depth": 1, "wide": False})


def test_an_alias_is_registered_after_its_base(load):
    code = "@hookimpl\ndef register_algorithms(register): register('tinier', 'a:Tiny', depth=1)"
    (plugin,) = load(example=IMPORT + code).plugins
    assert "with options before it registers 'a:Tiny' without options" in plugin.error


def test_a_malformed_entry_point_is_an_error_of_its_plugin():
    loaded = registries.load([EntryPoint("odd", "no module!", "mlw")])
    assert "its entry point is 'no module!', which names no module" in loaded.plugins[0].error
