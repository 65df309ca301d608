"""`mlw plugins`: what each registers, and what is wrong with a broken one."""

from __future__ import annotations

import json
import sys

import pytest
from plugin_packages import place

from workbench.plugin.recipes import _read
from workbench.plugin.registry import registry

ENTRY = """
homepage = "https://example.org"
licence = "MIT"
citation = "nobody"
[[unused.file]]
url = "https://example.org/unused.zip"
name = "unused.zip"
"""
PUBLISHED = '[[good]]\ndata = "x"\nways = 5\nshots = 1\npublished = { %s }'


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A plugin that cannot be imported."""
    place(tmp_path / "site", "mlw-broken", "import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.cache_clear()
    yield
    registry.cache_clear()


def test_each_plugin_is_a_row(mlw):
    rows = {row["name"]: row for row in json.loads(mlw("plugins --json")[1])}
    assert "protonet" in rows["metric"]["algorithms"]
    assert rows["metric"]["distribution"] == "mlw-metric"
    assert "glyphs" in rows["vision"]["datasets"]
    assert {row["error"] for row in rows.values()} == {""}
    output = mlw("plugins")[1]
    assert "algorithms: " in output
    assert "datasets: " in output


def test_a_broken_one_is_a_row_and_stops_no_other(mlw, broken):
    rows = {row["name"]: row for row in json.loads(mlw("plugins --json")[1])}
    assert "nothing_of_this_name" in rows["broken"]["error"]
    assert rows["broken"]["algorithms"] == []
    assert "protonet" in rows["metric"]["algorithms"]
    code, output, errors = mlw("list algorithms")
    assert code == 0
    assert "protonet" in output
    assert "broken did not load; see: mlw plugins" in errors


def test_one_that_needs_a_newer_interface_is_a_row(mlw, tmp_path, monkeypatch):
    place(tmp_path / "site", "mlw-later", "from workbench import NotYetThere\n")
    with (tmp_path / "site" / "mlw_later-1.0.dist-info" / "METADATA").open("a") as file:
        file.write("Keywords: mlw-interface-99\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.cache_clear()
    output = mlw("plugins")[1]
    code, _, errors = mlw("check mlw-later")
    registry.cache_clear()
    assert "it needs version 99 of the plugin interface, and this workbench has" in output
    assert code == 1
    assert "later did not load" not in errors


FAULTY = """
from workbench import hookimpl

@hookimpl
def register_algorithms(register):
    register("good", "mlw_faulty.method:Method")
    register("gone", "mlw_faulty.method:Methud")
    register("odd", "mlw_faulty.method:Method", width=3)
    register("false", "mlw_faulty.method:number")

@hookimpl
def register_datasets(register):
    register("lost", "mlw_faulty.method:Lost")
"""
METHOD = """
from typing import Annotated
from workbench import Dataset, Learner

number = 3

class Lost(Dataset):
    manifest = "lost"

class Method(Learner):
    def __init__(self, *, depth: Annotated[int, "depth"] = 1):
        super().__init__()
        self.depth = depth

    def embed(self, images):
        return images[:, [7]]

    def adapt(self, support):
        return lambda x: x

    def losses(self, source):
        return iter(())
