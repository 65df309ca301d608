"""Who imports whom: one way through the core, plugins by the public door, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import workbench

ROOT = Path(workbench.__file__).resolve().parents[1]
CORE = sorted((ROOT / "workbench").rglob("*.py"))
PLUGINS = {folder.name: sorted(folder.rglob("*.py")) for folder in ROOT.glob("plugins/*/mlw_*") if folder.is_dir()}
HEAVY = {"torch", "pandas", "matplotlib"}

LIGHT = {"__init__", "comparison", "errors", "hookspecs", "plugins", "recipes", "runs", "specs"}
WITHOUT_TORCH = (
    "adding",
    "archives owned",
    "decoding",
    "download",
    "fetching",
    "figures",
    "folders",
    "heatmap",
    "images",
    "inventory",
    "layouts",
    "local",
    "manifest",
    "mirrors",
    "page",
    "pickles",
    "records",
    "stores",
)

# a module imports only from rows above its own
LAYERS = [
    "errors hookspecs tasks",
    "augment cache decoding device drawing functional pickles plugins specs stores",
    "archives owned",
    "images learner metadataset recipes source",
    "evaluate manifest protocols train",
    "fetching layouts",
    "records",
    "local",
    "folders mirrors",
    "adding download",
    "inventory opened",
    "plan",
    "report runs testing",
    "figures jobs judging",
    "heatmap",
    "comparison page",
    "cli",
]
PLACE = {module: number for number, row in enumerate(LAYERS) for module in row.split()}


class Import(NamedTuple):
    """One imported module or name: "workbench.learning.learner.Learner"."""

    name: str
    at_once: bool  # when its module is imported, not when a function is called
    line: int


def imports(path: Path) -> list[Import]:
    """All that a file imports, but for what only a type checker sees."""
    return list(_imports(ast.parse(path.read_text(encoding="utf-8")), at_once=True))


def _imports(node: ast.AST, *, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_once, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are written in full"
            yield from (Import(f"{child.module}.{alias.name}", at_once, child.lineno) for alias in child.names)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, at_once=at_once and not inside)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def package(name: str) -> str:
    return name.partition(".")[0]


def test_there_is_something_to_look_at():
    assert len(CORE) > 20
    assert {"mlw_metric", "mlw_optimization", "mlw_transfer", "mlw_vision"} <= PLUGINS.keys()
    assert Import("workbench.errors.WorkbenchError", True, 1) in [
        entry._replace(line=1) for entry in imports(ROOT / "workbench" / "cli" / "main.py")
    ]


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_imports_no_plugin(path):
    assert not [entry for entry in imports(path) if package(entry.name).startswith("mlw_")]


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_imports_one_way(path):
    module = path.relative_to(ROOT / "workbench").parts[0].removesuffix(".py")
    if module == "__init__":
        return  # it names the public interface and imports a name when it is asked for
    assert module in PLACE, f"say in LAYERS where workbench/{module}.py belongs"
    for entry in imports(path):
        inside, _, rest = entry.name.partition(".")
        other = rest.partition(".")[0]
        if inside != "workbench" or other == "__version__" or other == module == "cli":
            continue
        assert other in PLACE, f"line {entry.line}: {entry.name} is not a module of the core"
        assert PLACE[other] < PLACE[module], f"line {entry.line}: {module} must not import {other}"


def test_importing_the_core_imports_none_of_its_modules():
    assert not [entry for entry in imports(ROOT / "workbench" / "__init__.py") if package(entry.name) == "workbench"]


@pytest.mark.parametrize("path", [path for paths in PLUGINS.values() for path in paths], ids=name_of)
def test_a_plugin_uses_the_public_door(path):
    own = path.relative_to(ROOT / "plugins").parts[1]
    for entry in imports(path):
        other = package(entry.name)
        assert other == own or not other.startswith("mlw_"), f"line {entry.line}: {own} imports the plugin {other}"
        private = [part for part in entry.name.split(".") if part.startswith("_") and part != "__version__"]
        assert other != "workbench" or not private, f"line {entry.line}: {entry.name} is private"
        assert not entry.name.startswith("workbench.cli"), f"line {entry.line}: the command line is not an interface"


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_nothing_heavy_before_it_is_needed(path):
    place = path.relative_to(ROOT / "workbench").as_posix()
    light = place.startswith("cli/") or place.removesuffix(".py") in LIGHT
    forbidden = HEAVY if light else {"torch"} if place.startswith(("report", *WITHOUT_TORCH)) else set()
    found = [entry for entry in imports(path) if entry.at_once and package(entry.name) in forbidden]
    assert not found, f"import it in the function that needs it: {found}"


def heavy_after(code: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Run code in a process of its own; return the heavy modules that it left imported."""
    tail = f"\nimport json, sys; print(json.dumps([m for m in {sorted(HEAVY)} if m in sys.modules]), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + tail, *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


COMMAND = """
from workbench.cli.main import run
try:
    run()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["list"], ["plugins"], ["list", "--json"], ["train", "--help"]], ids=" ".join
)
def test_commands_that_answer_at_once(words):
    assert heavy_after(COMMAND, *words) == set()


def test_importing_the_package_is_light():
    assert heavy_after("import workbench; workbench.hookimpl, workbench.WorkbenchError") == set()


def test_reading_runs_imports_no_torch(tmp_path):
    """A report over run folders made elsewhere needs no torch, nor does it ask for the plugins' classes."""
    run = tmp_path / "runs" / "tiny-1w1s-00000000"
    (run / "eval").mkdir(parents=True)
    plan = 'plan = { algorithm = "tiny", typed = "" }\n'
    (run / "run.toml").write_text(f"format = 1\n{plan}", encoding="utf-8")
    (run / "train.csv").write_text("step,loss,lr,seconds,val_accuracy\n1,0.5,0.1,1.0,\n", encoding="utf-8")
    code = """
import pandas as pd
from workbench.results import summary as report
from workbench.experiments import run as runs
pd.DataFrame({"task": [0, 1], "accuracy": [0.5, 1.0]}).assign(
    algorithm="tiny", backbone="", train_on="x", test_on="x", split="test", all_options="",
    overlap="",
    protocol="way-shot", ways=1, shots=1, queries=1, instance=0, task_seed=0
).to_parquet("runs/tiny-1w1s-00000000/eval/x.parquet")
(found,) = runs.find(["runs"])
assert found.about["plan"]["algorithm"] == found.label == "tiny"
assert len(found.curve()) == 1 and len(found.evaluations()) == 2 and not found.finished
assert report.summary
"""
    assert "torch" not in heavy_after(code, cwd=tmp_path)


def test_the_public_list_is_sorted_and_resolves():
    assert workbench.__all__ == sorted(workbench.__all__)
    for name in workbench.__all__:
        assert getattr(workbench, name).__module__.startswith(("workbench.", "typing", "pluggy", "collections")), name
    assert set(workbench.__all__) == set(workbench._HOMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = workbench.nothing
