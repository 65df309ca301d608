"""What the names of run folders depend on: the plan, the data, and the code that is used."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from own_method import METHOD
from registered import register
from small_runs import plan_of

from workbench.experiments import fingerprint
from workbench.experiments.fingerprint import plugin_versions, source_checksums
from workbench.experiments.lineage import run_folder
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.plugin import sources
from workbench.plugin.sources import loaded_source
from workbench.testing import tiny_data


@pytest.fixture
def changed(monkeypatch):
    """Return a function that changes the source of the classes with a name, as an editor would."""
    original = fingerprint._source_text

    def change(name: str) -> None:
        def text(target: type) -> str:
            if target.__name__ == name:
                return original(target) + "#"
            return original(target)

        monkeypatch.setattr(fingerprint, "_source_text", text)

    return change


def name_of(data, *given, **settings):
    return run_folder(plan_of(data, *given, **settings), data, Path("runs")).name


def test_the_hash_covers_plan_data_and_source(data, monkeypatch, changed):
    first = name_of(data)
    assert name_of(data) == first
    assert first.startswith("protonet-tiny-3w2s-")
    others = {
        name_of(data, seed=1),
        name_of(data, steps=7),
        name_of(data, shots=1),
        name_of(data, "protonet:temperature=2"),
        name_of(data, "maml"),
        name_of(tiny_data(images=13)),
    }
    assert len(others | {first}) == 7
    monkeypatch.setattr("workbench.experiments.lineage.RESULTS_VERSION", 99)
    assert name_of(data) != first
    monkeypatch.undo()
    changed("ProtoNet")
    assert name_of(data) != first


def test_the_code_of_the_backbone_counts_too(data, changed):
    first = name_of(data)
    changed("Conv4")
    assert name_of(data) != first


def test_the_content_of_weight_files_counts(tmp_path, data):
    weights = tmp_path / "weights.pth"
    backbone = f"torchvision:name=squeezenet1_1,weights={weights}"
    plan = plan_of(data, backbone=backbone)
    assert set(source_checksums(plan)) == {"algorithm", "backbone"}
    weights.write_bytes(b"some")
    first = source_checksums(plan)["backbone weights"]
    weights.write_bytes(b"other")
    assert source_checksums(plan)["backbone weights"] != first


def test_what_is_trained_first_is_in_the_hash(data, changed):
    names = {name_of(data, f"protonet:init={init}") for init in ("none", "baseline", "baselinepp")}
    names.add(name_of(data, "protonet:init=baseline:batch_size=8"))
    assert len(names) == 4
    changed("Baseline")
    assert name_of(data, "protonet:init=baseline") not in names


def test_non_episodic_methods_are_one_run_for_all_ways_and_shots(data):
    names = {
        name_of(data, "baseline", ways=ways, shots=shots) for ways in (2, 3) for shots in (1, 2)
    }
    assert len(names) == 1
    assert names.pop().startswith("baseline-tiny-")


def test_a_source_is_read_once_in_a_process(data, monkeypatch):
    read = []
    original = sources.read_source

    def text(target: type) -> sources.SourceText:
        read.append(target.__name__)
        return original(target)

    loaded_source.cache_clear()
    monkeypatch.setattr(sources, "read_source", text)
    for shots in (1, 2):
        name_of(data, shots=shots)
        name_of(data, "protonet:init=baseline", shots=shots)
    assert sorted(read) == ["Baseline", "Conv4", "ProtoNet"]


def test_an_edit_during_a_comparison_does_not_name_the_code_that_was_loaded(
    data, tmp_path, monkeypatch
):
    file = tmp_path / "shelf" / "method.py"
    file.parent.mkdir()
    file.with_name("__init__.py").write_text("")
    file.write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("workbench.plugin.recipes._read", lambda _: {})
    register(monkeypatch, "algorithms", "own", "shelf.method:Own")
    plan = plan_of(data, "own")  # all cells are planned, and their classes loaded, before any runs
    notes = []
    workspace = Workspace(tmp_path / "runs", "cpu", note=notes.append)
    first = train_run(plan, data, workspace)
    assert notes == []
    file.write_text(METHOD + "# edited while another cell was trained\n")
    second = train_run(plan_of(data, "own", seed=1), data, workspace)
    assert [Path(note.split()[0]) for note in notes] == [file]
    assert "own is computed with the code as it was" in notes[0]
    assert first.manifest.versions["tests"] == "1.0"
    loaded_source.cache_clear()  # another process loads the new code
    third = train_run(plan, data, workspace)
    assert third.folder != first.folder
    assert second.folder not in (first.folder, third.folder)
    assert len(notes) == 1


def test_the_versions_of_plugins_are_recorded(data):
    plan = plan_of(data, "maml")
    assert plugin_versions(plan) == {
        "mlw-optimization": version("mlw-optimization"),
        "mlw-vision": version("mlw-vision"),
    }
    plan = plan_of(tiny_data(name="glyphs"), "nearest_pixel", backbone=None)
    assert plugin_versions(plan).keys() == {"mlw-transfer", "mlw-vision"}
