"""Imports go one way, plugins use the public list, and nothing heavy is imported too early."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from frames import cell

import workbench
from workbench.experiments.evaluation_file import run_columns
from workbench.experiments.fingerprint import digest
from workbench.experiments.manifest import RunManifest, write_manifest
from workbench.experiments.plan import Plan
from workbench.learning.settings import TrainSettings
from workbench.results.frame import write_tasks
from workbench.storage import write_toml
from workbench.tasks.sampling import TaskShape

ROOT = Path(workbench.__file__).resolve().parents[1]
CORE = sorted((ROOT / "workbench").rglob("*.py"))
PLUGINS = {
    folder.name: sorted(folder.rglob("*.py"))
    for folder in ROOT.glob("plugins/*/mlw_*")
    if folder.is_dir()
}
HEAVY = {"torch", "pandas", "matplotlib"}

# What each package holds, in order: a module or package imports only from those before it.
# Line breaks mean nothing.
ROOMS = {
    "workbench": [
        "version errors environment lazy progress storage locks",
        "plugin data tasks optimizers functional learning results experiments tuning",
        "recommending predicting testing commands scaffold cli",
    ],
    "workbench.plugin": [
        "hookspecs interface packages words options typed_source sources registry own_code blame",
        "nearest recipe_form recipes written",
    ],
    "workbench.data": [
        "cache files arrays dataset tables notes prepared image_folder given download",
        "catalog opening inventory verification",
    ],
    "workbench.data.files": [
        "blocks pickles decode file_state members containers scratch archive checksum"
    ],
    "workbench.data.image_folder": [
        "choice record labels level_names class_levels folder_levels",
        "table_file joined_lists image_lookup image_table annotations label_columns label_table",
        "left_out masks view asking deciding layout splitting origin_state copies dataset register",
    ],
    "workbench.data.download": [
        "entry manifest_file manifest provenance learnt transfer local_files mirrors fetch"
    ],
    "workbench.tasks": ["task sampling protocols source splits leaks settings"],
    "workbench.tasks.protocols": [
        "names way_shot within_group unbalanced stream prequential listed meta_dataset build"
    ],
    "workbench.learning": [
        "device augment settings learner norms modulation training calibration evaluation",
        "tracing answering",
    ],
    "workbench.results": [
        "table_file frame traces wording grouping published marks paired baselines summary matrix",
        "own_figure style trials figures trace_figure sureness heatmap_layout heatmap",
        "examples page",
    ],
    "workbench.results.page": [
        "markup library answers results_table protocol charts result_charts task_charts",
        "curve_charts sure_charts pictures whole",
    ],
    "workbench.experiments": [
        "tracker tracking workspace value_types algorithm plugin_check training_tasks plan build",
        "fingerprint manifest run_files evaluation_file run own_code lineage stored",
        "traced tracked reported curve provenance effort",
        "earlier_runs train_run trained selection temperature evaluate_run trace_run examples",
        "cells remaining compare",
    ],
    "workbench.tuning": ["space schedule study search"],
    "workbench.predicting": ["pictures answer rejecting sheet"],
    "workbench.recommending": ["landmarks experience ranking resampling"],
    "workbench.commands": [
        "keywords unknown own arguments tune compare download evaluate load report train",
        "answering recommend predict classifier check",
    ],
    "workbench.scaffold": ["names write"],
    "workbench.testing": [
        "checks tiny watching elsewhere constructors backbones datasets",
        "attempts subject adapting independence training devices learners plugins",
    ],
    "workbench.cli": [
        "_show _streams _lists _complete _flags _options _progress _results",
        "check compare config download evaluate info list_ new plugins predict recommend report",
        "runs train tune main",
    ],
}
PLACE = {
    f"{package}.{name}": n
    for package, names in ROOMS.items()
    for n, name in enumerate(" ".join(names).split())
}

# What answers before torch, pandas and matplotlib are imported; and what needs no torch.
LIGHT = ("environment", "errors", "lazy", "locks", "progress", "storage", "plugin.", "cli.")
WITHOUT_TORCH = (
    "data.",
    "results.",
    "tasks.sampling",
    "tasks.protocols",
    "experiments.evaluation_file",
    "experiments.lineage",
    "experiments.manifest",
    "experiments.plan",
    "experiments.reported",
    "experiments.run",
    "experiments.stored",
    "experiments.traced",
    "experiments.tracked",
    "experiments.tracker",
    "experiments.tracking",
    "experiments.workspace",
    "learning.augment",
    "learning.settings",
)


class Import(NamedTuple):
    """One imported module or name: "workbench.learning.learner.Learner"."""

    name: str
    at_once: bool  # when its module is imported, not when a function is called
    line: int


def imports(path: Path) -> list[Import]:
    """All that a file imports, what only a type checker sees too."""
    return list(_imports(ast.parse(path.read_text(encoding="utf-8")), at_once=True))


def _imports(node: ast.AST, *, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_once, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are written in full"
            yield from (
                Import(f"{child.module}.{alias.name}", at_once, child.lineno)
                for alias in child.names
            )
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            checked = (
                isinstance(child, ast.If)
                and isinstance(child.test, ast.Name)
                and child.test.id == "TYPE_CHECKING"
            )
            yield from _imports(child, at_once=at_once and not later and not checked)


def module_of(path: Path) -> str:
    """ "workbench.data.files.archive"; a package for its `__init__.py`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def upwards(module: str, imported: str) -> str:
    """Return why an import by a module goes the wrong way; "" if it does not.

    The two are compared where their names part: `workbench.data` with `workbench.tasks`.
    """
    if imported == "workbench" and module != "workbench":
        return "import the module itself: `import workbench` reaches every room"
    if not imported.startswith("workbench."):
        return ""
    own, other = module.split("."), imported.split(".")
    if module == "workbench" or (module in ROOMS and other[: len(own)] == own):
        return ""  # a package's own list of public names
    depth = 0
    while depth < min(len(own), len(other)) - 1 and own[depth] == other[depth]:
        depth += 1
    mine, theirs = ".".join(own[: depth + 1]), ".".join(other[: depth + 1])
    if theirs not in PLACE:
        return f"{theirs} is in no room: say in ROOMS where it belongs"
    return "" if PLACE[theirs] < PLACE[mine] else f"{mine} must not import {theirs}"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def folder_of(package: str) -> Path:
    return ROOT / package.replace(".", "/")


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
    module = module_of(path)
    if module != "workbench":
        assert module in PLACE, f"say in ROOMS where {module} belongs"
    for entry in imports(path):
        assert not upwards(module, entry.name), f"line {entry.line}: {upwards(module, entry.name)}"


