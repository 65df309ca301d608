"""Each hook has its section in the docs, and the example there works."""

from __future__ import annotations

import inspect
import re

import pytest
import typer
from plugin_packages import DOCS, files_of
from typer.testing import CliRunner

from workbench import TrackedEvaluation, TrackedRun
from workbench.plugin import hookspecs
from workbench.plugin.registry import Registry

HOOKS_PAGE = (DOCS / "hooks.md").read_text(encoding="utf-8")
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "mlw_spec")}


def section_of(hook: str) -> str:
    """Return the section of the page about a hook."""
    found = re.search(rf"^## {hook}\n(.*?)(?=^## |\Z)", HOOKS_PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/hooks.md has no heading '## {hook}'"
    return found[1]


def example_of(hook: str) -> str:
    """Return the code of the example of a hook."""
    (code,) = files_of(section_of(hook)).values()
    return code


def test_each_hook_has_its_heading():
    assert re.findall(r"^## (\S+)$", HOOKS_PAGE, re.MULTILINE) == list(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_has_signature_and_docstring(hook):
    text = section_of(hook)
    signature = str(inspect.signature(HOOKS[hook])).replace("'", "")
    assert f"```python\ndef {hook}{signature}\n```" in text
    assert f"\n{HOOKS[hook].__doc__}\n" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_test(hook):
    assert f"test_{hook}" in globals()


def only_registration(registry: Registry, kind: str) -> tuple[str, object]:
    assert [plugin.error for plugin in registry.plugins] == [""]
    ((name, registration),) = registry.entries(kind).items()
    assert registry.find(kind, name) is registration
    return name, registration.target


def test_register_algorithms(load):
    registry = load(example=example_of("register_algorithms"))
    expected = ("my-method", "my_package.my_method:MyMethod")
    assert only_registration(registry, "algorithms") == expected


def test_register_backbones(load):
    registry = load(example=example_of("register_backbones"))
    expected = ("my-network", "my_package.my_network:MyNetwork")
    assert only_registration(registry, "backbones") == expected


def test_register_datasets(load):
    registry = load(example=example_of("register_datasets"))
    expected = ("my-images", "my_package.my_images:MyImages")
    assert only_registration(registry, "datasets") == expected


def test_register_trackers(load, tmp_path):
    registry = load(example=example_of("register_trackers"))
    name, target = only_registration(registry, "trackers")
    tracker = target()
    tracker.begin(TrackedRun("it", tmp_path, "protonet", {"lr": 0.1}, steps=2, done=0))
    tracker.record(1, {"loss": 0.5})
    tracker.evaluated(TrackedEvaluation("glyphs, 5-way 1-shot", {}, {"accuracy": 0.9}))
    tracker.end("finished")
    assert name == "lines"
    assert (tmp_path / "lines.txt").read_text().splitlines() == [
        "begin protonet 0 2 {'lr': 0.1}",
        "record 1 {'loss': 0.5}",
        "evaluated glyphs, 5-way 1-shot {'accuracy': 0.9}",
        "end finished",
    ]


def test_register_commands(load):
    app = typer.Typer()
    app.command("list")(lambda: None)
    registry = load(example=example_of("register_commands"))
    registry.register_commands(app)
    assert CliRunner().invoke(app, ["hello", "--name", "Ada"]).output == "hello Ada\n"
    assert not registry.plugins[0].error


def test_if_two_plugins_add_the_same_command_the_second_fails(load):
    app = typer.Typer()
    app.command("list")(lambda: None)
    code = example_of("register_commands")
    registry = load(one=code, two=code)
    registry.register_commands(app)
    errors = [plugin.error for plugin in registry.plugins]
    assert errors == ["", "PluginError: there is already a command 'hello'"]
