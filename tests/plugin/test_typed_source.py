"""Classes of notebooks: what counts as their text, and what does not."""

from __future__ import annotations

import linecache
import sys
import types

import numpy as np
import pytest
import torch

from workbench.errors import UsageError
from workbench.plugin.typed_source import typed_source


class Cells:
    """A notebook: cells share their names, and the text of each cell is kept."""

    def __init__(self):
        self.module = types.ModuleType("__main__")
        self.count = 0

    def run(self, text: str, **given) -> None:
        self.count += 1
        file = f"<cell {id(self)} {self.count}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        vars(self.module).update(given)
        exec(compile(text, file, "exec"), vars(self.module))

    def source(self, name: str = "Method"):
        return typed_source(getattr(self.module, name))


@pytest.fixture
def cells():
    return Cells()


METHOD = """
class Method:
    rate = 0.1
    def adapt(self, support):
        return helper(support) * SCALE
"""
HELPER = """
def helper(x):
    return deeper(x) + 1
"""
DEEPER = """
def deeper(x):
    return x
"""


@pytest.fixture
def notebook(cells):
    cells.run(DEEPER)
    cells.run(HELPER)
    cells.run("SCALE = 2.0")
    cells.run(METHOD)
    return cells


def test_the_same_cells_give_the_same_text(notebook):
    before = notebook.source()
    for text in (DEEPER, HELPER, "SCALE = 2.0", METHOD):
        notebook.run(text)
    assert notebook.source() == before


@pytest.mark.parametrize(
    "changed",
    [
        METHOD.replace("* SCALE", "/ SCALE"),
        METHOD.replace("0.1", "0.2"),
        HELPER.replace("+ 1", "+ 2"),
        DEEPER.replace("return x", "return -x"),
        "SCALE = 3.0",
        "def SCALE(): pass",
    ],
)
def test_a_change_of_anything_that_it_uses_is_another_text(notebook, changed):
    before = notebook.source()
    notebook.run(changed)
    assert notebook.source() != before


@pytest.mark.parametrize(
    "added",
    [
        "other = 7",
        "def unused(x): return 0",
        METHOD + "\nprint(Method())\nresult = [Method() for _ in range(3)]",  # in the same cell
        "# only a comment\n" + HELPER,
    ],
)
def test_what_it_does_not_use_does_not_count(notebook, added):
    before = notebook.source()
    notebook.run(added)
    assert notebook.source() == before


def test_base_classes_defaults_and_decorated_functions_count(cells):
    base = "class Base:\n    def losses(self): return 1\n"
    wrapped = (
        "class Method(Base):\n"
        "    @property\n    def a(self): return 1\n"
        "    @staticmethod\n    def b(x=LOW): return x\n"
        "    @torch.no_grad()\n    def c(self): return len(str(1))\n"
    )
    cells.run(base, torch=torch)
    cells.run("LOW = 1")
    cells.run(wrapped)
    seen = {cells.source().text}
    cells.run(base.replace("1", "2"))
    cells.run(wrapped)
    seen.add(cells.source().text)
    cells.run("LOW = 2")
    cells.run(wrapped)
    seen.add(cells.source().text)
    cells.run(wrapped.replace("str(1)", "str(2)"))
    seen.add(cells.source().text)
    assert len(seen) == 4


def test_a_class_of_attributes_alone(cells):
    cells.run("class Base:\n    def losses(self): return 1\n")
    cells.run("class Method(Base):\n    rate = 1\n")
    before = cells.source()
    cells.run("class Method(Base):\n    rate = 2\n")
    assert cells.source() != before


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_arrays_count_by_content(cells, make):
    cells.run("class Method:\n    def adapt(self): return WEIGHTS\n", WEIGHTS=make([1.0, 2.0]))
    before = cells.source()
    cells.run("", WEIGHTS=make([1.0, 2.0]))
    assert cells.source() == before
    cells.run("", WEIGHTS=make([1.0, 3.0]))
    assert cells.source() != before


def test_the_text_is_the_same_whatever_order_a_set_has(cells):
    cells.run("class Method:\n    def adapt(self): return NAMES\n", NAMES={"b", "a", "c"})
    first = cells.source()
    cells.run("", NAMES={"c", "b", "a"})
    assert cells.source() == first
    assert "['" not in first.text
    assert "{'a', 'b', 'c'}" in first.text


def test_functions_that_name_one_another_end(cells):
    cells.run("def a(x): return b(x)\ndef b(x): return a(x)\n")
    cells.run("class Method:\n    def adapt(self): return a(Method)\n")
    assert "return b(x)" in cells.source().text


def test_modules_are_named_and_not_followed(cells):
    cells.run("class Method:\n    def adapt(self): return np.zeros(sys.maxsize)\n", np=np, sys=sys)
    assert set(cells.source().modules) == {"numpy", "sys"}


def test_a_class_inside_a_function_is_read_alone(cells):
    text = (
        "def make(scale):\n"
        "    class Method:\n"
        "        def adapt(self): return scale\n"
        "    return Method\n"
        "Method = make({})\n"
    )
    cells.run(text.format(1))
    one = cells.source()
    cells.run(text.format(2))
    assert cells.source() != one, "what a closure holds is part of it"
    assert "make(" not in one.text


def test_a_cell_with_commands_of_the_notebook(cells):
    cells.run("class Method:\n    def adapt(self): return 1\n")
    file = cells.module.Method.adapt.__code__.co_filename
    lines = [*linecache.cache[file][2], "%time 1\n"]
    linecache.cache[file] = (0, None, lines, file)
    assert "%time" in cells.source().text, "the whole cell counts, where it cannot be parsed"


def test_without_text_it_is_refused():
    module = {"__name__": "__main__"}
    exec("class Method:\n    def adapt(self): return 1\n", module)
    with pytest.raises(UsageError, match=r"The text of Method cannot be read.*FILE\.py:Method"):
        typed_source(module["Method"])