def test_every_room_is_there():
    assert set(PLACE) == {module_of(path) for path in CORE} - {"workbench"}
    for package in ROOMS:
        docstring = ast.get_docstring(
            ast.parse(folder_of(package).joinpath("__init__.py").read_text())
        )
        assert docstring, f"{package} does not say what lives there"


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("workbench.errors", "workbench.plugin.registry.registry"),
        ("workbench.data.files.archive", "workbench.data.image_folder.record.FolderRecord"),
        ("workbench.data.image_folder.record", "workbench.tasks.task.Task"),
        ("workbench.tasks.sampling", "workbench.tasks.source.Source"),
        ("workbench.results.frame", "workbench.results.summary.summary"),
        ("workbench.results.frame", "workbench.results.frame.columns"),
        ("workbench.results.page.whole", "workbench.experiments.compare.compare"),
        ("workbench.plugin.options", "workbench.no_such_room.thing"),
        ("workbench.plugin.options", "workbench"),
    ],
)
def test_an_import_upwards_is_caught(module, imported):
    assert upwards(module, imported)


def test_an_import_downwards_is_not():
    assert not upwards("workbench.data.image_folder.record", "workbench.data.files.archive.Archive")
    assert not upwards("workbench.cli.main", "workbench.errors.WorkbenchError")


def test_importing_the_core_imports_none_of_its_rooms():
    code = "import sys, workbench; "
    code += "print(sorted(name for name in sys.modules if name.startswith('workbench.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['workbench.lazy', 'workbench.version']"


PUBLIC = {
    "workbench",
    "workbench.data",
    "workbench.errors",
    "workbench.functional",
    "workbench.testing",
}


