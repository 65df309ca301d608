"""The notebooks run from top to bottom, with small runs."""

from __future__ import annotations

import base64
import json
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from places import ROOT

NOTEBOOKS = ROOT / "notebooks"

pytestmark = pytest.mark.timeout(1200)  # a kernel imports all of torch, on a busy machine


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Run all cells of a notebook in an empty folder, with the interpreter that runs the tests."""
    # The kernel is specified here, so that the kernels of the machine do not matter.
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "tests", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    def run(path):
        notebook = nbformat.read(path, as_version=4)
        place = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=1000, kernel_name="python3", resources=place).execute()
        return notebook

    return run


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return the outputs of one MIME type, in order."""
    found = []
    for output in all_outputs(notebook):
        if kind in output.get("data", {}):
            found.append(output.data[kind])
    return found


def printed(notebook: nbformat.NotebookNode) -> str:
    """Return what the cells print."""
    return "".join(output.get("text", "") for output in all_outputs(notebook))


def all_outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    found = []
    for cell in notebook.cells:
        found += cell.get("outputs", [])
    return found


def kinds(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what each code cell shows: the MIME types of its outputs, or the stream."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = []
            for output in cell.outputs:
                shown += sorted(output.get("data", {})) or [output.get("name", output.output_type)]
            found.append(shown)
    return found


PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_notebooks_are_stored_as_one_run_left_them(path):
    """`make notebooks` runs them; a reader sees results without running anything."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    text = path.read_text(encoding="utf-8")
    for place in ("/home/", "/root/", "/tmp/", "/Users/", str(ROOT), sys.prefix):
        assert place not in text
    assert all(output.output_type != "error" for output in all_outputs(notebook))
    assert all(output.get("name") != "stderr" for output in all_outputs(notebook))


def test_compare_shows_tables_and_figures(execute, tmp_path, monkeypatch):
    small = "validate_tasks=8,meta_batch=2"
    algorithms = f"protonet:{small} maml:{small},inner_steps=1,test_steps=1"
    settings = {
        "ON": "glyphs",
        "ALGORITHMS": algorithms,
        "SHOTS": "1 5",
        "EPISODES": "8",
        "STEPS": "6",
    }
    for name, value in {**settings, "OUT": str(tmp_path / "runs")}.items():
        monkeypatch.setenv(f"MLW_NOTEBOOK_{name}", value)
    notebook = execute(NOTEBOOKS / "compare.ipynb")

    assert kinds(notebook) == kinds(nbformat.read(NOTEBOOKS / "compare.ipynb", as_version=4))
    assert "32 rows, one per test task, from 4 runs" in printed(
        notebook
    )  # 2 methods x 2 shots x 8 tasks
    summary, differences = outputs(notebook, "text/html")
    assert summary.count("<tr") == 1 + 4  # a head, and a row for each cell
    assert differences.count("<tr") == 1 + 2  # one pair of methods for each number of shots
    assert summary.count("<td>protonet:") == summary.count("<td>maml:") == 2
    assert "difference_interval" in summary
    figures = [base64.b64decode(data) for data in outputs(notebook, "image/png")]
    assert len(figures) == 3
    assert all(figure.startswith(b"\x89PNG") and len(figure) > 10_000 for figure in figures)
    assert len(list((tmp_path / "runs").glob("*/run.toml"))) == 4


def test_adaptation_shows_each_step(execute, tmp_path, monkeypatch):
    small = "validate_tasks=8,meta_batch=2"
    algorithms = f"protonet:{small} maml:{small},inner_steps=1,test_steps=2"
    optimisers = f"l2l:{small},inner_steps=2 l2l:rule=sgd,inner_steps=2,validate_tasks=8"
    settings = {"ALGORITHMS": algorithms, "OPTIMISERS": optimisers, "EPISODES": "8"}
    settings |= {"TRACED": "3", "STEPS": "4", "MEMORY_STEPS": "2"}
    settings |= {"MEMORY": f"mann:{small},init=none protonet:{small}"}
    for name, value in {**settings, "OUT": str(tmp_path / "runs")}.items():
        monkeypatch.setenv(f"MLW_NOTEBOOK_{name}", value)
    notebook = execute(NOTEBOOKS / "adaptation.ipynb")

    assert kinds(notebook) == kinds(nbformat.read(NOTEBOOKS / "adaptation.ipynb", as_version=4))
    # 3 tasks, 2 parts; one step of protonet, and three of maml with the one before adapting
    assert "24 rows, one per task, step and part, from 2 runs" in printed(notebook)
    steps, results, by_optimiser = outputs(notebook, "text/html")
    assert steps.count("<tr") == 2 + 2
    assert results.count("<tr") == by_optimiser.count("<tr") == 1 + 2
    assert by_optimiser.count("rate=") == 2
    pictures = [base64.b64decode(data) for data in outputs(notebook, "image/png")]
    assert len(pictures) == 3
    assert all(len(picture) > 10_000 for picture in pictures)


def test_cross_domain_shows_the_picture_and_the_numbers(execute, tmp_path, monkeypatch):
    settings = {
        "TRAIN_ON": "glyphs glyphs:seed=1",
        "TEST_ON": "glyphs:seed=2 glyphs:jitter=2.0,seed=3",
        "BASELINES": "nearest_pixel simpleshot:validate_tasks=8",
        "METHODS": "url:validate_tasks=4,adapt_steps=2 protonet:validate_tasks=8",
        **{"SHOTS": "1", "EPISODES": "8", "STEPS": "4", "OUT": str(tmp_path / "runs")},
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"MLW_NOTEBOOK_{name}", value)
    notebook = execute(NOTEBOOKS / "cross-domain.ipynb")

    assert kinds(notebook) == kinds(nbformat.read(NOTEBOOKS / "cross-domain.ipynb", as_version=4))
    text = printed(notebook)
    assert "64 rows, one per test task, from 4 runs" in text  # 4 methods x 2 data sets x 8 tasks
    assert text.count("Best baseline: ") == text.count("better: ") == 2
    numbers, gaps, places = outputs(notebook, "text/html")
    assert numbers.count("<tr") == 1 + 8
    assert "(glyphs, glyphs:seed=1)" in numbers  # the data sets that chose the options of url
    assert gaps.count("<tr") >= 1 + 2
    assert places.count("<tr") >= 1 + 4
    (picture,) = (base64.b64decode(data) for data in outputs(notebook, "image/png"))
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


OWN = """
import workbench as mlw
from workbench.functional import class_means

def similar(x, means):
    return x @ means.mT

class Mine(mlw.Learner):
    def adapt(self, support):
        means = class_means(support._replace(x=support.x.flatten(1)))
        return lambda x: similar(x.flatten(1), means)

    def losses(self, source):
        return iter(())
"""
COMPARE = "print(mlw.compare(Mine, episodes=3)['run'].iloc[0])"


def test_a_class_of_a_notebook_is_told_from_its_next_version(execute, tmp_path):
    changed = "def similar(x, means):\n    return x @ means.mT / 2"
    cells = [OWN, COMPARE, "unused = 1", COMPARE, changed, COMPARE, OWN, COMPARE]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = tmp_path / "own.ipynb"
    nbformat.write(notebook, path)
    first, same, other, back = printed(execute(path)).split("\n")[:4]
    assert first.startswith("Mine-glyphs-")
    assert first == same == back
    assert other != first
