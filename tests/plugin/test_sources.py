"""The text that defines a class: which modules it is read from, and when."""

from __future__ import annotations

import importlib
import sys
import textwrap
import types

import pytest

from workbench.plugin.sources import loaded_source, read_source


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


def test_the_code_of_a_method_that_was_typed_is_its_name_at_least(monkeypatch):
    monkeypatch.setitem(sys.modules, "prompt", types.ModuleType("prompt"))
    assert read_text(type("Typed", (), {"__module__": "prompt"})) == "Typed"


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
