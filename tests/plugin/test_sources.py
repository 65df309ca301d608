"""The text that defines a class: which modules it is read from, and when."""

from __future__ import annotations

import importlib
import sys
import textwrap
import types

import pytest

from workbench.plugin.sources import library_of, loaded_source, read_source


def read_text(target):
    return read_source(target).text


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("from .rates import FAST", "rates.py"),
        ("from shop.rates import FAST", "rates.py"),
        ("import shop.rates", "rates.py"),
        ("from . import rates", "rates.py"),
        ("from shop import FAST", "__init__.py"),
        ("def later():\n    from shop import rates", "rates.py"),
        ("from .rates import FAST", "tables/__init__.py"),  # which rates.py imports
    ],
)
def test_the_code_of_a_method_is_all_of_its_package_that_it_uses(line, file, tmp_path, monkeypatch):
    files = {
        "__init__.py": "FAST = 2",
        "tables/__init__.py": "",
        "rates.py": "import shop.tables\nFAST = 1",
        "other.py": "",
        "method.py": f"{line}\nimport json.decoder\nfrom workbench import Learner\n\n"
        "class Method(Learner): pass\n",
    }
    for name, text in files.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] == "shop":  # of the case before
            del sys.modules[name]
    method = importlib.import_module("shop.method").Method
    first = read_text(method)
    assert "class Method" in first
    (tmp_path / "shop" / "other.py").write_text("changed = True")
    assert read_text(method) == first
    (tmp_path / "shop" / file).write_text(f"{files[file]}\nchanged = True")
    assert read_text(method) != first


def test_the_code_of_a_method_without_a_file_has_its_name_and_its_bases(monkeypatch):
    monkeypatch.setitem(sys.modules, "prompt", types.ModuleType("prompt"))
    text = read_text(type("Typed", (Exception,), {"__module__": "prompt"}))
    assert "Typed" in text
    assert "Exception" in text


def test_the_text_is_that_of_the_import_whatever_the_file_holds_later(load, tmp_path):
    code = """
    from workbench import Learner, hookimpl
    class Method(Learner): pass
    @hookimpl
    def register_algorithms(register): register("own", "early:Method")
    """
    text = textwrap.dedent(code)
    found = load(early=text).find("algorithms", "own").load()
    assert loaded_source(found).changed_files() == []
    (tmp_path / "early.py").write_text("this is (no Python any more")
    assert loaded_source(found).text == text
    assert loaded_source(found).changed_files() == [tmp_path / "early.py"]
    assert read_source(found).text != text
    (tmp_path / "early.py").unlink()
    assert loaded_source(found).changed_files() == [tmp_path / "early.py"]


LIBRARY = """
from workbench import hookimpl
@hookimpl
def register_backbones(register): register("net", "{target}")
"""


@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("torch.nn:Sequential", "torch.nn.modules.container.Sequential"),
        ("torchvision.models:ResNet", "torchvision.models.resnet.ResNet"),
    ],
)
def test_a_class_of_a_library_counts_by_its_name(load, target, module):
    found = load(borrowed=LIBRARY.format(target=target)).find("backbones", "net").load()
    assert loaded_source(found).text == module
    assert loaded_source(found).changed_files() == []
    assert library_of(found) == target.partition(".")[0]


def test_plugins_and_modules_beside_them_are_no_library(load):
    code = "from workbench import Learner\nclass Method(Learner): pass"
    load(loose=code)
    assert library_of(importlib.import_module("loose").Method) == ""
    assert library_of(importlib.import_module("mlw_metric.protonet").ProtoNet) == ""


def test_a_module_that_cannot_be_imported_here_is_passed_over(tmp_path, monkeypatch):
    files = {
        "__init__.py": "",
        "extra/__init__.py": "raise ImportError('it needs a library that is not installed')",
        "method.py": "def fast():\n    from wares.extra.speed import run\nclass Method: pass",
    }
    for name, text in files.items():
        (tmp_path / "wares" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "wares" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert "class Method" in read_text(importlib.import_module("wares.method").Method)