"""
SOUND = """
[[good]]
quick = { depth = 2, steps = 3 }
"""


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Return a function that installs a plugin with a recipes.toml."""

    def install(recipes=SOUND, requires=""):
        site = tmp_path / "site"
        place(site, "mlw-faulty", FAULTY, method=METHOD)
        (site / "mlw_faulty" / "recipes.toml").write_text(recipes, encoding="utf-8")
        if requires:
            with (site / "mlw_faulty-1.0.dist-info" / "METADATA").open("a") as file:
                file.write(f"Requires-Dist: {requires}\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("MLW_PLUGINS", "faulty,vision")  # the others need not be checked again
        registry.cache_clear()
        _read.cache_clear()

    yield install
    registry.cache_clear()
    _read.cache_clear()
    for name in [name for name in sys.modules if name.startswith("mlw_faulty")]:
        del sys.modules[name]


def errors_of(mlw, name):
    rows = {row["name"]: row for row in json.loads(mlw("plugins --json")[1])}
    return rows[name]["error"]


def test_classes_and_requirements_that_are_not_there_are_shown(mlw, faulty):
    faulty(requires="no-such-package>=2")
    found = errors_of(mlw, "faulty")
    assert "mlw-faulty requires no-such-package>=2, which is not installed" in found
    assert "mlw-faulty/gone names 'mlw_faulty.method:Methud', which cannot be imported" in found
    assert "mlw-faulty/odd has no option 'width'" in found
    assert "mlw-faulty/false names 'mlw_faulty.method:number', which is no class but int" in found
    assert "There is no entry [lost] in" in found
    assert "good" not in found


def test_a_version_that_is_not_there_is_shown(mlw, faulty):
    faulty(requires="numpy>=99")
    assert "mlw-faulty requires numpy>=99, and " in errors_of(mlw, "faulty")


def test_what_another_system_or_an_extra_requires_is_no_fault(mlw, faulty):
    faulty(requires='no-such-package; sys_platform == "os/2"')
    assert "no-such-package" not in errors_of(mlw, "faulty")


def test_names_in_recipes_and_entries_that_nothing_has_are_shown(mlw, faulty, tmp_path):
    faulty(recipes="[[good]]\ndata = 'omniglotx'\nquick = { backbone = 'conv5:width=8' }\n")
    manifest = tmp_path / "site" / "mlw_faulty" / "datasets.toml"
    manifest.write_text("[unused]\n" + ENTRY, encoding="utf-8")
    found = errors_of(mlw, "faulty")
    assert "good has data = 'omniglotx', and no plugin registers that name" in found
    assert "good has backbone = 'conv5:width=8', and no plugin registers that name" in found
    assert "mlw_faulty/datasets.toml has [unused], which no data set names" in found


@pytest.mark.parametrize(
    ("recipes", "words"),
    [
        ("[[goood]]\nquick = {}", "has [[goood]], and the plugin registers no such algorithm"),
        ("[[good]]\nquick = { dept = 2 }", "has no option 'dept'. Did you mean depth?"),
        ("[[good]]\npaper = { steps = 'many' }", "steps=many: must be int"),
        ("[[good]]\nquick = 3", "quick = 3, which must be a table"),
        ("[[good]]\nquik = {}", "the key 'quik'; it may have: data, ways, shots, quick, paper"),
        ("[[good]]\nways = 'five'", "ways = 'five', which must be a whole number"),
        ("good = [1]", "has 1, which is no table"),
        ("[good]\nquick = {}", "has [good], a single table; write [[good]]"),
        ("[[good]]\nquick = { backbone = 3 }", "names no backbone by text"),
        ("[[good", "recipes.toml is not valid"),
        ("[[good]]\npublished = { accuracy = 1 }", "needs data, ways and shots beside it"),
        (PUBLISHED % 'accuracy = "98"', "accuracy = '98', which must be a number, in percent"),
        (PUBLISHED % 'accuracy = 98, source = "x", train_on = [3]', "train_on = [3]"),
        (PUBLISHED % 'accuracy = 98, source = "x", options = "depth"', "is not key=value"),
        (PUBLISHED % "accuracy = 98, source = 3", "source = 3, which must be a text"),
    ],
)
def test_a_malformed_recipe_is_told_before_any_training(recipes, words, mlw, faulty):
    faulty(recipes)
    assert words in errors_of(mlw, "faulty")
    code, _, errors = mlw("train good --steps 1")
    if "goood" in recipes:  # good itself has nothing wrong
        return
    assert code in (1, 2)
    assert words in errors
    assert "Traceback" not in errors


def test_an_error_in_a_method_is_one_sentence_with_its_place(mlw, faulty):
    faulty()
    code, _, errors = mlw("compare good --episodes 4")
    assert code == 1
    assert errors.splitlines()[-1].startswith(
        "mlw: the plugin faulty (mlw-faulty) fails in mlw_faulty/method.py, line 16: IndexError: "
    )
    assert errors.rstrip().endswith("mlw --debug compare good --episodes 4")
    with pytest.raises(IndexError):
        mlw("--debug compare good --episodes 4")