@pytest.mark.parametrize(
    "path", [path for paths in PLUGINS.values() for path in paths], ids=name_of
)
def test_a_plugin_uses_the_public_door(path):
    own = path.relative_to(ROOT / "plugins").parts[1]
    for entry in imports(path):
        other = package(entry.name)
        assert other == own or not other.startswith("mlw_"), (
            f"line {entry.line}: {own} imports the plugin {other}"
        )
        if other == "workbench" and entry.name not in PUBLIC:
            module, _, name = entry.name.rpartition(".")
            assert module in PUBLIC, f"line {entry.line}: {module} is not on the public list"
            public = importlib.import_module(module).__all__
            assert name in public, f"line {entry.line}: {name} is not public in {module}"


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_nothing_heavy_before_it_is_needed(path):
    place = module_of(path).removeprefix("workbench.") + ("." if path.name == "__init__.py" else "")
    forbidden: set[str] = set()
    if place.startswith(WITHOUT_TORCH):
        forbidden = {"torch"}
    if place.startswith(LIGHT) or path.name == "__init__.py":
        forbidden = HEAVY
    found = [entry for entry in imports(path) if entry.at_once and package(entry.name) in forbidden]
    assert not found, f"import it in the function that needs it: {found}"


def heavy_after(code: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Run code in a process of its own; return the heavy modules that it left imported."""
    tail = "\nimport json, sys\n"
    tail += f"print(json.dumps([m for m in {sorted(HEAVY)} if m in sys.modules]), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + tail, *arguments], capture_output=True, text=True, cwd=cwd
    )
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
    "words",
    [["--help"], ["list"], ["list", "--json"], ["train", "--help"]],
    ids=" ".join,
)
def test_commands_that_answer_at_once(words):
    assert heavy_after(COMMAND, *words) == set()


def test_importing_the_package_is_light():
    assert heavy_after("import workbench; workbench.hookimpl, workbench.WorkbenchError") == set()


def test_what_needs_no_torch_imports_none_on_a_way_round_either():
    names = [name for name in PLACE if name.removeprefix("workbench.").startswith(WITHOUT_TORCH)]
    modules = [name for name in names if not folder_of(name).is_dir()]
    assert len(modules) > 40
    assert "torch" not in heavy_after(f"import {', '.join(modules)}")


READING = """
from workbench.experiments.run import find_runs
from workbench.results.summary import summary
(found,) = find_runs(["runs"])
assert found.label == "tiny:deep=true"
assert len(found.curve()) == 1
assert not found.finished
assert len(summary(found.evaluations())) == 1
"""


def test_reading_runs_imports_no_torch(tmp_path):
    """A report over run folders made elsewhere needs neither torch nor the plugins' classes."""
    run = tmp_path / "runs" / "tiny-1w1s-00000000"
    (run / "eval").mkdir(parents=True)
    settings = TrainSettings(train_ways=5, train_shots=1)
    plan = Plan(
        "tiny", {"deep": True}, {"deep": "true"}, "", ("x",), settings, None, TaskShape(5, 1, 15), 0
    )
    manifest = RunManifest(plan, "", (1, 28, 28), (), (), 0, 0)
    write_manifest(run, manifest)
    (run / "train.csv").write_text("step,loss,lr,seconds,val_accuracy\n1,0.5,0.1,1.0,\n")
    asked = {
        "data": "x",
        "fingerprint": "",
        "split": "test",
        "protocol": "way-shot",
        "ways": 5,
        "shots": 1,
        "queries": 15,
        "episodes": 2,
        "seed": 0,
        "results": 2,
        "sources": {},
    }
    path = run / "eval" / f"x-{digest(asked)}.parquet"
    columns = {**run_columns(manifest), "test_on": "x", "code": digest({})}
    columns.pop("algorithm")
    write_tasks(cell("tiny", [0.5, 1.0], **columns), path)
    write_toml(path.with_suffix(".toml"), asked)
    assert "torch" not in heavy_after(READING, cwd=tmp_path)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_public_list_is_sorted_and_resolves(name):
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__)
    for each in module.__all__:
        assert getattr(module, each) is not None
    homes = getattr(module, "_HOMES", None)
    assert homes is None or set(homes) == set(module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
