"""The hooks, one by one: each has its place in the docs, and a test; and what the loader makes of plugins."""

from __future__ import annotations

import inspect
import re
import sys
from importlib.metadata import EntryPoint, entry_points

import pytest
import typer
from plugin_packages import DOCS, IMPORT, files_of, place
from typer.testing import CliRunner

from workbench.errors import PluginError, UnknownName, UsageError
from workbench.plugin import hookspecs, recipes
from workbench.plugin import registry as plugins

HOOKS_PAGE = (DOCS / "hooks.md").read_text(encoding="utf-8")
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "mlw_spec")}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []

    def run(**modules: str) -> plugins.Registry:
        """Load modules with this text as plugins of the same name."""
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
            loaded.append(name)
        return plugins.load([EntryPoint(name, name, hookspecs.GROUP) for name in modules])

    yield run
    for name in [*loaded, "mlw_left", "mlw_left.hooks", "mlw_right"]:
        sys.modules.pop(name, None)


def section_of(hook: str) -> str:
    """What the page says of a hook, under its heading."""
    found = re.search(rf"^## {hook}\n(.*?)(?=^## |\Z)", HOOKS_PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/hooks.md has no heading '## {hook}'"
    return found[1]


def test_each_hook_has_its_heading():
    assert re.findall(r"^## (\S+)$", HOOKS_PAGE, re.MULTILINE) == list(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_gives_signature_and_sentence(hook):
    text = section_of(hook)
    signature = str(inspect.signature(HOOKS[hook])).replace("'", "")
    assert f"```python\ndef {hook}{signature}\n```" in text
    assert f"\n{HOOKS[hook].__doc__}\n" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_test(hook):
    assert f"test_{hook}" in globals()


def entry_of(registry: plugins.Registry, kind: str) -> tuple[str, object]:
    assert [plugin.error for plugin in registry.plugins] == [""]
    ((name, entry),) = registry.entries(kind).items()
    assert registry.find(kind, name) is entry
    return name, entry.target


def test_register_algorithms(load):
    (code,) = files_of(section_of("register_algorithms")).values()
    assert entry_of(load(example=code), "algorithms") == (
        "my-method",
        "my_package.my_method:MyMethod",
    )


def test_register_backbones(load):
    (code,) = files_of(section_of("register_backbones")).values()
    assert entry_of(load(example=code), "backbones") == (
        "my-network",
        "my_package.my_network:MyNetwork",
    )


def test_register_datasets(load):
    (code,) = files_of(section_of("register_datasets")).values()
    assert entry_of(load(example=code), "datasets") == (
        "my-images",
        "my_package.my_images:MyImages",
    )


def test_register_commands(load):
    app = typer.Typer()
    app.command("list")(lambda: None)
    (code,) = files_of(section_of("register_commands")).values()
    registry = load(example=code)
    registry.register_commands(app)
    assert CliRunner().invoke(app, ["hello", "--name", "Ada"]).output == "hello Ada\n"
    assert not registry.plugins[0].error


def test_of_two_plugins_with_one_command_the_second_is_told(load):
    app = typer.Typer()
    app.command("list")(lambda: None)
    code = files_of(section_of("register_commands"))["my_package/__init__.py"]
    registry = load(one=code, two=code)
    registry.register_commands(app)
    assert [plugin.error for plugin in registry.plugins] == [
        "",
        "PluginError: there is a command 'hello' already",
    ]


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_a_name_that_two_claim_is_known_by_full_name_only(load, tmp_path, kind):
    for side in ("left", "right"):
        place(
            tmp_path,
            f"mlw-{side}",
            IMPORT + f"@hookimpl\ndef register_{kind}(register): register('a', 'a:{side}')",
        )
    registry = plugins.load(
        list(entry_points(group="mlw", name="left")) + list(entry_points(group="mlw", name="right"))
    )
    assert list(registry.entries(kind)) == ["mlw-left/a", "mlw-right/a"]
    assert registry.find(kind, "mlw-right/a").target == "a:right"
    sentence = f"The {plugins.KINDS[kind]} 'a' comes from two plugins; say which: mlw-left/a and mlw-right/a."
    with pytest.raises(UsageError, match=re.escape(sentence)):
        registry.find(kind, "a")


def test_a_class_registers_as_well_as_its_name(load):
    code = (
        IMPORT + "class Net: ...\n@hookimpl\ndef register_backbones(register): register('net', Net)"
    )
    assert load(example=code).find("backbones", "net").load().__name__ == "Net"


def test_what_a_broken_plugin_registered_before_stays(load):
    code = IMPORT + "@hookimpl\ndef register_backbones(register): register('a', 'a:A'); 1 / 0"
    registry = load(example=code)
    assert registry.plugins[0].error == "ZeroDivisionError: division by zero"
    with pytest.raises(
        PluginError, match=r"\?/a names 'a:A', which cannot be imported: ModuleNotFoundError"
    ):
        registry.find("backbones", "a").load()


def test_recipes_lie_beside_the_module_of_the_entry_point(load, tmp_path):
    code = (
        IMPORT
        + "@hookimpl\ndef register_algorithms(register): register('a', 'a:A'); register('b', 'a:A')"
    )
    place(tmp_path, "mlw-left", "", hooks=code)
    (tmp_path / "mlw_left" / "recipes.toml").write_text(
        "[[a]]\nquick = { steps = 3 }\n[b]\n", encoding="utf-8"
    )
    registry = plugins.load([EntryPoint("left", "mlw_left.hooks", "mlw")])
    assert recipes.settings(registry.find("algorithms", "a"), "quick", "any", 5, 1) == {"steps": 3}
    with pytest.raises(PluginError, match=r"has \[b\], a single table; write \[\[b\]\]"):
        recipes.settings(registry.find("algorithms", "b"), "quick", "any", 5, 1)


def test_two_entry_points_of_one_name(load, tmp_path):
    code = IMPORT + "@hookimpl\ndef register_backbones(register): register('net', 'a:A')"
    (tmp_path / "first.py").write_text(code, encoding="utf-8")
    registry = plugins.load(
        [EntryPoint("same", "first", "mlw"), EntryPoint("same", "second", "mlw")]
    )
    assert [plugin.error for plugin in registry.plugins] == [
        "",
        "ModuleNotFoundError: No module named 'second'",
    ]
    sys.modules.pop("first")


def test_an_unknown_name_hints_at_a_broken_plugin(load):
    with pytest.raises(
        UnknownName,
        match=r"There is no algorithm 'x'\. .* did not load \(example\); see: mlw plugins",
    ):
        load(example="1 / 0").find("algorithms", "x")


def test_the_nearest_name_is_offered(load):
    code = IMPORT + "@hookimpl\ndef register_backbones(register): register('resnet12', 'a:A')"
    with pytest.raises(
        UnknownName,
        match=r"There is no backbone 'resnet21'. Did you mean resnet12\?.* See: mlw list",
    ):
        load(example=code).find("backbones", "resnet21")
    with pytest.raises(UsageError, match=r"There is no data set 'x'\. There are none"):
        load(other=code).find("datasets", "x")


def test_the_environment_is_asked_for_plugins(monkeypatch):
    monkeypatch.delenv("MLW_PLUGINS", raising=False)
    found = {plugin.name: plugin for plugin in plugins.registry.__wrapped__().plugins}
    assert {"metric", "optimization", "transfer", "vision"} <= found.keys()
    assert found["metric"].version == "0.1.0"
    monkeypatch.setenv("MLW_PLUGINS", "metric, nothing")
    only = plugins.registry.__wrapped__()
    assert [(plugin.name, plugin.error) for plugin in only.plugins] == [
        ("metric", ""),
        ("nothing", "MLW_PLUGINS names it, and it is not here"),
    ]
    with pytest.raises(
        UnknownName,
        match=r"There is no backbone 'conv4'\. There are none.* did not load \(nothing\)",
    ):
        only.find("backbones", "conv4")
    monkeypatch.setenv("MLW_PLUGINS", "")
    assert plugins.registry.__wrapped__().plugins == []


ALIAS = (
    IMPORT
    + """
class Tiny:
    def __init__(self, *, steps: int = 1): ...

@hookimpl
def register_algorithms(register):
    register("tiny", Tiny)
    register("tinier", Tiny, depth=1, wide=False)
"""
)


def test_a_name_with_options_is_an_alias_with_its_base_s_recipes_and_its_own(load, monkeypatch):
    found = load(mlw_left=ALIAS).find("algorithms", "tinier")
    assert (found.base, dict(found.preset)) == ("tiny", {"depth": 1, "wide": False})
    data = {
        "tiny": [
            {"quick": {"depth": 9, "steps": 5, "lr": 1.0}, "data": "x"},
            {"quick": {"steps": 3}},
        ],
        "tinier": [{"quick": {"lr": 0.5}}],
    }
    monkeypatch.setattr(recipes, "_read", lambda _: data)
    merged = recipes.settings(found, "quick", "x", 5, 1)
    assert merged == {"depth": 1, "wide": False, "steps": 5, "lr": 0.5}
    assert recipes.settings(found, "quick", "y", 5, 1)["steps"] == 3
    assert recipes.published(found) == []
    data.clear()
    assert recipes.settings(found, "quick", "y", 5, 1) == {"depth": 1, "wide": False}


def test_an_alias_stands_behind_its_base(load):
    text = (
        IMPORT
        + "\n@hookimpl\ndef register_algorithms(register): register('tinier', 'a:Tiny', depth=1)\n"
    )
    (plugin,) = load(mlw_left=text).plugins
    assert "before 'a:Tiny' without any" in plugin.error
